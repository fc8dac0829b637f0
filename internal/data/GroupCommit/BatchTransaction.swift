public import Postgres

/// What a group commit does with its calls: the transaction, and the words for callers who get no outcome from it.
///
/// A call must be repeatable. After a COMMIT with an unknown outcome the call runs again and must then return what the
/// first run stored.
public protocol BatchTransaction: Sendable {
  /// What a caller asks for.
  associatedtype Call: Sendable
  /// What a caller gets.
  associatedtype Outcome: Sendable
  /// Why a caller gets no outcome.
  associatedtype Failure: Error

  /// A number for the row that a call locks. When a batch is taken apart, calls with the same number stay together; two
  /// rows may share a number, their calls then fail together.
  func subject(of call: Call) -> Int64

  /// Runs the calls in one transaction, on the thread that owns `connection`.
  /// - Returns: the result of each call, in order.
  /// - Throws: the database's error when nothing was committed, or when that is not known (`outcomeUnknown`).
  func execute(
    _ calls: [Call], mode: TransactionMode, on connection: Connection
  ) throws(DatabaseError) -> [Result<Outcome, Failure>]

  /// A transaction has committed these calls with these results. Called on a pool thread, before the callers are
  /// answered.
  func committed(_ calls: [Call], _ results: [Result<Outcome, Failure>])

  /// Whether the database would refuse every other call for the same reason, so that running the calls of a batch one
  /// by one is no use.
  func concernsEveryCall(_ error: DatabaseError) -> Bool

  /// What to tell a caller who gets no outcome.
  func failure(_ failure: GroupCommitFailure) -> Failure
}

/// Why a group commit has no outcome for a call.
public struct GroupCommitFailure: Sendable {
  /// The reasons.
  public enum Reason: Sendable {
    /// The queue already holds this many calls.
    case overloaded(queue: Int)
    /// The program is shutting down.
    case stopped
    /// The time is up; `isDeadline` when the caller's own deadline set it.
    case timeUp(isDeadline: Bool)
    /// The database refused the call.
    case refused(DatabaseError)
  }

  /// Why there is no outcome.
  public let reason: Reason
  /// Whether the call may have been committed, or may yet be. When false, nothing was done and nothing will be.
  public let mayHaveHappened: Bool

  /// A reason and what is known of the call.
  public init(_ reason: Reason, mayHaveHappened: Bool) {
    self.reason = reason
    self.mayHaveHappened = mayHaveHappened
  }
}
