internal import HTTP2
internal import Logger
internal import Runtime
internal import Synchronization
internal import Values

/// The calls of one connection. Everything here happens on the connection's loop.
final class ServerConnection: HTTP2ConnectionDelegate, @unchecked Sendable {
  // @unchecked: touched on the loop's thread only; handlers elsewhere come back through `EventLoop.execute`.

  struct Call {
    /// 0: the slot is free.
    var id: Int32 = 0
    var state = ServerCallState(.unary)
    var record: ServerCallRecord?
    /// The record of the last call here, when nobody kept it.
    var spare: ServerCallRecord?
    var deframer: MessageDeframer
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
    /// Whether it is counted against what its peer may have open.
    var isHeldOpen = false

    /// Whether anything is counted or would have to be.
    var holdsBytes: Bool { held > 0 || deframer.buffered > 0 || !kept.bytes.isEmpty || !queue.isEmpty || expanded > 0 }

    init(_ configuration: GRPCServerConfiguration) {
      deframer = MessageDeframer(limit: configuration.maxRequestSize)
    }
  }

  let server: ServerLoop
  let peer: ServerPeer
  var loop: EventLoop { server.loop }
  let http2: HTTP2Connection
  // Touched on the loop's thread only, and no access is held across a call out, so run-time exclusivity checks could
  // never find anything.
  @exclusivity(unchecked) var calls = Slots<Call>()
  /// The header block that is coming in.
  @exclusivity(unchecked) private var incoming = RequestHeaders()
  @exclusivity(unchecked) private var incomingMetadata = MetadataBuffer()
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
    while calls.count <= stream.slot { calls.append(Call(server.configuration)) }
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
    let slot = stream.slot
    let method = incoming.method ?? server.methods.unknown
    let deadline = incoming.timeout.map { loop.now + $0 } ?? .distantFuture
    calls[slot].id = stream.id
    calls[slot].state = ServerCallState(method.kind)
    calls[slot].deframer.reset(limit: method.maxRequestSize)
    calls[slot].encoding = incoming.encoding ?? .identity
    calls[slot].acceptsGzip = incoming.acceptsGzip
    calls[slot].minCompressed = .max
    calls[slot].expanded = 0
    calls[slot].hasEnded = false
    calls[slot].started = Instant.now().nanoseconds
    let record =
      calls[slot].spare.take() ?? ServerCallRecord(method: method, deadline: deadline, peer: peer)
    record.reuse(method: method, deadline: deadline)
    record.takeMetadata(&incomingMetadata)
    if server.isDraining { record.drain() }
    calls[slot].record = record
    if deadline != .distantFuture {
      let token = UInt64(slot) << 32 | UInt64(UInt32(bitPattern: stream.id))
      calls[slot].timer = loop.schedule(at: deadline, self, token: token)
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
      if let record = calls[stream.slot].record { ended(stream, record, GRPCStatus(.internal, text)) }
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
    server.tellHeldBytes()
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
      guard peer.account.streamOpened(limit: server.configuration.maxStreamsPerPeer) else {
        return finish(stream, GRPCStatus(.resourceExhausted, "too many streams from this address"))
      }
      calls[stream.slot].isHeldOpen = true
    }
    server.running += 1
    let task = start(request, context, ServerCall(connection: self, stream: stream))
    // The handler may have answered already, without ever waiting.
    if isCurrent(stream), !calls[stream.slot].state.isFinished { calls[stream.slot].task = task }
  }

  /// The record of a call whose handler has ended; nil when the call ended before: nobody waits for the outcome.
  private func handlerEnded(_ stream: HTTP2Stream) -> ServerCallRecord? {
    server.running -= 1
    guard isCurrent(stream), !calls[stream.slot].state.isFinished else { return nil }
    calls[stream.slot].task = nil
    return calls[stream.slot].record
  }

  /// A task has come to the only response of its call.
  func answered(_ stream: HTTP2Stream, _ append: (inout [UInt8]) -> Void) {
    guard let record = handlerEnded(stream) else { return }
    server.clearAnswer()
    append(&server.answer)
    reply(stream, record, server.answer)
  }

  /// A task has written all its responses.
  func ended(_ stream: HTTP2Stream) {
    if let record = handlerEnded(stream) { succeed(stream, record) }
  }

  /// A task has thrown.
  func failed(_ stream: HTTP2Stream, _ error: any Error) {
    if let record = handlerEnded(stream) { finish(stream, status(of: error, record)) }
  }

  private func reply(_ stream: HTTP2Stream, _ record: ServerCallRecord, _ response: [UInt8]) {
    if write(stream, record, response) != .over { succeed(stream, record) }
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

  /// Ends the calls whose request began before `limit` and has not come whole.
  func endUnfinishedRequests(begunBefore limit: Instant) {
    for slot in calls.indices
    where calls[slot].id != 0 && calls[slot].state.awaitsRequest && calls[slot].started < limit.nanoseconds {
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

  /// Ends every call that still runs; for the end of a shutdown's grace.
  func cancelCalls(_ status: GRPCStatus) {
    for slot in calls.indices where calls[slot].id != 0 {
      finish(HTTP2Stream(slot: slot, id: calls[slot].id), status, isForced: true)
    }
  }

  /// The shortest way out, for the calls that end well: no status is made and nothing is encoded.
  private func succeed(_ stream: HTTP2Stream, _ record: ServerCallRecord) {
    let slot = stream.slot
    guard isCurrent(stream), calls[slot].state.hasSentHeaders else { return finish(stream, .ok) }
    guard calls[slot].state.finish() == .trailers else { return }
    if let trailers = record.extras.withLock({ $0.trailers }) {
      http2.finish(stream, trailers: ResponseHeaders.trailers(.ok, trailers))
    } else {
      http2.finish(stream, trailers: ResponseHeaders.success)
    }
    ended(stream, record, nil)
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
        ResponseHeaders.trailersOnly(
          status, initial: initial ?? [:], trailers: trailers ?? [:], httpStatus: httpStatus))
    } else {
      if isForced { http2.dropUnsent(stream) }
      http2.finish(stream, trailers: ResponseHeaders.trailers(status, trailers ?? [:]))
    }
    ended(stream, record, status)
  }

  /// The status is decided (nil: OK): counts it, stops the clock, and lets the handler go.
  private func ended(_ stream: HTTP2Stream, _ record: ServerCallRecord, _ status: GRPCStatus?) {
    let slot = stream.slot
    if let timer = calls[slot].timer.take() { loop.cancel(timer) }
    if !calls[slot].kept.bytes.isEmpty { calls[slot].kept = .none }
    if !calls[slot].queue.isEmpty { calls[slot].queue = MessageQueue() }
    calls[slot].deframer.reset()
    if calls[slot].held > 0 { updateHeld(slot) }
    if calls[slot].isHeldOpen {
      calls[slot].isHeldOpen = false
      peer.account.streamClosed()
    }
    let elapsed = Instant.now().nanoseconds - calls[slot].started
    record.method.metrics.record(status?.code ?? .ok, nanoseconds: elapsed)
    if let task = calls[slot].task.take() {
      task.cancel()
      record.cancel()
    } else {
      record.end()
    }
    if let reader = calls[slot].reader.take() { reader.resume(throwing: ServerCall.over) }
    if !calls[slot].writers.isEmpty {
      let writers = calls[slot].writers
      calls[slot].writers = []
      for writer in writers { writer.resume(throwing: ServerCall.over) }
    }
    guard server.isIntercepted else { return }
    for interceptor in server.interceptors {
      interceptor.didFinish(ServerContext(call: record), status ?? .ok, elapsed: .nanoseconds(elapsed))
    }
  }

  func streamClosed(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) {
    guard isCurrent(stream) else { return }
    if !calls[stream.slot].state.isFinished, let record = calls[stream.slot].record {
      _ = calls[stream.slot].state.finish()
      ended(stream, record, GRPCStatus(.cancelled, "the caller went away"))
    }
    calls[stream.slot].id = 0
    // A handler may have kept its context, or still run.
    if isKnownUniquelyReferenced(&calls[stream.slot].record) {
      calls[stream.slot].record?.clear()
      calls[stream.slot].spare = calls[stream.slot].record.take()
    } else {
      calls[stream.slot].record = nil
    }
  }

  func connectionClosed(_ reason: String) {
    server.closed(self, reason)
  }

  func isCurrent(_ stream: HTTP2Stream) -> Bool {
    stream.slot < calls.count && calls[stream.slot].id == stream.id
  }
}

extension ServerConnection: EventLoopTimerTarget {}
