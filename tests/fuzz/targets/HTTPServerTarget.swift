import Glibc
import HTTPServer
import Logger
import Metrics
import Runtime
import Values

/// What anybody may send to an HTTP server: handlers see only what they may, every answer is HTTP, the connection ends
/// once the caller has ended its side, nothing of a request stays behind, and the next caller gets its answer.
///
/// The server listens on loopback, with the threads of its HTTP library: the same input may be cut otherwise.
enum HTTPServerTarget {
  private static let maxBody = 1_000

  static func run(_ input: [UInt8]) throws(FuzzFinding) {
    let answers = try peer.exchange(input)
    try require(answers.isEmpty || answers.starts(with: "HTTP/1.".utf8), "this is no HTTP: \(text(answers))")
    let probe = try peer.exchange(Array("GET /probe HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".utf8))
    try require(
      probe.starts(with: "HTTP/1.1 200 ".utf8) && probe.suffix(5).elementsEqual("probe".utf8),
      "the next caller is answered \(text(probe))")
    if let finding = findings.withLock({ $0 }) { throw FuzzFinding(finding) }
    try require(isAtRest(), "a request is still counted")
  }

  /// Whether nothing is counted as under way, at some moment: other inputs may be played beside this one.
  private static func isAtRest() -> Bool {
    let limit = Instant.now() + .seconds(5)
    while !metrics.exposition().contains("http_server_requests_in_flight{surface=\"fuzz\"} 0\n") {
      if Instant.now() > limit { return false }
      usleep(1_000)
    }
    return true
  }

  private static let findings = Monitor<String?>(nil)

  /// What holds for every request that reaches a handler.
  @Sendable private static func check(_ request: HTTPRequest) {
    let texts = request.parameters.values + request.query.items.flatMap { [$0.name, $0.value] }
    let isFine =
      request.body.count <= (request.method == "POST" || request.method == "PUT" ? maxBody : 0)
      && request.parameters.values.allSatisfy { !$0.isEmpty } && !texts.contains { $0.utf8.contains(0) }
      && request.path.hasPrefix("/") && request.headers.values("host").count <= 1
      && request.headers.values("content-length").count <= 1
    if !isFine { findings.update { $0 = "a handler saw \(request)" } }
  }

  private static let metrics = MetricsRegistry()

  /// The one server of all inputs.
  private static let server = {
    var router = HTTPRouter()
    router.add(.get, "/probe") { _, exchange in exchange.respond(.text(200, "probe")) }
    router.add(.get, "/{a}") { request, exchange in
      check(request)
      exchange.respond(.json(200, Array(request.path.utf8)))
    }
    router.add(.get, "/v1/payments/{id}") { request, exchange in
      check(request)
      exchange.respond(ProblemDetails(404, code: "none", detail: "none").response())
    }
    router.add(.post, "/echo", maxBody: maxBody) { request, exchange in
      check(request)
      exchange.respond(HTTPResponse(200, body: request.body))
    }
    router.add(.put, "/later", maxBody: maxBody) { request, exchange in
      check(request)
      _ = WorkerThread(name: "later") { exchange.respond(HTTPResponse(200, body: request.body)) }
    }
    router.add(.get, "/stream") { request, exchange in
      let stream = exchange.stream(HTTPResponse(200, contentType: "text/event-stream"))
      _ = WorkerThread(name: "stream") {
        _ = stream.write([0x61])
        stream.finish()
      }
    }
    return HTTPServer(
      HTTPServerConfiguration(address: NetworkAddress(host: "127.0.0.1", port: 0), surface: "fuzz"), router: router,
      logger: Logger(label: "fuzz", level: .error) { _ in }, metrics: metrics)
  }()

  private static let peer: LoopbackPeer = {
    do throws(HTTPServerError) { try server.start() } catch { fatalError("\(error)") }
    guard let port = server.boundPort else { fatalError("the server does not listen") }
    return LoopbackPeer(port: port)
  }()

  private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes.prefix(300), as: UTF8.self) }
}
