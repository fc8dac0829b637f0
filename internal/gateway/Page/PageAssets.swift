internal import Crypto
internal import GatewayDomain
internal import HTTPServer
internal import Values

/// The files beside the pages, compiled in.
enum PageAssets {
  private struct Asset: Sendable {
    let type: String
    let content: [UInt8]
    let tag: String

    init(_ type: String, _ content: [UInt8]) {
      self.type = type
      self.content = content
      tag = "\"\(Hexadecimal.text(SHA256.digest(of: content.span.bytes)).prefix(16))\""
    }
  }

  private static let all: [String: Asset] = [
    "page.css": Asset("text/css; charset=utf-8", PackageResources.page_css),
    "page.js": Asset("text/javascript; charset=utf-8", PackageResources.page_js),
    "icon.svg": Asset("image/svg+xml", PackageResources.icon_svg),
  ]

  /// Adds the files' route; everybody may have them.
  static func add(to router: inout HTTPRouter) {
    router.add(.get, "/assets/{name}", name: "/assets") { request, exchange in
      exchange.respond(response(request.parameters["name"] ?? "", known: request.headers["If-None-Match"]))
    }
  }

  /// - Parameter known: the tag of what the browser has.
  static func response(_ name: String, known: String?) -> HTTPResponse {
    guard let asset = all[name] else { return HTTPRefusal.unknownPath.response }
    var response =
      known == asset.tag ? HTTPResponse(304) : HTTPResponse(200, contentType: asset.type, body: asset.content)
    response.add("ETag", asset.tag)
    // Asked for again each time: a new version of the program has other files under the same names.
    response.add("Cache-Control", "no-cache")
    PageFrame.addHeaders(to: &response)
    return response
  }
}
