internal import HTTPServer

/// Cross-origin calls to the cards surface: every page may call it, as the fetch standard says it (section 3.2). There
/// is no cookie and no key here that a page could use in somebody's name.
enum CardsOrigins {
  private static let methods = "GET, POST, PUT, DELETE, OPTIONS"
  /// Seconds for which a browser need not ask again.
  private static let maximumAge = "300"

  /// The answer with what lets the page read it.
  static func opened(_ response: HTTPResponse, to origin: String?) -> HTTPResponse {
    var response = response
    response.add("Vary", "Origin")
    allow(origin, in: &response)
    return response
  }

  /// The answer to OPTIONS, with which browsers ask before a call.
  static func options(_ headers: HTTPHeaders, _ allow: [String]) -> HTTPResponse {
    var response = HTTPResponse(headers["Access-Control-Request-Method"] == nil ? 204 : 200)
    response.add("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
    response.add("Allow", allow.joined(separator: ", "))
    guard headers["Access-Control-Request-Method"] != nil, Self.allow(headers["Origin"], in: &response) else {
      return response
    }
    response.add("Access-Control-Allow-Methods", methods)
    if let wanted = headers["Access-Control-Request-Headers"] { response.add("Access-Control-Allow-Headers", wanted) }
    response.add("Access-Control-Max-Age", maximumAge)
    return response
  }

  /// - Returns: whether the origin is one of a page, `http://…` or `https://…`.
  @discardableResult
  private static func allow(_ origin: String?, in response: inout HTTPResponse) -> Bool {
    guard let origin, ["http://", "https://"].contains(where: { origin.hasPrefix($0) && origin != $0 }) else {
      return false
    }
    response.add("Access-Control-Allow-Origin", origin)
    response.add("Access-Control-Allow-Credentials", "true")
    return true
  }
}
