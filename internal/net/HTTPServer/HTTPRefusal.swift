/// Why the server answers a request itself. Each surface may have words of its own: `HTTPRouter.refusal`.
public enum HTTPRefusal: Error, Sendable, Hashable {
  /// No HTTP, or not the HTTP that is served here: 400. The text says what was expected and names no value.
  case malformed(String)
  /// No route has this path: 404.
  case unknownPath
  /// The path has routes, but not of this method: 405 with Allow.
  case methodNotAllowed(allow: [String])
  /// The body is longer than the route allows: 413.
  case bodyTooLarge(limit: Int)
  /// The server is named as `Host` by neither an address nor `localhost`, where it answers to nothing else: 421.
  case misdirected
  /// Path and query are longer than allowed: 414.
  case targetTooLong(limit: Int)
  /// The route does not take a body of this type: 415.
  case unsupportedContentType(accepted: [String])
  /// The header fields, with 64 bytes more for each, are longer than allowed: 431.
  case headersTooLarge(limit: Int)
  /// A transfer coding other than `chunked`: 501.
  case unsupportedTransferCoding
  /// As many requests wait, or hold as much memory, as there may: 503 with Retry-After.
  case overloaded
  /// The server ends: 503 with Retry-After.
  case stopping
  /// The handler did not answer in the time that the route gives it: 503.
  case noAnswerInTime
  /// The handler dropped the request without an answer: 500.
  case failed

  /// The status that goes with it.
  public var status: Int {
    switch self {
    case .malformed: 400
    case .unknownPath: 404
    case .methodNotAllowed: 405
    case .bodyTooLarge: 413
    case .targetTooLong: 414
    case .unsupportedContentType: 415
    case .misdirected: 421
    case .headersTooLarge: 431
    case .failed: 500
    case .unsupportedTransferCoding: 501
    case .overloaded, .stopping, .noAnswerInTime: 503
    }
  }

  /// What to say, for people; it names no value.
  public var detail: String { problem.detail }

  /// The code of the problem and what to say.
  private var problem: (code: String, detail: String) {
    switch self {
    case .malformed(let detail): ("malformed_request", detail)
    case .unknownPath: ("unknown_path", "there is nothing under this path")
    case .methodNotAllowed(let allow):
      ("method_not_allowed", "this path takes \(allow.joined(separator: ", "))")
    case .bodyTooLarge(0): ("body_too_large", "no body is expected here")
    case .bodyTooLarge(let limit): ("body_too_large", "a body has at most \(limit) bytes here")
    case .targetTooLong(let limit): ("target_too_long", "path and query have at most \(limit) bytes together")
    case .unsupportedContentType(let accepted):
      ("unsupported_content_type", "expected a body of type \(accepted.joined(separator: " or "))")
    case .misdirected:
      ("misdirected_request", "expected an address of this machine or localhost as Host: no key is asked for here")
    case .headersTooLarge(let limit):
      ("headers_too_large", "the header fields have at most \(limit) bytes together, with 64 more for each")
    case .unsupportedTransferCoding:
      ("unsupported_transfer_coding", "the only transfer coding that is understood here is chunked")
    case .overloaded: ("overloaded", "too many requests at once; try again in a second")
    case .stopping: ("stopping", "this server is stopping; try again")
    case .noAnswerInTime:
      ("no_answer_in_time", "there is no answer yet; what the request asked for may still happen")
    case .failed: ("internal_error", "the request failed here; what it asked for may have happened")
    }
  }

  /// The answer as problem details, with the header fields that belong to it.
  public var response: HTTPResponse {
    let (code, detail) = problem
    return completed(ProblemDetails(status, code: code, detail: detail).response())
  }

  /// Adds the header fields that belong to the refusal to an answer in a surface's own words.
  public func completed(_ response: HTTPResponse) -> HTTPResponse {
    var response = response
    switch self {
    case .methodNotAllowed(let allow): response.add("Allow", allow.joined(separator: ", "))
    case .overloaded, .stopping: response.add("Retry-After", "1")
    default: break
    }
    return response
  }
}
