internal import HTTPServer
internal import Logger
internal import Values

/// Handlers as tasks: the server's thread hands a request over and goes on.
enum RouteHandlers {
  /// How long a call may take without the time that it asked to wait.
  static let callTime = Duration.seconds(10)
  /// When a request without an answer is given up: later than anything that a call waits for.
  static let answerTime = callTime + .seconds(5)
  /// The same of calls that may be asked to wait.
  static let longAnswerTime = answerTime + WaitTime.longest

  /// A handler that answers once `body` has returned.
  static func answer(
    _ logger: Logger, _ body: @escaping @Sendable (HTTPRequest) async throws(Fault) -> HTTPResponse
  ) -> HTTPRoute.Handler {
    { request, exchange in
      Task {
        do throws(Fault) {
          exchange.respond(try await body(request))
        } catch {
          exchange.respond(response(error, logger))
        }
      }
    }
  }

  /// The answer to a call that is refused; what an operator has to know of it is logged.
  static func response(_ fault: Fault, _ logger: Logger) -> HTTPResponse {
    if let cause = fault.cause { logger.error("a call failed on what is stored", ["reason": .string(cause)]) }
    return fault.response
  }

  /// When a call must be over.
  static func deadline(_ request: HTTPRequest) -> Instant { request.arrived + callTime }

  /// The id in the path.
  /// - Throws: 404: what is no UUID is the id of nothing.
  static func id(_ request: HTTPRequest, missing: Fault) throws(Fault) -> UniqueID {
    guard let id = request.parameters["id"].flatMap({ UniqueID($0) }) else { throw missing }
    return id
  }
}
