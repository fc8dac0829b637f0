public import Postgres

/// How a transaction runs when it is not the first attempt for its calls.
public struct TransactionMode: Sendable, Hashable {
  /// An earlier transaction with some of the calls has an unknown outcome; it may still be running.
  public var isRepetition: Bool
  /// Waits only briefly for rows that others have locked, because an earlier attempt already waited for them.
  public var hasBriefLocks: Bool

  /// The mode of a first attempt, unless the arguments say otherwise.
  public init(isRepetition: Bool = false, hasBriefLocks: Bool = false) {
    self.isRepetition = isRepetition
    self.hasBriefLocks = hasBriefLocks
  }

  /// The commands that begin the transaction.
  public var begin: [Command] { hasBriefLocks ? [.begin, Self.briefLocks] : [.begin] }

  private static let briefLocks = Command(Statement("SET LOCAL lock_timeout = '20ms'"))
}
