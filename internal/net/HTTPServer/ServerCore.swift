internal import Logger
internal import Metrics
internal import Runtime
internal import Synchronization
internal import Tracing
internal import Values

/// What the requests of a server share: the routes, the limits and the metrics.
final class ServerCore: Sendable {
  let configuration: HTTPServerConfiguration
  let connections: ConnectionGuard
  private let intake: RequestIntake
  private let instruments: [RouteInstruments]
  /// Metrics of requests without a route.
  private let unrouted: RouteInstruments
  private let malformed: Counter
  private let logger: Logger
  /// Requests that were accepted and have no answer yet.
  private let waiting = Atomic(0)
  /// Bytes of bodies of such requests.
  private let held = Atomic(0)

  init(_ configuration: HTTPServerConfiguration, _ router: HTTPRouter, _ logger: Logger, _ metrics: MetricsRegistry) {
    self.configuration = configuration
    self.logger = logger
    let surface = configuration.surface
    intake = RequestIntake(
      router: router, maxTarget: configuration.maxTarget, maxHeaders: configuration.maxHeaders,
      answersAddressesOnly: configuration.answersAddressesOnly)
    instruments = router.routes.map {
      RouteInstruments(metrics, surface: surface, route: $0.name, method: $0.method.rawValue)
    }
    unrouted = RouteInstruments(metrics, surface: surface, route: "", method: "")
    let ended = { (reason: String) in
      metrics.counter(
        "http_server_connections_ended_total", help: "Connections that the server ended, by reason.",
        labels: ["surface": surface, "reason": reason])
    }
    malformed = ended("malformed")
    connections = ConnectionGuard(
      configuration.connectionLimits, name: "\(surface)-limits", overdue: ended("overdue"),
      displaced: ended("displaced"))
  }

  /// Shows the state of the server.
  func register(_ metrics: MetricsRegistry) {
    let surface = configuration.surface
    metrics.gauge("http_server_connections", help: "Open connections.", labels: ["surface": surface]) { [weak self] in
      (self?.connections.count).map(Double.init)
    }
    metrics.gauge(
      "http_server_requests_in_flight", help: "Requests without an answer.", labels: ["surface": surface]
    ) { [weak self] in (self?.waiting.load(ordering: .relaxed)).map(Double.init) }
    guard let certificate = configuration.tls else { return }
    metrics.gauge(
      "http_server_tls_certificate_end_seconds", help: "When the certificate runs out, Unix time.",
      labels: ["surface": surface]
    ) { certificate.end.map(Double.init) }
  }

  // MARK: The daemon's thread

  /// The head is there.
  /// - Returns: the answer to be sent at once, after which the connection ends; nil when the rest is to be read.
  func take(_ head: RequestHead, of request: ServedRequest) -> ServedRequest.Answer? {
    request.intake.arrived = .now()
    connections.began(request.connection.id)
    let isFull = waiting.load(ordering: .relaxed) >= configuration.maxRequests
    var answer: ServedRequest.Answer?
    switch intake.decide(head, isFull: isFull) {
    case .accept(let accepted):
      waiting.add(1, ordering: .relaxed)
      request.intake.isCounted = true
      request.intake.arrival?.accepted = accepted
      request.intake.arrival?.body = BodyIntake(maxBody: accepted.maxBody)
      request.intake.route = accepted.route
      // A chunk may be cut differently by whoever stands before us, as by a line feed alone, which the library takes
      // for a line's end: no request after such a body is believed.
      request.intake.mustClose = accepted.framing == .chunked
    case .refuse(let refusal): answer = .refusal(refusal)
    case .answer(let response): answer = .response(response)
    }
    request.intake.arrival?.head = head
    request.intake.arrival?.target = []
    request.intake.arrival?.answer = answer
    request.intake.method = head.method
    request.intake.origin = head.headers["Origin"]
    request.intake.step = .body
    if case .refusal(.malformed) = answer { return answer }
    // Nobody reads the body of what is refused.
    return head.hasBody ? answer : nil
  }

  /// A piece of the body.
  /// - Returns: false to end the connection.
  func take(_ piece: UnsafeRawBufferPointer, of request: ServedRequest) -> Bool {
    guard let arrival = request.intake.arrival else { return false }
    let goesOn = arrival.body.receive(piece) { count in
      let hasRoom = held.add(count, ordering: .relaxed).newValue <= configuration.maxHeldBodies
      if !hasRoom { held.subtract(count, ordering: .relaxed) }
      return hasRoom
    }
    let kept = arrival.body.bytes.count
    // Nothing is kept of a body that is thrown away.
    if kept == 0 { held.subtract(request.held.load(ordering: .relaxed), ordering: .relaxed) }
    request.held.store(kept, ordering: .relaxed)
    return goesOn
  }

  /// The request is whole: the handler runs. The answer is then with the request, or comes later.
  func serve(_ request: ServedRequest) {
    request.intake.step = .handling
    // A request may wait long, and there may be many.
    guard let arrival = request.intake.arrival.take() else { return }
    if let answer = arrival.body.refusal.map(ServedRequest.Answer.refusal) ?? arrival.answer {
      _ = request.answer(answer)
      return
    }
    guard let accepted = arrival.accepted, let head = arrival.head else { return }
    let route = intake.router.routes[accepted.route]
    var whole = HTTPRequest(
      method: head.method, path: accepted.target.path, parameters: accepted.parameters, query: accepted.target.query,
      headers: head.headers, body: arrival.body.take(), peer: request.connection.peer,
      arrived: request.intake.arrived)
    if let span = configuration.tracer.begin(
      "\(route.method.rawValue) \(route.pattern)", .server, parent: whole.trace,
      [
        SpanAttribute("http.request.method", head.method), SpanAttribute("http.route", route.pattern),
        SpanAttribute("server.surface", configuration.surface),
      ])
    {
      whole.trace = span.context
      request.intake.span = span
    }
    request.intake.trace = whole.trace
    route.handler(whole, HTTPExchange(request, self, route: accepted.route))
    if !request.isAnswered { connections.waits(request.connection.id, request, until: .now() + route.answerTime) }
  }

  /// The answer as it is sent, once it is known.
  /// - Returns: nil where the connection ends instead.
  func response(_ answer: ServedRequest.Answer, to request: ServedRequest) -> HTTPResponse? {
    switch answer {
    case .nothing: return nil
    case .response(let response), .stream(let response, _): return response
    case .refusal(let refusal):
      let refused = HTTPRouter.Refused(method: request.intake.method, origin: request.intake.origin)
      return intake.router.refusal(refusal, refused)
    }
  }

  /// The answer begins to leave.
  func answered(_ request: ServedRequest, _ response: HTTPResponse, isStream: Bool) {
    let status = response.status
    if isStream { connections.waits(request.connection.id, request, until: .distantFuture) }
    connections.sends(request.connection.id, isLast: !isStream)
    release(request)
    if let span = request.intake.span.take() {
      span.note(SpanAttribute("http.response.status_code", status))
      // Callers' faults are none of the server's (OpenTelemetry's conventions for HTTP).
      span.end(error: status >= 500 ? "\(status)" : nil)
    }
    let elapsed = Instant.now() - request.intake.arrived
    let route = request.intake.route
    (route.map { instruments[$0] } ?? unrouted).record(status, elapsed)
    log(request, status, bytes: isStream ? nil : response.body.count, elapsed)
  }

  /// Part of a streamed answer is on its way, or there is none yet.
  func streams(_ request: ServedRequest, isWaiting: Bool) {
    let id = request.connection.id
    if !isWaiting { return connections.sends(id, isLast: false) }
    connections.waits(id, request, until: .distantFuture)
  }

  /// The request is over, answered or not.
  /// - Parameter isAnswered: whether an answer was begun; to a head that the library could not read, its own.
  func finished(_ request: ServedRequest, isAnswered: Bool) {
    if request.intake.step == .head, isAnswered { malformed.add() }
    if request.intake.isCounted, let route = request.intake.route {
      instruments[route].countGone()
      logger.debug(
        "request ended without an answer",
        ["route": .string(intake.router.routes[route].name), "peer": .describing(request.connection.peer)])
    }
    request.intake.span.take()?.end(error: "the caller left before the answer")
    release(request)
    request.intake.arrival?.body.forget()
    request.finished()
    connections.completed(request.connection.id)
  }

  /// Gives back what the request holds while it has no answer.
  private func release(_ request: ServedRequest) {
    releaseBody(of: request)
    if request.intake.isCounted { waiting.subtract(1, ordering: .relaxed) }
    request.intake.isCounted = false
  }

  /// Gives back what the body counts in what all bodies hold, once. Callable on any thread.
  func releaseBody(of request: ServedRequest) {
    held.subtract(request.held.exchange(0, ordering: .relaxed), ordering: .relaxed)
  }

  /// A handler let go of a request without an answer. Callable on any thread.
  func dropped(route: Int) {
    logger.error("a request was dropped without an answer", ["route": .string(intake.router.routes[route].name)])
  }

  /// A handler gave a header field that cannot be sent.
  func leftOut(_ name: String) { logger.error("a header field was left out of an answer", ["name": .string(name)]) }

  /// Route, status and time of a request; nothing of it is secret. Trouble of ours is a warning.
  /// - Parameter bytes: of the answer's body; nil where it is streamed.
  private func log(_ request: ServedRequest, _ status: Int, bytes: Int?, _ elapsed: Duration) {
    let route = request.intake.route.map { intake.router.routes[$0].name } ?? ""
    let fields: () -> Logger.Fields = {
      [
        "method": .string(request.intake.method), "route": .string(route),
        "code": .number(status), "peer": .describing(request.connection.peer),
        "duration_ms": .double(elapsed / .milliseconds(1)), "bytes": .number(bytes),
        "trace_id": .describing(request.intake.trace?.traceIDText),
      ]
    }
    switch status {
    case 500...: logger.warning("request failed", fields())
    case 400... where configuration.accessLog != .off: logger.warning("request refused", fields())
    case ..<400 where configuration.accessLog == .all: logger.info("request", fields())
    default: logger.debug("request", fields())
    }
  }
}

extension RequestHead {
  /// Whether something follows the head that nobody may take for a request.
  var hasBody: Bool {
    headers.count(of: "transfer-encoding") > 0 || headers.rawValues("content-length").contains { $0 != [0x30] }
  }
}
