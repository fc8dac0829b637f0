internal import Postgres

/// How a transaction is run that is not the first attempt for its commands.
public struct TransactionMode: Sendable {
  /// An earlier transaction for some of the commands ended in a way that is not known: it may still be at work.
  public var isRepetition: Bool
  /// Waits only briefly for what others have locked, because it was waited for already.
  public var hasBriefLocks: Bool

  public init(isRepetition: Bool = false, hasBriefLocks: Bool = false) {
    self.isRepetition = isRepetition
    self.hasBriefLocks = hasBriefLocks
  }

  /// How the transaction begins.
  var begin: [Command] { hasBriefLocks ? [.begin, Self.briefLocks] : [.begin] }

  private static let briefLocks = Command(Statement("SET LOCAL lock_timeout = '20ms'"))
}
