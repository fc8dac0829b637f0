import Admin
import HTTPServer
import Logger
import Metrics
import Values

/// What anybody may send to the admin endpoint: it is answered or refused by HTTP and the connection ends, the pages
/// are given to GET and HEAD only, and the next probe gets its answer.
///
/// The endpoint listens on loopback, with the thread of its HTTP library: the same input may be cut otherwise.
enum AdminTarget {
  private static let pages = ["{\"status\":", "# HELP"]

  static func run(_ input: [UInt8]) throws(FuzzFinding) {
    let answers = try peer.exchange(input)
    try require(answers.isEmpty || answers.starts(with: "HTTP/1.".utf8), "this is no HTTP: \(text(answers))")
    if !["GET", "HEAD"].contains(where: { input.contains($0.utf8) }) {
      try require(!pages.contains { answers.contains($0.utf8) }, "a page without GET: \(text(answers))")
    }
    let probe = try peer.exchange(Array("GET /readyz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".utf8))
    try require(
      probe.starts(with: "HTTP/1.1 503 ".utf8) && probe.contains("\"detail\":\"fuzz\"".utf8),
      "the next probe is answered \(text(probe))")
  }

  private static let facts = ProgramFacts(
    program: "fuzz", version: "1", commit: "unknown", instance: "i", started: Timestamp(microseconds: 0))

  /// The one endpoint of all inputs.
  private static let server = AdminServer(
    address: NetworkAddress(host: "127.0.0.1", port: 0), facts: facts, registry: MetricsRegistry(),
    readiness: { ReadinessReport([.init("all", isReady: false, detail: "fuzz")]) },
    logger: Logger(label: "fuzz", level: .error) { _ in })

  private static let peer: LoopbackPeer = {
    do throws(HTTPServerError) { try server.start() } catch { fatalError("\(error)") }
    guard let port = server.boundPort else { fatalError("the endpoint does not listen") }
    return LoopbackPeer(port: port)
  }()

  private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes.prefix(300), as: UTF8.self) }
}
