internal import CZlib

/// One deflating `z_stream` for gzip, made once and reset for each use; about 256 KiB.
struct DeflateHandle: ~Copyable {
  // On the heap because zlib keeps the stream's address and refuses one that has moved.
  private let stream: UnsafeMutablePointer<z_stream>

  /// - Throws: `.outOfMemory`.
  init() throws(GzipError) {
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    // The fastest level: it runs on an event loop, whose time is worth more than the last bytes. 8 is zlib's default
    // use of memory.
    let outcome = deflateInit2_(
      stream, Z_BEST_SPEED, Z_DEFLATED, gzipWindow, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
      Int32(MemoryLayout<z_stream>.size))
    guard outcome == Z_OK else {
      stream.deallocate()
      throw GzipError(.outOfMemory, "zlib could not make a compressor: out of memory")
    }
  }

  deinit {
    deflateEnd(stream)
    stream.deallocate()
  }

  /// Compresses `input` into one gzip member.
  /// - Returns: nil when it would take `limit` bytes or more.
  func deflate(_ input: UnsafeRawBufferPointer, limit: Int) -> [UInt8]? {
    guard limit > 1 else { return nil }
    deflateReset(stream)
    // zlib declares the input mutable and never writes to it.
    stream.pointee.next_in = UnsafeMutableRawPointer(mutating: input.baseAddress)?.assumingMemoryBound(to: UInt8.self)
    stream.pointee.avail_in = UInt32(input.count)
    defer { stream.pointee.next_in = nil }
    var isComplete = false
    let output = [UInt8](unsafeUninitializedCapacity: limit - 1) { output, count in
      stream.pointee.next_out = output.baseAddress
      stream.pointee.avail_out = UInt32(output.count)
      isComplete = CZlib.deflate(stream, Z_FINISH) == Z_STREAM_END
      count = output.count - Int(stream.pointee.avail_out)
    }
    return isComplete ? output : nil
  }
}
