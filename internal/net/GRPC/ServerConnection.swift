internal import HTTP2
internal import Logger
internal import Runtime
internal import Synchronization
internal import Values

/// The calls of one connection. Everything here happens on the connection's loop.
final class ServerConnection: HTTP2ConnectionDelegate, @unchecked Sendable {
  // @unchecked: touched on the loop's thread only; handlers elsewhere come back through `EventLoop.execute`.

  let server: ServerLoop
  let peer: ServerPeer
  var loop: EventLoop { server.loop }
  let http2: HTTP2Connection
  // Touched on the loop's thread only, and no access is held across a call out, so run-time exclusivity checks could
  // never find anything.
  @exclusivity(unchecked) var calls = Slots<CallSlot>()
  /// The header block that is coming in.
  @exclusivity(unchecked) private var incoming = RequestHeaders()
  @exclusivity(unchecked) private var incomingMetadata = MetadataBuffer()
  /// Bytes of requests that its calls make the server hold.
  @exclusivity(unchecked) private var held = 0

  init(_ server: ServerLoop, _ http2: HTTP2Connection, peer: ServerPeer) {
    self.server = server
    self.http2 = http2
    self.peer = peer
  }

  // MARK: Requests

  func headersBegan() {
    // Only after a block that was refused.
    if incoming.isBegun { resetIncoming() }
  }

  func headerReceived(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    if incoming.read(name, value, &incomingMetadata) { incoming.setMethod(server.methods.find(value), value) }
  }

  func headersReceived(_ stream: HTTP2Stream, endOfStream: Bool) {
    defer { resetIncoming() }
    while calls.count <= stream.slot { calls.append(CallSlot(limit: server.configuration.maxRequestSize)) }
    // A second block on a stream is the trailers of a request, which mean nothing in gRPC.
    guard calls[stream.slot].id != stream.id else { return }
    incoming.end()
    begin(stream)
    if let refusal = refusal() {
      refuse(stream, refusal)
    } else if let timeout = incoming.timeout, timeout <= .zero {
      finish(stream, GRPCStatus(.deadlineExceeded, "the deadline had passed when the call arrived"))
    } else if !calls[stream.slot].state.kind.hasOneRequest {
      dispatch(stream)
    }
  }

  private func resetIncoming() {
    incoming.reset()
    incomingMetadata.removeAll()
  }

  private func begin(_ stream: HTTP2Stream) {
    let deadline = incoming.timeout.map { loop.now + $0 } ?? .distantFuture
    let record = calls[stream.slot].begin(
      stream.id, incoming.method ?? server.methods.unknown, encoding: incoming.encoding ?? .identity,
      acceptsGzip: incoming.acceptsGzip, deadline: deadline, peer: peer, metadata: &incomingMetadata)
    record.method.metrics.begin()
    if server.isDraining { record.drain() }
    if deadline != .distantFuture {
      let token = UInt64(stream.slot) << 32 | UInt64(UInt32(bitPattern: stream.id))
      calls[stream.slot].timer = loop.schedule(at: deadline, self, token: token)
    }
  }

  private func refusal() -> RequestHeaders.Refusal? {
    if let refusal = incoming.refusal { return refusal }
    if incoming.method == nil { return .grpc(GRPCStatus(.unimplemented, "unknown method \(incoming.path)")) }
    if incoming.encoding == nil {
      let offered: Metadata = ["grpc-accept-encoding": "identity,gzip"]
      return .grpc(
        GRPCStatus(.unimplemented, "unknown grpc-encoding \(incoming.encodingName)", trailers: offered))
    }
    if http2.queuedBytes > 0, http2.queuedBytes > server.share(of: server.configuration.maxUnreadBytes) {
      return .grpc(GRPCStatus(.resourceExhausted, "the answers to earlier calls have not been read"))
    }
    return nil
  }

  private func refuse(_ stream: HTTP2Stream, _ refusal: RequestHeaders.Refusal) {
    switch refusal {
    case .grpc(let status): finish(stream, status)
    case .both(let httpStatus, let status): finish(stream, status, httpStatus: httpStatus)
    case .http(let httpStatus, let text):
      _ = calls[stream.slot].state.finish()
      if let record = calls[stream.slot].record { finished(stream, record, GRPCStatus(.internal, text)) }
      http2.respond(stream, ResponseHeaders.plain(httpStatus))
      http2.write(stream, Array((text + "\n").utf8))
      http2.finish(stream, trailers: nil)
    }
  }

  func dataReceived(_ stream: HTTP2Stream, _ bytes: UnsafeRawBufferPointer) {
    guard isCurrent(stream) else { return http2.consume(stream, bytes.count) }
    let slot = stream.slot
    var rest = bytes
    while !rest.isEmpty, !calls[slot].state.isFinished {
      do throws(MessageDeframer.Failure) {
        guard let message = try calls[slot].deframer.next(&rest) else { break }
        take(stream, message)
      } catch {
        fail(stream, error)
      }
    }
    if calls[slot].holdsBytes { account(stream) }
    // While a message waits for its handler, what comes after it stays on the peer's side of flow control.
    if calls[slot].queue.isEmpty { http2.consume(stream, .max) }
  }

  private func take(_ stream: HTTP2Stream, _ message: MessageDeframer.Message) {
    let slot = stream.slot
    if message.isCompressed, calls[slot].encoding == .identity {
      return finish(stream, GRPCStatus(.internal, "a compressed message without a grpc-encoding"))
    }
    switch calls[slot].state.received() {
    case .ignore: break
    case .keep: calls[slot].kept = message
    case .fail(let status): finish(stream, status)
    case .deliver:
      if calls[slot].reader == nil { return calls[slot].queue.append(message) }
      // Where messages wait the reader is awaited by the loop already.
      guard mustWait(message) || !calls[slot].queue.isEmpty else { return hand(stream, message) }
      if calls[slot].queue.isEmpty { server.expansions.wait(self, stream) }
      calls[slot].queue.append(message)
    }
  }

  private func fail(_ stream: HTTP2Stream, _ failure: MessageDeframer.Failure) {
    switch failure {
    case .tooLong(let announced):
      let limit = calls[stream.slot].deframer.limit
      finish(stream, GRPCStatus(.resourceExhausted, "request message of \(announced) bytes, limit \(limit)"))
    case .invalidFlag(let flag):
      finish(stream, GRPCStatus(.internal, "message flag \(flag), expected 0 or 1"))
    }
  }

  /// Keeps the connection's unfinished requests within its budget, whatever flow control would allow.
  func account(_ stream: HTTP2Stream) {
    let before = held
    hold(calls[stream.slot].recount())
    if held > before, held > server.share(of: server.configuration.maxHeldRequestBytes) {
      finish(stream, GRPCStatus(.resourceExhausted, "too many unfinished requests on this connection"))
    }
  }

  /// Counts how many more bytes of its requests a call makes the server hold.
  func hold(_ change: Int) {
    held += change
    server.hold(change)
  }

  func endReceived(_ stream: HTTP2Stream) {
    guard isCurrent(stream) else { return }
    let slot = stream.slot
    calls[slot].requestHasEnded = true
    switch calls[slot].state.receivedEnd(isInsideMessage: calls[slot].deframer.isInsideMessage) {
    case .ignore: break
    case .fail(let status): finish(stream, status)
    case .dispatch: dispatch(stream)
    case .deliverEnd:
      // What waits to be expanded comes first.
      if calls[slot].queue.isEmpty, let reader = calls[slot].reader {
        calls[slot].reader = nil
        reader.resume(returning: nil)
      }
    }
  }

  // MARK: Handlers

  private func dispatch(_ stream: HTTP2Stream) {
    guard let record = calls[stream.slot].record else { return }
    if let tracer = server.tracer { record.beginSpan(tracer) }
    let context = ServerContext(call: record)
    do throws(GRPCStatus) {
      if server.isStopping { throw GRPCStatus(.unavailable, "the server is shutting down") }
      if server.isIntercepted { for interceptor in server.interceptors { try interceptor.willHandle(context) } }
    } catch {
      return finish(stream, error)
    }
    // Only now: nobody unauthorised has anything expanded.
    if mustWait(calls[stream.slot].kept) { return server.expansions.wait(self, stream) }
    handle(stream, record, context)
  }

  /// Goes on with a call whose request had to wait to be expanded.
  func dispatchKept(_ stream: HTTP2Stream) {
    guard let record = calls[stream.slot].record else { return }
    if server.isStopping { return finish(stream, GRPCStatus(.unavailable, "the server is shutting down")) }
    handle(stream, record, ServerContext(call: record))
  }

  private func handle(_ stream: HTTP2Stream, _ record: ServerCallRecord, _ context: ServerContext) {
    var kept = MessageDeframer.Message.none
    swap(&kept, &calls[stream.slot].kept)
    if !kept.bytes.isEmpty { account(stream) }
    guard let request = plain(stream, kept) else { return }
    switch record.method.definition.handler {
    case .inline(let handle):
      server.clearAnswer()
      do {
        try handle(request, context, &server.answer)
      } catch {
        return finish(stream, status(of: error, record))
      }
      reply(stream, record, server.answer)
    case .task(let start): startTask(stream, start, request, context)
    }
  }

  private func startTask(
    _ stream: HTTP2Stream, _ start: MethodDefinition.Start, _ request: [UInt8], _ context: ServerContext
  ) {
    guard server.running < server.configuration.maxConcurrentCalls else {
      return finish(stream, GRPCStatus(.resourceExhausted, "too many calls in progress"))
    }
    if calls[stream.slot].state.kind != .unary {
      guard peer.account.streamingCallBegan(limit: server.configuration.maxStreamsPerPeer) else {
        return finish(stream, GRPCStatus(.resourceExhausted, "too many streams from this address"))
      }
      calls[stream.slot].isCountedForPeer = true
    }
    server.running += 1
    let task = start(request, context, ServerCall(connection: self, stream: stream))
    // The handler may have returned already, without ever waiting.
    if isUnfinished(stream) { calls[stream.slot].task = task }
  }

  /// The record of a call whose handler has returned; nil when the call had finished before: nobody waits for the
  /// outcome.
  private func returned(_ stream: HTTP2Stream) -> ServerCallRecord? {
    server.running -= 1
    guard isUnfinished(stream) else { return nil }
    calls[stream.slot].task = nil
    return calls[stream.slot].record
  }

  /// A task has returned with the only response of its call.
  func handlerReturned(_ stream: HTTP2Stream, _ append: (inout [UInt8]) -> Void) {
    guard let record = returned(stream) else { return }
    server.clearAnswer()
    append(&server.answer)
    reply(stream, record, server.answer)
  }

  /// A task has returned after all its responses.
  func handlerReturned(_ stream: HTTP2Stream) {
    if let record = returned(stream) { finishWithOK(stream, record) }
  }

  /// A task has thrown.
  func handlerThrew(_ stream: HTTP2Stream, _ error: any Error) {
    if let record = returned(stream) { finish(stream, status(of: error, record)) }
  }

  private func reply(_ stream: HTTP2Stream, _ record: ServerCallRecord, _ response: [UInt8]) {
    if write(stream, record, response) != .finished { finishWithOK(stream, record) }
  }

  private func status(of error: any Error, _ record: ServerCallRecord) -> GRPCStatus {
    if let status = error as? GRPCStatus { return status }
    if error is CancellationError { return GRPCStatus(.cancelled, "the call was cancelled") }
    server.logger.error(
      "handler failed",
      [
        "method": .string(record.path), "trace_id": .describing(ServerContext(call: record).traceIDText),
        "error": .error(error),
      ])
    return GRPCStatus(.unknown, "the handler failed")
  }

  // MARK: Finishing

  func timerFired(_ token: UInt64) {
    let stream = HTTP2Stream(slot: Int(token >> 32), id: Int32(truncatingIfNeeded: token))
    guard isCurrent(stream) else { return }
    calls[stream.slot].timer = nil
    let status = calls[stream.slot].record?.extras.withLock { $0.deadlineStatus }
    finish(stream, status ?? GRPCStatus(.deadlineExceeded, "the deadline has passed"), isForced: true)
  }

  /// GOAWAY for the peer, and word for the handlers that asked for it.
  func drain() {
    http2.drain()
    for slot in calls.indices {
      let record = calls[slot].record
      record?.drain()
    }
  }

  /// Finishes the calls that began before `limit` and whose request has not ended.
  func finishLateRequests(begunBefore limit: Instant) {
    for slot in calls.indices
    where calls[slot].id != 0 && calls[slot].state.awaitsRequest && calls[slot].began < limit.nanoseconds {
      let status = GRPCStatus(.unavailable, "the request did not arrive in time")
      finish(HTTP2Stream(slot: slot, id: calls[slot].id), status)
    }
  }

  /// Gives back what the calls of a quiet connection have left.
  func trim() {
    guard http2.activeStreams == 0 else { return }
    calls.removeAll()
    http2.trim()
  }

  /// Finishes every call that has not; for the end of a shutdown's grace.
  func finishAll(_ status: GRPCStatus) {
    for slot in calls.indices where calls[slot].id != 0 {
      finish(HTTP2Stream(slot: slot, id: calls[slot].id), status, isForced: true)
    }
  }

  /// Finishes a call with OK once its handler has returned, the shortest way: no status is made and nothing is encoded.
  private func finishWithOK(_ stream: HTTP2Stream, _ record: ServerCallRecord) {
    let slot = stream.slot
    guard calls[slot].state.hasSentHeaders else { return finish(stream, .ok) }
    guard calls[slot].state.finish() == .trailers else { return }
    // The handler has returned.
    if let trailers = record.finish() {
      http2.finish(stream, trailers: ResponseHeaders.trailers(.ok, trailers))
    } else {
      http2.finish(stream, trailers: ResponseHeaders.success)
    }
    finished(stream, record, nil)
  }

  /// Finishes a call unless it has finished, whatever its handler still does. `isForced`: what the peer has not taken
  /// yet is dropped, so that the status does not wait behind it.
  func finish(_ stream: HTTP2Stream, _ status: GRPCStatus, httpStatus: Int = 200, isForced: Bool = false) {
    let slot = stream.slot
    guard isCurrent(stream), let record = calls[slot].record else { return }
    let action = calls[slot].state.finish()
    if action == .ignore { return }
    let (initial, trailers) = record.extras.withLock { ($0.initial, $0.trailers) }
    if action == .trailersOnly {
      http2.respondOnly(
        stream,
        ResponseHeaders.trailersOnly(
          status, initial: initial ?? [:], trailers: trailers ?? [:], httpStatus: httpStatus))
    } else {
      if isForced { http2.dropUnsent(stream) }
      http2.finish(stream, trailers: ResponseHeaders.trailers(status, trailers ?? [:]))
    }
    finished(stream, record, status)
  }

  /// What follows once a call has finished with `status`: stops its clock, counts it, and tells who waits for it.
  /// - Parameter status: nil for OK, after which the record knows already that the call has finished.
  private func finished(_ stream: HTTP2Stream, _ record: ServerCallRecord, _ status: GRPCStatus?) {
    let slot = stream.slot
    if let timer = calls[slot].timer.take() { loop.cancel(timer) }
    let released = calls[slot].dropRequest()
    if released != 0 { hold(released) }
    if calls[slot].isCountedForPeer {
      calls[slot].isCountedForPeer = false
      peer.account.streamingCallFinished()
    }
    let elapsed = Instant.now().nanoseconds - calls[slot].began
    record.method.metrics.record(status?.code ?? .ok, nanoseconds: elapsed)
    if server.tracer != nil { record.endSpan(status?.code ?? .ok) }
    if status != nil { tellHandler(slot, record) }
    if let (reader, writers) = calls[slot].takeWaiters() {
      reader?.resume(throwing: ServerCall.finished)
      for writer in writers { writer.resume(throwing: ServerCall.finished) }
    }
    guard server.isIntercepted else { return }
    for interceptor in server.interceptors {
      interceptor.didFinish(ServerContext(call: record), status ?? .ok, elapsed: .nanoseconds(elapsed))
    }
  }

  private func tellHandler(_ slot: Int, _ record: ServerCallRecord) {
    if let task = calls[slot].task.take() {
      task.cancel()
      record.cancel()
    } else {
      record.finish()
    }
  }

  func streamClosed(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) {
    guard isCurrent(stream) else { return }
    if !calls[stream.slot].state.isFinished, let record = calls[stream.slot].record {
      _ = calls[stream.slot].state.finish()
      finished(stream, record, GRPCStatus(.cancelled, "the caller went away"))
    }
    calls[stream.slot].free()
  }

  func connectionClosed(_ reason: String) {
    server.closed(self, reason)
  }

  /// Whether the stream has not closed.
  func isCurrent(_ stream: HTTP2Stream) -> Bool {
    stream.slot < calls.count && calls[stream.slot].id == stream.id
  }

  /// Whether the stream's call has not finished.
  func isUnfinished(_ stream: HTTP2Stream) -> Bool {
    isCurrent(stream) && !calls[stream.slot].state.isFinished
  }
}

extension ServerConnection: EventLoopTimerTarget {}
