/// Compresses and decompresses whole messages as gzip (RFC 1952), with one zlib state each way that is reused.
///
/// The states are made when first needed. Not thread-safe: one thread at a time, such as an event loop.
public final class GzipCodec {
  private static let bufferSize = 64 << 10

  private var inflater: InflateHandle?
  private var deflater: DeflateHandle?
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferSize, alignment: 16)

  /// A codec without zlib's states, which are made when first needed.
  public init() {}

  deinit { buffer.deallocate() }

  /// The expanded message.
  /// - Parameter limit: the most bytes that may come out, equal is fine; decompression stops there.
  /// - Throws: `GzipError` `.corrupt`, `.tooLong`, `.outOfMemory`.
  public func decompress(_ message: [UInt8], limit: Int) throws(GzipError) -> [UInt8] {
    precondition(message.count <= UInt32.max && limit >= 0, "zlib counts the input in 32 bits")
    if inflater == nil { inflater = try InflateHandle() }
    var output: [UInt8] = []
    // The usual ratio of protobuf messages, so that most need no second allocation.
    output.reserveCapacity(min(limit, message.count * 3))
    let bytes = message.span.bytes
    try bytes.withUnsafeBytes { (input: UnsafeRawBufferPointer) throws(GzipError) in
      // Made above when there was none.
      try inflater!.inflate(input, limit: limit, buffer: buffer, into: &output)
    }
    return output
  }

  /// `message` as one gzip member; nil when that is no shorter than the message itself.
  /// - Throws: `GzipError` `.outOfMemory`.
  public func compress(_ message: [UInt8]) throws(GzipError) -> [UInt8]? {
    precondition(message.count <= UInt32.max, "zlib counts the input in 32 bits")
    if deflater == nil { deflater = try DeflateHandle() }
    let bytes = message.span.bytes
    // Made above when there was none.
    return bytes.withUnsafeBytes { deflater!.deflate($0, limit: message.count) }
  }
}
