internal import CEmbedded
package import HTTPServer

/// The documents of one listen address, which need no key: its OpenAPI document, and `/docs`, a page that shows it. The
/// page is an ES module of ours; it fetches nothing from elsewhere.
package struct DocumentRoutes: Sendable {
  private let document: APIDocument

  /// The routes for a document.
  package init(_ document: APIDocument) { self.document = document }

  /// Adds the routes.
  package func add(to router: inout HTTPRouter) {
    let page = String(decoding: embedded_docs_html().copied, as: UTF8.self)
      .split(separator: "@DOCUMENT@", omittingEmptySubsequences: false).joined(separator: document.path)
    Self.add(document.path, "application/json", document.content, to: &router)
    Self.add("/docs", "text/html; charset=utf-8", Array(page.utf8), to: &router)
    Self.add("/docs/docs.js", "text/javascript; charset=utf-8", embedded_docs_js().copied, to: &router)
    Self.add("/docs/docs.css", "text/css; charset=utf-8", embedded_docs_css().copied, to: &router)
  }

  private static func add(_ path: String, _ type: String, _ content: [UInt8], to router: inout HTTPRouter) {
    var response = HTTPResponse(200, contentType: type, body: content)
    // Asked for anew after each start: another version may have another document.
    response.add("Cache-Control", "no-cache")
    response.add("Content-Security-Policy", policy)
    response.add("X-Content-Type-Options", "nosniff")
    response.add("Referrer-Policy", "no-referrer")
    router.add(.get, path) { [response] _, exchange in exchange.respond(response) }
  }

  private static let policy = "default-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}
