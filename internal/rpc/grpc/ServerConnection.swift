internal import HTTP2
internal import Logger
internal import Runtime
internal import Synchronization

/// The calls of one connection. Everything here happens on the connection's loop.
final class ServerConnection: HTTP2ConnectionDelegate, @unchecked Sendable {
  // @unchecked: touched on the loop's thread only; handlers elsewhere come back through `EventLoop.execute`.

  struct Call {
    /// 0: the slot is free.
    var id: Int32 = 0
    var state = ServerCallState(.unary)
    var method: RegisteredMethod?
    var record: ServerCallRecord?
    var deframer = MessageDeframer(limit: 0)
    /// How compressed messages of the request are compressed.
    var encoding = MessageEncoding.identity
    var acceptsGzip = false
    /// Responses from this length on are compressed; set when the headers go out.
    var minCompressed = Int.max
    /// The request of a call that takes one, until the client ends its side.
    var kept = MessageDeframer.Message.none
    /// What the compressed message that its handler was given last has expanded to, bytes.
    var expanded = 0
    /// Messages that wait for a streaming handler; flow control bounds them.
    var queue = MessageQueue()
    var hasEnded = false
    var reader: ServerCall.ReadWaiter?
    var writers: [ServerCall.WriteWaiter] = []
    var task: Task<Void, Never>?
    var timer: EventLoopTimer?
    var started: Int64 = 0
    /// Bytes of its requests counted against the connection's budget.
    var held = 0
  }

  let server: ServerLoop
  let peer: String
  var loop: EventLoop { server.loop }
  // Set right after init, nil once the connection is closed. Like the others it is touched on the loop's thread only
  // and no access is held across a call out, so run-time exclusivity checks could never find anything.
  @exclusivity(unchecked) var http2: HTTP2Connection!
  @exclusivity(unchecked) var calls: [Call] = []
  @exclusivity(unchecked) private var held = 0

  init(_ server: ServerLoop, peer: String) {
    self.server = server
    self.peer = peer
  }

  // MARK: Requests

  func headersReceived(_ stream: HTTP2Stream, _ headers: HTTP2Headers, endOfStream: Bool) {
    while calls.count <= stream.slot { calls.append(Call()) }
    // A second block on a stream is the trailers of a request, which mean nothing in gRPC.
    guard calls[stream.slot].id != stream.id else { return }
    let request = RequestHeaders(headers)
    let method = server.methods.find(request.path)
    begin(stream, request, method ?? server.methods.unknown)
    if let refusal = refusal(request, isKnown: method != nil) {
      refuse(stream, refusal)
    } else if let timeout = request.timeout, timeout <= .zero {
      finish(stream, GRPCStatus(.deadlineExceeded, "the deadline had passed when the call arrived"))
    } else if !calls[stream.slot].state.kind.hasOneRequest {
      dispatch(stream)
    }
  }

  private func begin(_ stream: HTTP2Stream, _ request: RequestHeaders, _ method: RegisteredMethod) {
    let now = loop.now
    let deadline = request.timeout.map { now + $0 } ?? .distantFuture
    calls[stream.slot].id = stream.id
    calls[stream.slot].state = ServerCallState(method.definition.kind)
    calls[stream.slot].method = method
    calls[stream.slot].deframer = MessageDeframer(limit: server.configuration.maxRequestSize)
    calls[stream.slot].encoding = request.encoding ?? .identity
    calls[stream.slot].acceptsGzip = request.acceptsGzip
    calls[stream.slot].minCompressed = .max
    calls[stream.slot].expanded = 0
    calls[stream.slot].hasEnded = false
    calls[stream.slot].started = Instant.now().nanoseconds
    calls[stream.slot].record = ServerCallRecord(
      path: method.definition.path, deadline: deadline, metadata: request.metadata, peer: peer)
    if server.isDraining { calls[stream.slot].record?.drain() }
    if deadline != .distantFuture {
      let token = UInt64(stream.slot) << 32 | UInt64(UInt32(bitPattern: stream.id))
      calls[stream.slot].timer = loop.schedule(at: deadline, self, token: token)
    }
  }

  private func refusal(_ request: RequestHeaders, isKnown: Bool) -> RequestHeaders.Refusal? {
    if let refusal = request.refusal { return refusal }
    if !isKnown {
      let path = String(decoding: request.path.prefix(200), as: UTF8.self)
      return .grpc(GRPCStatus(.unimplemented, "unknown method \(path)"))
    }
    if request.encoding == nil {
      let name = String(decoding: request.encodingName.prefix(40), as: UTF8.self)
      let offered: Metadata = ["grpc-accept-encoding": "identity,gzip"]
      return .grpc(GRPCStatus(.unimplemented, "unknown grpc-encoding \(name)", trailers: offered))
    }
    if http2.queuedBytes > server.share(of: server.configuration.maxUnreadBytes) {
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
      ended(stream, GRPCStatus(.internal, text))
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
    account(stream)
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
      guard let reader = calls[slot].reader else { return calls[slot].queue.append(message) }
      // A message that cannot be expanded has ended the call, and its reader with it.
      guard let bytes = plain(stream, message) else { return }
      calls[slot].reader = nil
      reader.resume(returning: bytes)
    }
  }

  private func fail(_ stream: HTTP2Stream, _ failure: MessageDeframer.Failure) {
    switch failure {
    case .tooLong(let announced):
      let limit = server.configuration.maxRequestSize
      finish(stream, GRPCStatus(.resourceExhausted, "request message of \(announced) bytes, limit \(limit)"))
    case .invalidFlag(let flag):
      finish(stream, GRPCStatus(.internal, "message flag \(flag), expected 0 or 1"))
    }
  }

  /// Keeps the connection's unfinished requests within its budget, whatever flow control would allow.
  func account(_ stream: HTTP2Stream) {
    let before = held
    updateHeld(stream.slot)
    if held > before, held > server.share(of: server.configuration.maxHeldRequestBytes) {
      finish(stream, GRPCStatus(.resourceExhausted, "too many unfinished requests on this connection"))
    }
  }

  /// Notes how many bytes of its requests a call makes us hold.
  func updateHeld(_ slot: Int) {
    let isOver = calls[slot].state.isFinished
    let waiting = calls[slot].deframer.buffered + calls[slot].kept.bytes.count + calls[slot].queue.byteCount
    let now = isOver ? 0 : waiting + calls[slot].expanded
    held += now - calls[slot].held
    server.held += now - calls[slot].held
    calls[slot].held = now
  }

  func endReceived(_ stream: HTTP2Stream) {
    guard isCurrent(stream) else { return }
    let slot = stream.slot
    calls[slot].hasEnded = true
    switch calls[slot].state.receivedEnd(isInsideMessage: calls[slot].deframer.isInsideMessage) {
    case .ignore: break
    case .fail(let status): finish(stream, status)
    case .dispatch: dispatch(stream)
    case .deliverEnd:
      if let reader = calls[slot].reader {
        calls[slot].reader = nil
        reader.resume(returning: nil)
      }
    }
  }

  // MARK: Handlers

  private func dispatch(_ stream: HTTP2Stream) {
    let slot = stream.slot
    guard let method = calls[slot].method, let record = calls[slot].record else { return }
    let context = ServerContext(call: record)
    let kept = calls[slot].kept
    calls[slot].kept = .none
    account(stream)
    do throws(GRPCStatus) {
      if server.isStopping { throw GRPCStatus(.unavailable, "the server is shutting down") }
      for interceptor in server.interceptors { try interceptor.willHandle(context) }
    } catch {
      return finish(stream, error)
    }
    // Only now: nobody unauthorised has anything expanded.
    guard let request = plain(stream, kept) else { return }
    if case .inline(let handle) = method.definition.handler {
      do { reply(stream, try handle(request, context)) } catch { finish(stream, status(of: error, record)) }
    } else {
      startTask(stream, method.definition.handler, request, context)
    }
  }

  private func startTask(
    _ stream: HTTP2Stream, _ handler: MethodDefinition.Handler, _ request: [UInt8], _ context: ServerContext
  ) {
    guard server.running < server.configuration.maxConcurrentCalls else {
      return finish(stream, GRPCStatus(.resourceExhausted, "too many calls in progress"))
    }
    server.running += 1
    let call = ServerCall(connection: self, stream: stream)
    let task = Task.immediate(executorPreference: loop) { [self] in
      let outcome: Result<[UInt8]?, any Error>
      do {
        switch handler {
        case .inline(let handle): outcome = .success(try handle(request, context))
        case .unary(let handle): outcome = .success(try await handle(request, context))
        case .clientStreaming(let handle): outcome = .success(try await handle(context, call))
        case .serverStreaming(let handle):
          try await handle(request, context, call)
          outcome = .success(nil)
        case .bidirectional(let handle):
          try await handle(context, call)
          outcome = .success(nil)
        }
      } catch {
        outcome = .failure(error)
      }
      if loop.isCurrent { completed(stream, outcome) } else { loop.execute { self.completed(stream, outcome) } }
    }
    // The handler may have answered already, without ever waiting.
    if isCurrent(stream), !calls[stream.slot].state.isFinished { calls[stream.slot].task = task }
  }

  private func completed(_ stream: HTTP2Stream, _ outcome: Result<[UInt8]?, any Error>) {
    server.running -= 1
    guard isCurrent(stream), !calls[stream.slot].state.isFinished, let record = calls[stream.slot].record else {
      return  // the call ended before its handler did: nobody waits for this
    }
    calls[stream.slot].task = nil
    switch outcome {
    case .success(let response?): reply(stream, response)
    case .success(nil): finish(stream, .ok)
    case .failure(let error): finish(stream, status(of: error, record))
    }
  }

  private func reply(_ stream: HTTP2Stream, _ response: [UInt8]) {
    if write(stream, response) != .over { finish(stream, .ok) }
  }

  private func status(of error: any Error, _ record: ServerCallRecord) -> GRPCStatus {
    if let status = error as? GRPCStatus { return status }
    if error is CancellationError { return GRPCStatus(.cancelled, "the call was cancelled") }
    server.logger.error("handler failed", ["method": .string(record.path), "error": .error(error)])
    return GRPCStatus(.unknown, "the handler failed")
  }

  // MARK: Endings

  func timerFired(_ token: UInt64) {
    let stream = HTTP2Stream(slot: Int(token >> 32), id: Int32(truncatingIfNeeded: token))
    guard isCurrent(stream) else { return }
    calls[stream.slot].timer = nil
    finish(stream, GRPCStatus(.deadlineExceeded, "the deadline has passed"), isForced: true)
  }

  /// GOAWAY for the peer, and word for the handlers that asked for it.
  func drain() {
    http2?.drain()
    for record in calls.compactMap(\.record) { record.drain() }
  }

  /// Ends the calls whose request began before `limit` and has not come whole.
  func endUnfinishedRequests(begunBefore limit: Instant) {
    for slot in calls.indices
    where calls[slot].id != 0 && calls[slot].state.awaitsRequest && calls[slot].started < limit.nanoseconds {
      let status = GRPCStatus(.unavailable, "the request did not arrive in time")
      finish(HTTP2Stream(slot: slot, id: calls[slot].id), status)
    }
  }

  /// Ends every call that still runs; for the end of a shutdown's grace.
  func cancelCalls(_ status: GRPCStatus) {
    for slot in calls.indices where calls[slot].id != 0 {
      finish(HTTP2Stream(slot: slot, id: calls[slot].id), status, isForced: true)
    }
  }

  /// Answers the call, whatever its handler still does. `isForced`: what the peer has not taken yet is dropped, so that
  /// the status does not wait behind it.
  func finish(_ stream: HTTP2Stream, _ status: GRPCStatus, httpStatus: Int = 200, isForced: Bool = false) {
    let slot = stream.slot
    guard isCurrent(stream), let record = calls[slot].record else { return }
    let action = calls[slot].state.finish()
    if action == .ignore { return }
    let (initial, trailers) = record.extras.withLock { ($0.initial, $0.trailers) }
    if action == .trailersOnly {
      http2.respondOnly(
        stream,
        ResponseHeaders.trailersOnly(status, initial: initial, trailers: trailers, httpStatus: httpStatus))
    } else {
      if isForced { http2.dropUnsent(stream) }
      http2.finish(stream, trailers: ResponseHeaders.trailers(status, trailers))
    }
    ended(stream, status)
  }

  /// The status is decided: counts it, stops the clock, and lets the handler go.
  private func ended(_ stream: HTTP2Stream, _ status: GRPCStatus) {
    let slot = stream.slot
    if let timer = calls[slot].timer { loop.cancel(timer) }
    calls[slot].timer = nil
    calls[slot].kept = .none
    if !calls[slot].queue.isEmpty { calls[slot].queue = MessageQueue() }
    calls[slot].deframer = MessageDeframer(limit: 0)
    updateHeld(slot)
    let task = calls[slot].task
    let reader = calls[slot].reader
    let writers = calls[slot].writers
    let elapsed = Instant.now().nanoseconds - calls[slot].started
    calls[slot].task = nil
    calls[slot].reader = nil
    if !writers.isEmpty { calls[slot].writers = [] }
    calls[slot].method?.metrics.record(status.code, nanoseconds: elapsed)
    guard let record = calls[slot].record else { return }
    if let task {
      task.cancel()
      record.cancel()
    } else {
      record.end()
    }
    reader?.resume(throwing: ServerCall.over)
    for writer in writers { writer.resume(throwing: ServerCall.over) }
    for interceptor in server.interceptors {
      interceptor.didFinish(ServerContext(call: record), status, elapsed: .nanoseconds(elapsed))
    }
  }

  func streamClosed(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) {
    guard isCurrent(stream) else { return }
    if !calls[stream.slot].state.isFinished {
      _ = calls[stream.slot].state.finish()
      ended(stream, GRPCStatus(.cancelled, "the caller went away"))
    }
    calls[stream.slot].id = 0
    calls[stream.slot].record = nil
    calls[stream.slot].method = nil
  }

  func connectionClosed(_ reason: String) {
    http2 = nil
    server.closed(self, reason)
  }

  func isCurrent(_ stream: HTTP2Stream) -> Bool {
    stream.slot < calls.count && calls[stream.slot].id == stream.id && http2 != nil
  }
}

extension ServerConnection: EventLoopTimerTarget {}
