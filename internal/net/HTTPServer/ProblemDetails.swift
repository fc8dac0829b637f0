public import Values

/// What went wrong, for programs and for people: RFC 9457, `application/problem+json`.
///
///     {"type":"about:blank","title":"Unprocessable Content","status":422,"code":"invalid_amount",
///      "detail":"expected digits","field":"amount"}
///
/// Never put the caller's values into it: they may be secret, and it may be shown on a page.
public struct ProblemDetails: Sendable, Hashable {
  /// 400 to 599.
  public var status: Int
  /// Stable, for programs: `invalid_amount`.
  public var code: String
  /// What to do about it, for people; it may change.
  public var detail: String
  /// The field of the request that is wrong, such as `method.card.exp_month`.
  public var field: String?
  /// A URI that names the kind of problem.
  public var type = "about:blank"

  /// - Parameters:
  ///   - status: 400 to 599.
  ///   - code: stable, for programs.
  ///   - detail: for people, without values of the caller.
  ///   - field: the field of the request that is wrong.
  public init(_ status: Int, code: String, detail: String, field: String? = nil) {
    precondition((400...599).contains(status), "a problem has a status from 400 to 599")
    self.status = status
    self.code = code
    self.detail = detail
    self.field = field
  }

  /// The answer.
  /// - Parameter extensions: adds fields of its own.
  public func response(_ extensions: (inout JSONObjectWriter) -> Void = { _ in }) -> HTTPResponse {
    let body = JSONWriter.object(reserving: 160) { problem in
      problem.add("type", type)
      problem.add("title", Self.title(status))
      problem.add("status", status)
      problem.add("code", code)
      problem.add("detail", detail)
      if let field { problem.add("field", field) }
      extensions(&problem)
    }
    return HTTPResponse(status, contentType: "application/problem+json", body: body)
  }

  /// The phrase of a status, RFC 9110 section 15.
  static func title(_ status: Int) -> String {
    switch status {
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 408: "Request Timeout"
    case 409: "Conflict"
    case 410: "Gone"
    case 413: "Content Too Large"
    case 414: "URI Too Long"
    case 415: "Unsupported Media Type"
    case 422: "Unprocessable Content"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 502: "Bad Gateway"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    default: status < 500 ? "Client Error" : "Server Error"
    }
  }
}
