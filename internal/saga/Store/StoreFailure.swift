internal import GroupCommit
internal import Postgres
internal import SagaDomain

/// What a caller is told whose call has no outcome: of the database, or of its own deadline. A database that is away is
/// told rather than the deadline.
extension PaymentError {
  /// A write without an outcome.
  /// - Parameter isDatabaseAway: whether no connection lives.
  init(_ failure: GroupCommitFailure, isDatabaseAway: Bool) {
    let isDeadlinePassed =
      if case .timeUp(isDeadline: true) = failure.reason { !isDatabaseAway } else { false }
    let (code, message, cause) = Self.parts(of: failure.reason)
    if failure.mayHaveHappened {
      let text = "it is not known whether the change was made; ask again to learn what came of it"
      self.init(.outcomeUnknown, text, isDeadlinePassed: isDeadlinePassed, cause: cause)
    } else {
      self.init(code, message + "; nothing was done", isDeadlinePassed: isDeadlinePassed, cause: cause)
    }
  }

  private static func parts(of reason: GroupCommitFailure.Reason) -> (Code, String, DatabaseError?) {
    switch reason {
    case .overloaded(let queue): (.overloaded, "more than \(queue) calls are waiting", nil)
    case .stopped: (.unavailable, "the server is shutting down", nil)
    case .timeUp: (.unavailable, "the database did not answer in time", nil)
    case .refused(let error) where WriteFault.isOfValues(error):
      (.internal, "the database refused the call", error)
    case .refused(let error): (.unavailable, "the database cannot take the call just now", error)
    }
  }

  /// A read that failed.
  /// - Parameters:
  ///   - isDeadlinePassed: whether the time that was up is the caller's own.
  ///   - isDatabaseAway: whether no connection lives.
  init(reading error: DatabaseError, isDeadlinePassed: Bool, isDatabaseAway: Bool) {
    switch error.code {
    case .overloaded: self.init(.overloaded, "too many calls are waiting for the database", cause: error)
    case .server where !error.isRetryable: self.init(.internal, "the database refused the query", cause: error)
    case .schema, .content: self.init(.internal, "the tables are not as this version expects", cause: error)
    default:
      self.init(
        .unavailable, "the database did not answer in time", isDeadlinePassed: isDeadlinePassed && !isDatabaseAway,
        cause: error)
    }
  }
}
