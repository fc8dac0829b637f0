internal import HTTPServer
internal import Metrics
internal import Values

/// What the admin endpoint serves, and its words for everything else.
struct AdminPages {
  let facts: ProgramFacts
  let registry: MetricsRegistry
  let readiness: @Sendable () -> ReadinessReport
  /// Those that the program adds.
  let others: [AdminPage]
  /// Who may see those that show data.
  let access: AdminAccess

  var router: HTTPRouter {
    let (facts, registry, readiness) = (facts, registry, readiness)
    var router = HTTPRouter()
    let links = Self.links + others.map { (path: $0.path, title: $0.title) }
    router.add(.get, "/") { _, exchange in
      let page = FrontPage(facts: facts, readiness: readiness(), links: links)
      exchange.respond(
        Self.uncached(HTTPResponse(200, contentType: "text/html; charset=utf-8", body: Array(page.html.utf8))))
    }
    router.add(.get, "/version") { _, exchange in exchange.respond(Self.json(200, facts.json)) }
    router.add(.get, "/healthz") { _, exchange in
      exchange.respond(Self.json(200, JSONWriter.object { $0.add("status", "ok") }))
    }
    router.add(.get, "/readyz") { _, exchange in exchange.respond(Self.page(readiness())) }
    router.add(.get, "/readyz/api") { _, exchange in
      exchange.respond(readiness().forAPI.map(Self.page) ?? Self.text(404, "this program serves no API\n"))
    }
    router.add(.get, "/metrics") { _, exchange in
      exchange.respond(
        Self.uncached(
          HTTPResponse(
            200, contentType: "text/plain; version=0.0.4; charset=utf-8", body: Array(registry.exposition().utf8))))
    }
    for page in others {
      router.add(.get, page.path, handler: page.showsData ? access.guarding(page.handler) : page.handler)
    }
    let paths = links.map(\.path).joined(separator: ", ")
    router.refusal = { Self.refusal($0, $1, paths: paths) }
    return router
  }

  private static let links: [(path: String, title: String)] = [
    ("/healthz", "whether the process lives"), ("/readyz", "whether it can work, and the state of each dependency"),
    ("/readyz/api", "the same for what calls of its API need"), ("/metrics", "metrics for Prometheus"),
    ("/version", "program, version, commit and start"),
  ]

  private static func refusal(
    _ refusal: HTTPRefusal, _ refused: HTTPRouter.Refused, paths: String
  ) -> HTTPResponse {
    let isOther = refused.method != "GET" && refused.method != "HEAD"
    switch refusal {
    // On unknown paths and on paths that are too long, too: there is nothing to find out about.
    case .methodNotAllowed where isOther, .unknownPath where isOther, .targetTooLong where isOther:
      let other = HTTPRefusal.methodNotAllowed(allow: ["GET", "HEAD"])
      return other.completed(text(405, "only GET and HEAD are served here\n"))
    case .unknownPath: return text(404, "nothing here; there are /, \(paths)\n")
    case .targetTooLong(let limit): return text(414, "a path has at most \(limit) bytes here\n")
    default: return uncached(refusal.response)
    }
  }

  private static func page(_ report: ReadinessReport) -> HTTPResponse { json(report.isReady ? 200 : 503, report.json) }

  private static func json(_ status: Int, _ body: [UInt8]) -> HTTPResponse {
    uncached(.json(status, body + "\n".utf8))
  }

  private static func text(_ status: Int, _ body: String) -> HTTPResponse { uncached(.text(status, body)) }

  private static func uncached(_ response: HTTPResponse) -> HTTPResponse {
    var response = response
    response.add("Cache-Control", "no-store")
    return response
  }
}
