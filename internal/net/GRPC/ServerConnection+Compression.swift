internal import Gzip
internal import HTTP2
internal import Runtime
internal import Synchronization
internal import Values

/// Compressed messages; on the loop's thread.
///
/// A message stays compressed while it waits and is expanded when its handler takes it, so that what waits is bounded
/// by flow control and not by what a peer's bytes expand to.
extension ServerConnection {
  /// The bytes of a message as its handler takes them; nil when they cannot be had, which has ended the call.
  func plain(_ stream: HTTP2Stream, _ message: MessageDeframer.Message) -> [UInt8]? {
    let slot = stream.slot
    if calls[slot].encoding == .identity { return message.bytes }
    let encoding = message.isCompressed ? calls[slot].encoding : .identity
    calls[slot].record?.extras.withLock { $0.requestEncoding = encoding }
    guard message.isCompressed else { return message.bytes }
    do throws(GzipError) {
      let bytes = try server.gzip.decompress(message.bytes, limit: server.configuration.maxRequestSize)
      calls[slot].expanded = bytes.count
      account(stream)
      return calls[slot].state.isFinished ? nil : bytes
    } catch {
      finish(stream, GRPCStatus(error.code == .corrupt ? .internal : .resourceExhausted, error.message))
      return nil
    }
  }

  /// A message compressed; nil when it goes out as it is, because that is shorter or zlib got no memory.
  func compressed(_ message: [UInt8]) -> [UInt8]? {
    do throws(GzipError) { return try server.gzip.compress(message) } catch { return nil }
  }
}
