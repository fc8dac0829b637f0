internal import HTTP2
internal import Runtime
internal import Synchronization
internal import Values

/// What streaming handlers do through `ServerCall`; on the loop's thread.
extension ServerConnection {
  func sendHeaders(_ stream: HTTP2Stream) {
    guard isCurrent(stream), let record = calls[stream.slot].record, calls[stream.slot].state.sendHeaders() else {
      return
    }
    respond(stream, record)
  }

  func write(_ stream: HTTP2Stream, _ message: [UInt8], mayCompress: Bool) -> ServerCall.WriteOutcome {
    guard isCurrent(stream), let record = calls[stream.slot].record else { return .finished }
    return write(stream, record, message, mayCompress: mayCompress)
  }

  /// - Parameter record: of the call on `stream`, which has not closed.
  func write(
    _ stream: HTTP2Stream, _ record: ServerCallRecord, _ message: [UInt8], mayCompress: Bool = true
  ) -> ServerCall.WriteOutcome {
    switch calls[stream.slot].state.send() {
    case .ignore: return .finished
    case .headersThenMessage: respond(stream, record)
    case .message: break
    }
    record.sentBytes &+= message.count
    if message.count >= calls[stream.slot].minCompressed, mayCompress, let shorter = compressed(message) {
      http2.writeMessage(stream, flag: 1, shorter)
    } else {
      http2.writeMessage(stream, message)
    }
    return http2.queued(stream) > HTTP2Connection.highWater ? .mustWait : .written
  }

  func waitToWrite(_ stream: HTTP2Stream, _ waiter: ServerCall.WriteWaiter) {
    guard isUnfinished(stream) else { return waiter.resume(throwing: ServerCall.finished) }
    calls[stream.slot].writers.append(waiter)
    http2.notifyWhenWritable(stream)
  }

  func read(_ stream: HTTP2Stream) -> ServerCall.ReadOutcome {
    guard isUnfinished(stream) else { return .finished }
    guard let first = calls[stream.slot].queue.first else {
      return calls[stream.slot].requestHasEnded ? .requestEnded : .mustWait
    }
    if mustWait(first) {
      server.expansions.wait(self, stream)
      return .mustWait
    }
    guard let message = calls[stream.slot].queue.popFirst() else { return .mustWait }
    hold(calls[stream.slot].recount())
    // The last waiting message opens the window for whatever has come after it, too.
    http2.consume(stream, calls[stream.slot].queue.isEmpty ? .max : message.bytes.count + 5)
    guard let bytes = plain(stream, message) else { return .finished }
    return .message(bytes)
  }

  func waitToRead(_ stream: HTTP2Stream, _ waiter: ServerCall.ReadWaiter) {
    guard isUnfinished(stream) else { return waiter.resume(throwing: ServerCall.finished) }
    precondition(calls[stream.slot].reader == nil, "a request stream has one reader at a time")
    calls[stream.slot].reader = waiter
  }

  func writable(_ stream: HTTP2Stream) {
    guard isCurrent(stream), !calls[stream.slot].writers.isEmpty else { return }
    let writers = calls[stream.slot].writers
    calls[stream.slot].writers = []
    for writer in writers { writer.resume() }
  }

  private func respond(_ stream: HTTP2Stream, _ record: ServerCallRecord) {
    let slot = stream.slot
    let (initial, chosen) = record.extras.withLock { ($0.initial, $0.responseEncoding) }
    let encoding = calls[slot].acceptsGzip ? chosen ?? server.configuration.responseEncoding : .identity
    if encoding == .gzip { calls[slot].minCompressed = chosen == nil ? server.configuration.minCompressedResponse : 0 }
    http2.respond(stream, ResponseHeaders.initial(initial ?? [:], encoding))
  }
}
