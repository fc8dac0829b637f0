public import Values

/// Which transactions may be sealed next. Pure.
///
/// A transaction that is older than every running one has written all that it ever will. So blocks are made by
/// transaction, and none below the oldest running one is skipped, however late it committed.
public struct SealingPlan: Sendable, Hashable {
  /// What the server says of its transactions.
  public struct Server: Sendable, Hashable {
    /// The oldest transaction that runs, or the next one: `pg_snapshot_xmin`.
    public var oldestRunning: Int64
    /// The next transaction: `pg_snapshot_xmax`.
    public var next: Int64
    /// Its system identifier.
    public var history: Int64

    /// What it says.
    public init(oldestRunning: Int64, next: Int64, history: Int64) {
      self.oldestRunning = oldestRunning
      self.next = next
      self.history = history
    }
  }

  /// Transactions to seal; there may be no transfers of them.
  public struct Stretch: Sendable, Hashable {
    /// The first transaction.
    public var first: Int64
    /// The transaction before which it ends; nil for all that there are.
    public var end: Int64?
    /// Its transfers are later.
    public var laterThan: Timestamp
    /// They are not later than this moment; nil for all.
    public var until: Timestamp?
    /// The server that numbered them.
    public var history: Int64
  }

  /// No transfer was ever written that early.
  public static let dawn = Timestamp(microseconds: 0)

  /// What to seal, in order.
  public let stretches: [Stretch]

  /// Whether transactions are numbered anew: where a dump was restored, or the server was upgraded.
  public let isAfresh: Bool

  /// - Parameters:
  ///   - newest: the last block; nil before the first.
  ///   - server: asked before the transfers are read.
  ///   - latestStranger: the latest transfer whose transaction this server has not had yet, and the last block has
  ///     not either; nil where there is none. Only asked for when `needsStrangers`.
  public init(after newest: ChainBlock?, _ server: Server, latestStranger: Timestamp? = nil) {
    guard let newest else {
      isAfresh = false
      stretches = [
        Stretch(first: 0, end: server.oldestRunning, laterThan: Self.dawn, until: nil, history: server.history)
      ]
      return
    }
    isAfresh = Self.needsStrangers(after: newest, server)
    guard isAfresh else {
      stretches = [
        Stretch(
          first: newest.range.upperBound, end: server.oldestRunning, laterThan: newest.laterThan, until: nil,
          history: server.history)
      ]
      return
    }
    // Everything that the old server has written is earlier than all of the new one. The number of a transaction says
    // nothing any more. First the rest of the old one, then the new one from its first transaction on.
    let turn = max(newest.lastAt, latestStranger ?? newest.lastAt)
    stretches = [
      Stretch(
        first: newest.range.upperBound, end: nil, laterThan: newest.laterThan, until: turn, history: newest.history),
      Stretch(first: 0, end: server.oldestRunning, laterThan: turn, until: nil, history: server.history),
    ]
  }

  /// Whether transactions are numbered anew, so that `latestStranger` is needed.
  public static func needsStrangers(after newest: ChainBlock, _ server: Server) -> Bool {
    newest.history != server.history || server.oldestRunning < newest.range.upperBound
  }
}
