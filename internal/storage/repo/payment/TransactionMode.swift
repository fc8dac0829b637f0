internal import Database

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
  func begin(on connection: Connection) -> [Command] {
    if hasBriefLocks { return [.begin, Self.briefLocks] }
    // Otherwise the session has a limit where it needs one.
    return connection.hasSessionParameters ? [.begin] : [.begin, Self.boundedLocks]
  }

  private static let briefLocks = Command(Statement("SET LOCAL lock_timeout = '20ms'"))
  private static let boundedLocks = Command(Statement("SET LOCAL lock_timeout = '1s'"))
}
