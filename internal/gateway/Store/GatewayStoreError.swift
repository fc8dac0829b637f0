public import Errors
internal import GroupCommit
internal import Postgres
public import Values

/// Why a call on the gateway's tables failed. The messages may be shown to callers.
public struct GatewayStoreError: ModuleError {
  /// The kinds of failure.
  public enum Code: Sendable, Hashable {
    /// The call's key was used for another request; nothing was done.
    case keyReused
    /// Another call with the same key is under way; nothing was done. Asking again soon gives its answer.
    case keyInFlight
    /// The order has a payment that is neither REJECTED nor ERROR; nothing was done.
    case orderPaymentExists
    /// The caller's external id belongs to this payment; nothing was done.
    case externalIDExists(UniqueID)
    /// Too many calls are waiting; nothing was done.
    case overloaded
    /// The database cannot be reached, or the program is shutting down; nothing was done.
    case unavailable
    /// It may or may not have happened. The same call under the same key finds out.
    case outcomeUnknown
    /// A rule of ours was broken; nothing was done.
    case `internal`
  }

  public let code: Code
  public let message: String
  public let cause: (any Error)?
  public let location: SourceLocation

  init(
    _ code: Code, _ message: String, cause: (any Error)? = nil, file: String = #fileID, line: Int = #line
  ) {
    self.code = code
    self.message = message
    self.cause = cause
    self.location = .here(file: file, line: line)
  }

  public var isRetryable: Bool {
    switch code {
    case .keyInFlight, .overloaded, .unavailable, .outcomeUnknown: true
    case .keyReused, .orderPaymentExists, .externalIDExists, .internal: false
    }
  }
}

extension GatewayStoreError {
  static var keyReused: GatewayStoreError {
    GatewayStoreError(.keyReused, "the key was used for another request; use a new key for a new request")
  }

  static var keyInFlight: GatewayStoreError {
    GatewayStoreError(.keyInFlight, "a call with this key is under way; make the same call again soon")
  }

  static var orderPaymentExists: GatewayStoreError {
    GatewayStoreError(.orderPaymentExists, "the order has a payment that is neither REJECTED nor ERROR")
  }

  static func externalIDExists(_ payment: UniqueID) -> GatewayStoreError {
    GatewayStoreError(.externalIDExists(payment), "the external id belongs to another payment; it names one for ever")
  }

  /// A write without an outcome.
  init(_ failure: GroupCommitFailure) {
    let (code, message, cause) = Self.parts(of: failure.reason)
    if failure.mayHaveHappened {
      let text = "it is not known whether the change was made; make the same call again to find out"
      self.init(.outcomeUnknown, text, cause: cause)
    } else {
      self.init(code, message + "; nothing was done", cause: cause)
    }
  }

  private static func parts(of reason: GroupCommitFailure.Reason) -> (Code, String, DatabaseError?) {
    switch reason {
    case .overloaded(let queue): (.overloaded, "more than \(queue) calls are waiting", nil)
    case .stopped: (.unavailable, "the program is shutting down", nil)
    case .timeUp: (.unavailable, "the database did not answer in time", nil)
    case .refused(let error) where error.isOfValues: (.internal, "the database refused the call", error)
    case .refused(let error): (.unavailable, "the database cannot take the call just now", error)
    }
  }

  /// A payment whose row is not as this version expects.
  init(unreadable id: UniqueID, _ error: DatabaseError) {
    self.init(.internal, "the row of payment \(id) cannot be read", cause: error)
  }

  /// A read that failed.
  init(reading error: DatabaseError) {
    switch error.code {
    case .overloaded: self.init(.overloaded, "too many calls are waiting for the database", cause: error)
    case .server where !error.isRetryable: self.init(.internal, "the database refused the query", cause: error)
    case .schema, .content: self.init(.internal, "the tables are not as this version expects", cause: error)
    default: self.init(.unavailable, "the database did not answer in time", cause: error)
    }
  }
}

extension DatabaseError {
  /// Whether a call's own values caused it, so that the call alone is refused again: the tables check nothing of a
  /// request that was not checked before, so constraints are not among them.
  var isOfValues: Bool {
    guard let state = sqlState else { return code == .content }
    return state.hasPrefix("22") && state != "2200H"
  }

  /// Whether every other call would be refused for the same reason: a constraint, a sequence at its end, a table that
  /// is not as we know it.
  var isOfTables: Bool {
    (sqlState.map { $0.hasPrefix("23") || $0 == "2200H" } ?? (code == .schema)) && !isOfValues
  }
}
