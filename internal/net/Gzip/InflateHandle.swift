internal import CZlib

/// One inflating `z_stream` for gzip, made once and reset for each use; about 40 KiB once it has been used.
struct InflateHandle: ~Copyable {
  // On the heap because zlib keeps the stream's address and refuses one that has moved.
  private let stream: UnsafeMutablePointer<z_stream>

  /// - Throws: `.outOfMemory`.
  init() throws(GzipError) {
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    guard inflateInit2_(stream, gzipWindow, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      stream.deallocate()
      throw GzipError(.outOfMemory, "zlib could not make a decompressor: out of memory")
    }
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
  }

  /// Decompresses `input`, one gzip member or several in a row (RFC 1952 section 2.2), and appends the output.
  ///
  /// Never holds more than `limit` bytes and one buffer of output, whatever the input claims or contains.
  /// - Throws: `.corrupt`, `.tooLong` beyond `limit` bytes, `.outOfMemory`.
  func inflate(
    _ input: UnsafeRawBufferPointer, limit: Int, buffer: UnsafeMutableRawBufferPointer, into output: inout [UInt8]
  ) throws(GzipError) {
    inflateReset(stream)
    // zlib declares the input mutable and never writes to it.
    stream.pointee.next_in = UnsafeMutableRawPointer(mutating: input.baseAddress)?.assumingMemoryBound(to: UInt8.self)
    stream.pointee.avail_in = UInt32(input.count)
    defer { stream.pointee.next_in = nil }
    while true {
      // One byte above the limit tells an output of exactly the limit from a longer one.
      let room = min(buffer.count, limit - output.count + 1)
      stream.pointee.next_out = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
      stream.pointee.avail_out = UInt32(room)
      let outcome = CZlib.inflate(stream, Z_NO_FLUSH)
      let made = room - Int(stream.pointee.avail_out)
      guard output.count + made <= limit else {
        throw GzipError(.tooLong, "the message expands to more than \(limit) bytes")
      }
      output.append(contentsOf: UnsafeRawBufferPointer(rebasing: buffer[..<made]))
      switch outcome {
      case Z_OK: break
      case Z_STREAM_END:
        if stream.pointee.avail_in == 0 { return }
        inflateReset(stream)
      case Z_MEM_ERROR: throw GzipError(.outOfMemory, "zlib ran out of memory while decompressing")
      case Z_BUF_ERROR: throw GzipError(.corrupt, "the gzip data ends too early")
      default:
        let reason = stream.pointee.msg.map { String(cString: $0) } ?? "zlib error \(outcome)"
        throw GzipError(.corrupt, "not valid gzip data: \(reason)")
      }
    }
  }
}

/// zlib's `windowBits`: the largest window, 15, and 16 for gzip's header and trailer around it.
let gzipWindow: Int32 = 15 + 16
