internal import Gzip
internal import HTTP2
internal import Runtime
internal import Synchronization
internal import Values

/// Compressed messages; on the loop's thread.
///
/// A message stays compressed while it waits and is decompressed when its handler reads it, so that flow control bounds
/// the waiting bytes, whatever they expand to.
extension ServerConnection {
  /// Whether a message has to wait for a later turn of the loop to be expanded.
  func mustWait(_ message: MessageDeframer.Message) -> Bool { message.isCompressed && !server.expansions.mayExpand }

  /// Continues, in a later turn, a call whose message had to wait.
  func resumeExpanding(_ stream: HTTP2Stream) {
    guard isUnfinished(stream) else { return }
    if calls[stream.slot].state.kind.hasOneRequest { return dispatchKept(stream) }
    // A streaming handler's next message, unless it got it meanwhile.
    guard calls[stream.slot].reader != nil, let message = calls[stream.slot].queue.popFirst() else { return }
    hold(calls[stream.slot].recount())
    http2.consume(stream, calls[stream.slot].queue.isEmpty ? .max : message.bytes.count + 5)
    hand(stream, message)
  }

  /// Gives a message to the handler that waits for it.
  func hand(_ stream: HTTP2Stream, _ message: MessageDeframer.Message) {
    // A message that cannot be expanded has finished the call, and its reader with it.
    guard let bytes = plain(stream, message), let reader = calls[stream.slot].reader.take() else { return }
    reader.resume(returning: bytes)
  }

  /// The bytes of a message as its handler takes them; nil when they cannot be had, which has finished the call.
  func plain(_ stream: HTTP2Stream, _ message: MessageDeframer.Message) -> [UInt8]? {
    let slot = stream.slot
    if calls[slot].encoding == .identity { return message.bytes }
    let encoding = message.isCompressed ? calls[slot].encoding : .identity
    calls[slot].record?.extras.withLock { $0.requestEncoding = encoding }
    guard message.isCompressed else { return message.bytes }
    do throws(GzipError) {
      let limit = calls[slot].deframer.limit
      let bytes = try server.gzip.decompress(message.bytes, limit: limit)
      server.expansions.note(bytes.count)
      calls[slot].expanded = bytes.count
      account(stream)
      return calls[slot].state.isFinished ? nil : bytes
    } catch {
      // The bytes decompressed before the failure are not known.
      server.expansions.note(calls[slot].deframer.limit)
      finish(stream, GRPCStatus(error.code == .corrupt ? .internal : .resourceExhausted, error.message))
      return nil
    }
  }

  /// A message compressed; nil when it goes out as it is, because that is shorter or zlib got no memory.
  func compressed(_ message: [UInt8]) -> [UInt8]? {
    do throws(GzipError) { return try server.gzip.compress(message) } catch { return nil }
  }
}
