public import Errors

/// Why a payment call failed.
public struct PaymentError: ModuleError {
  public enum Code: Sendable, Hashable {
    /// The request can never succeed; `field` names what is wrong with it.
    case invalidArgument
    /// No payment has this order id.
    case notFound
    /// The order has a payment of another amount or currency.
    case alreadyExists
    /// The payment has the other final status.
    case alreadySettled
    /// The call's key was used for another request; nothing was done.
    case keyReused
    /// Another call with the same key is under way; nothing was done. Asking again soon gives its answer.
    case keyInFlight
    /// The store cannot be reached, or the server is shutting down; nothing was done.
    case unavailable
    /// The store was lost after the commit had been sent: it may or may not have happened. Asking again is safe.
    case outcomeUnknown
    /// Too many calls are waiting; nothing was done.
    case overloaded
    /// A rule of ours was broken; nothing was done.
    case `internal`
  }

  public let code: Code
  public let message: String
  public let cause: (any Error)?
  public let location: SourceLocation
  /// The request's field that is wrong, for `invalidArgument`.
  public let field: String?
  /// Whether the caller's own deadline is the reason: for `unavailable` and `outcomeUnknown`.
  public let isDeadlinePassed: Bool

  /// - Parameters:
  ///   - message: goes to the caller as it is.
  ///   - field: the request's field that is wrong.
  ///   - isDeadlinePassed: whether the caller's own deadline is the reason.
  public init(
    _ code: Code, _ message: String, field: String? = nil, isDeadlinePassed: Bool = false,
    cause: (any Error)? = nil, file: String = #fileID, line: Int = #line
  ) {
    self.code = code
    self.message = message
    self.field = field
    self.isDeadlinePassed = isDeadlinePassed
    self.cause = cause
    self.location = .here(file: file, line: line)
  }

  public var isRetryable: Bool {
    switch code {
    case .unavailable, .outcomeUnknown, .overloaded, .keyInFlight: true
    case .invalidArgument, .notFound, .alreadyExists, .alreadySettled, .keyReused, .internal: false
    }
  }

  /// How long to wait before asking again, where that can be said: a transaction lasts a few milliseconds.
  public var retryDelay: Duration? { code == .keyInFlight ? .milliseconds(100) : nil }
}
