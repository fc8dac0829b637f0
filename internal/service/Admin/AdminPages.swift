internal import HTTPServer
internal import Metrics
internal import Values

/// What the admin endpoint serves, and its words for everything else.
struct AdminPages {
  let registry: MetricsRegistry
  let readiness: @Sendable () -> ReadinessReport

  var router: HTTPRouter {
    let (registry, readiness) = (registry, readiness)
    var router = HTTPRouter()
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
    router.refusal = Self.refusal
    router.ignoresQuery = true
    return router
  }

  @Sendable private static func refusal(_ refusal: HTTPRefusal, _ refused: HTTPRouter.Refused) -> HTTPResponse {
    let isOther = refused.method != "GET" && refused.method != "HEAD"
    switch refusal {
    // On unknown paths and on paths that are too long, too: there is nothing to find out about.
    case .methodNotAllowed where isOther, .unknownPath where isOther, .targetTooLong where isOther:
      let other = HTTPRefusal.methodNotAllowed(allow: ["GET", "HEAD"])
      return other.completed(text(405, "only GET and HEAD are served here\n"))
    case .unknownPath: return text(404, "nothing here; there are /healthz, /readyz, /readyz/api and /metrics\n")
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
