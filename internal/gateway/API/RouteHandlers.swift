internal import GatewayDomain
package import HTTPServer
package import Logger
internal import Runtime
package import Values

/// Handlers as tasks: the server's thread runs a call up to its first wait, a loop goes on with it. One thread for all
/// calls, since a wake-up of Swift's pool costs more than most of them.
package final class RouteHandlers: ServicePart {
  /// How long a call may take without the time that it asked to wait.
  package static let callTime = Duration.seconds(10)
  /// When a request without an answer is given up: later than anything that a call waits for.
  package static let answerTime = callTime + .seconds(5)
  /// The same of calls that may be asked to wait.
  package static let longAnswerTime = answerTime + WaitTime.longest

  private let loop = EventLoop(name: "calls")
  private let access: APIAccess
  private let logger: Logger

  /// Handlers for whom `access` lets in, which log to `logger` what an operator has to know.
  package init(_ access: APIAccess, logger: Logger) {
    self.access = access
    self.logger = logger
  }

  /// Starts the loop.
  package func start() { loop.start() }

  /// Ends the loop; calls that are still under way go on in Swift's pool.
  package func stop(until deadline: Instant) { loop.stop() }

  /// A handler that answers once `body` has returned.
  /// - Parameters:
  ///   - scope: what the caller's API key must be good for.
  ///   - other: what it must be good for besides.
  func answer(
    _ scope: APIKeyScope, and other: APIKeyScope? = nil,
    _ body: @escaping @Sendable (APIRequest) async throws(Fault) -> HTTPResponse
  ) -> HTTPRoute.Handler {
    run(scope, and: other) { request, exchange throws(Fault) in exchange.respond(try await body(request)) }
  }

  /// A handler whose `body` answers, now or later, unless it throws.
  /// - Parameters:
  ///   - scope: what the caller's API key must be good for.
  ///   - other: what it must be good for besides.
  func run(
    _ scope: APIKeyScope, and other: APIKeyScope? = nil,
    _ body: @escaping @Sendable (APIRequest, HTTPExchange) async throws(Fault) -> Void
  ) -> HTTPRoute.Handler {
    let scopes = [scope] + (other.map { [$0] } ?? [])
    return { [self] request, exchange in
      Task.immediate(executorPreference: loop) {
        do throws(Fault) {
          try await body(APIRequest(request, try await caller(of: request, scopes)), exchange)
        } catch {
          exchange.respond(response(error))
        }
      }
    }
  }

  /// A handler of a surface that asks for no API key; `body` answers, now or later, whatever happens.
  package func open(
    _ body: @escaping @Sendable (HTTPRequest, HTTPExchange) async -> Void
  ) -> HTTPRoute.Handler {
    { [loop] request, exchange in
      Task.immediate(executorPreference: loop) { await body(request, exchange) }
    }
  }

  /// Who makes a call. A body of somebody who may not is erased: it may have a card number, and nobody reads it.
  private func caller(of request: HTTPRequest, _ scopes: [APIKeyScope]) async throws(Fault) -> APICaller {
    do throws(Fault) {
      return try await access.caller(of: request, scopes)
    } catch {
      request.body.zeroInPlace()
      throw error
    }
  }

  /// Whether the caller of a call that goes on still may make it.
  func right(of request: APIRequest, to scope: APIKeyScope) -> @Sendable () -> Bool {
    access.right(of: request.headers, to: scope)
  }

  /// The answer to a call that is refused; what an operator has to know of it is logged.
  func response(_ fault: Fault) -> HTTPResponse {
    note(fault)
    return fault.response
  }

  /// Logs what an operator has to know of a call that is refused.
  package func note(_ fault: Fault) {
    if let cause = fault.cause { logger.error("a call failed on what is stored", ["error": .string(cause)]) }
  }

  /// When a call must be over.
  static func deadline(_ request: APIRequest) -> Instant { request.arrived + callTime }

  /// The id in the path.
  /// - Throws: 404: what is no UUID is the id of nothing.
  static func id(_ request: APIRequest, missing: Fault) throws(Fault) -> UniqueID {
    guard let id = request.parameters["id"].flatMap({ UniqueID($0) }) else { throw missing }
    return id
  }
}
