public import Kafka
public import Postgres

/// The part of an inbox that its context writes: what a message is, and the transaction on a batch of messages.
///
/// Each lane has a handler of its own and calls it on its own thread, where the handler may block. Per batch the order
/// of calls is `sort` for each message, then `prepare`, `execute` and `committed`; dead letters and offsets follow.
/// `idle` comes between batches.
///
/// Messages come at least once: after a crash, a rebalance or a lost answer to COMMIT, `execute` sees them again. It
/// must find out from its tables what has been done before.
public protocol InboxHandler: SendableMetatype {
  /// A message that the transaction has to process, as `sort` has read it.
  associatedtype Item: Sendable
  /// The ways in which a message can be done; each is a value of the label `outcome` of `<name>_messages_total`.
  associatedtype Outcome: InboxOutcome

  /// Reads a message and decides what to do with it. Looks at nothing but the message.
  func sort(_ message: ConsumedMessage) -> InboxSorting<Item, Outcome>

  /// Runs once per batch before its first transaction, without a database: for example looks the items up in a cache.
  /// - Parameter items: may be changed, but neither moved nor removed.
  func prepare(_ items: inout [Item])

  /// Runs one transaction over the items and commits it.
  ///
  /// After an error that `reasonToRefuse` blames on no message, the same items come again, after a pause and without
  /// those whose partition has moved to another member. Otherwise they come again one at a time.
  /// - Parameter items: at least one, in the order of their offsets within a partition.
  /// - Returns: a result for each item, in order.
  func execute(_ items: [Item], on connection: Connection) throws(DatabaseError) -> [InboxResult<Outcome>]

  /// Whether the values of a message caused the error, so that it will be refused again however often it is tried.
  ///
  /// When a batch is refused like that, each of its items is tried alone, and one that is refused alone becomes a dead
  /// letter. Any other error is left to time or to an operator: the batch waits.
  /// - Returns: the reason for the dead letter, without values of the message; nil for any other error.
  func reasonToRefuse(_ error: DatabaseError) -> String?

  /// Runs once per batch after its commit and before its offsets are stored: for example wakes a relay.
  func committed(_ items: [Item], _ results: [InboxResult<Outcome>])

  /// Runs while no message comes, four times a second: for example finishes what `committed` has begun.
  func idle()

  /// Runs once, when the lane ends.
  func close()
}

extension InboxHandler {
  /// Nothing to prepare.
  public func prepare(_ items: inout [Item]) {}

  /// Blames data exceptions (SQLSTATE class 22) on the message, apart from a sequence at its end (2200H).
  public func reasonToRefuse(_ error: DatabaseError) -> String? {
    guard let state = error.sqlState, state.hasPrefix("22"), state != "2200H" else { return nil }
    return "the database refused the message: \(error.message)"
  }

  /// Nothing to do after the commit.
  public func committed(_ items: [Item], _ results: [InboxResult<Outcome>]) {}

  /// Nothing to finish.
  public func idle() {}

  /// Nothing to close.
  public func close() {}
}

/// The ways in which a message can be done: an enumeration of strings. All are counted, from the start with zero.
///
/// `dead_lettered` may not be among them: the inbox counts dead letters itself.
public protocol InboxOutcome: CaseIterable, Hashable, RawRepresentable, Sendable where RawValue == String {}

/// What `InboxHandler.sort` makes of a message.
public enum InboxSorting<Item: Sendable, Outcome: InboxOutcome>: Sendable {
  /// The transaction has to process it.
  case work(Item)
  /// Nothing is to be done.
  case done(Outcome)
  /// It cannot be used and becomes a dead letter; the reason goes into a header and the log, so it quotes no values.
  case unusable(reason: String)
}

/// What `InboxHandler.execute` made of an item.
public enum InboxResult<Outcome: InboxOutcome>: Sendable {
  /// Committed, or found to be committed before.
  case done(Outcome)
  /// It cannot be used and becomes a dead letter; the reason goes into a header and the log, so it quotes no values.
  case unusable(reason: String)
}
