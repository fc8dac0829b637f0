public import Postgres
public import Values

/// What people and metrics ask an outbox. Each question is one round trip.
public struct OutboxInspection: Sendable {
  private let statusStatement: Statement
  private let holdingsStatement: Statement
  private let pausedStatement: Statement
  private let events: [EventStatus: Statement]

  /// - Parameter tables: the outbox to look at.
  public init(_ tables: OutboxTables) {
    statusStatement = Self.status(tables)
    holdingsStatement = Self.holdings(tables)
    pausedStatement = Statement(
      "SELECT topic, paused_at FROM \(tables.topicPause) ORDER BY topic", isReadOnly: true)
    events = [
      .waiting: Self.oldest(of: tables.wait, tables), .dead: Self.oldest(of: tables.dead, tables),
      .done: Statement(
        "SELECT \(EventSummary.columns) FROM \(tables.done) ORDER BY done_at DESC, id DESC LIMIT $1", isReadOnly: true),
    ]
  }

  /// How it stands; takes up to some 100 ms under a backlog of a million.
  public func status(on connection: Connection) throws(DatabaseError) -> OutboxStatus {
    let row = try connection.run(Command(statusStatement)).only
    return OutboxStatus(
      waiting: try row.int(StatusColumn.waiting), dead: try row.int(StatusColumn.dead),
      oldestWaiting: try row.optionalTimestamp(StatusColumn.oldestWaiting), now: try row.timestamp(StatusColumn.now))
  }

  /// The shards of all owners, those without one first.
  public func holdings(on connection: Connection) throws(DatabaseError) -> [ShardHolding] {
    try connection.run(Command(holdingsStatement)).map { (row) throws(DatabaseError) in
      let end = try row.timestamp(HoldingColumn.firstEnd)
      return ShardHolding(
        owner: try row.optionalText(HoldingColumn.owner), shards: try row.int(HoldingColumn.shards),
        epochs: try row.int64(HoldingColumn.lowest)...row.int64(HoldingColumn.highest),
        reservedTo: end.microseconds == .min ? nil : end, isCurrent: try row.bool(HoldingColumn.isCurrent))
    }
  }

  /// The topics that are not published for now, by name.
  public func pausedTopics(on connection: Connection) throws(DatabaseError) -> [PausedTopic] {
    try connection.run(Command(pausedStatement)).map { (row) throws(DatabaseError) in
      PausedTopic(topic: try row.text(PauseColumn.topic), since: try row.timestamp(PauseColumn.pausedAt))
    }
  }

  /// Reads up to `limit` events of one status: waiting and dead ones oldest first, published ones newest first.
  ///
  /// Published events have no index by time: with millions of them it takes seconds.
  public func events(
    _ status: EventStatus, limit: Int, on connection: Connection
  ) throws(DatabaseError) -> [EventSummary] {
    guard let statement = events[status] else { preconditionFailure("there is a statement for each status") }
    return try EventSummary.read(try connection.run(Command(statement, [.int64(Int64(limit))])), status)
  }
}

/// The shards of one owner, as `event_shard` has them.
public struct ShardHolding: Sendable, Hashable {
  /// nil for shards that nobody holds.
  public let owner: String?
  /// The number of shards.
  public let shards: Int
  /// The lowest and the highest fencing number among them.
  public let epochs: ClosedRange<Int64>
  /// When the first of the leases ends; nil when they were never held or were given back.
  public let reservedTo: Timestamp?
  /// Whether every lease is still in force by the database's clock.
  public let isCurrent: Bool
}

/// A topic that is not published for now.
public struct PausedTopic: Sendable, Hashable {
  /// The topic whose events wait.
  public let topic: String
  /// When it was paused, by the database's clock.
  public let since: Timestamp
}

extension OutboxInspection {
  private enum StatusColumn: Int, AnswerColumn { case waiting, dead, oldestWaiting, now }
  private enum HoldingColumn: Int, AnswerColumn { case owner, shards, lowest, highest, firstEnd, isCurrent }
  private enum PauseColumn: Int, AnswerColumn { case topic, pausedAt }

  private static func status(_ t: OutboxTables) -> Statement {
    Statement(
      """
      SELECT (SELECT count(*) FROM (SELECT FROM \(t.wait) LIMIT \(OutboxStatus.countLimit)) w) AS waiting,
             (SELECT count(*) FROM (SELECT FROM \(t.dead) LIMIT \(OutboxStatus.countLimit)) d) AS dead,
             (SELECT min(e.created_at) FROM \(t.shard) s CROSS JOIN LATERAL (
                SELECT w.created_at FROM \(t.wait) w WHERE w.shard = s.shard ORDER BY w.id LIMIT 1) e) AS oldest_waiting,
             clock_timestamp() AS now
      """, isReadOnly: true)
  }

  private static func holdings(_ t: OutboxTables) -> Statement {
    Statement(
      """
      SELECT owner, count(*) AS shards, min(epoch) AS lowest, max(epoch) AS highest, min(reserved_to) AS first_end,
             min(reserved_to) > clock_timestamp() AS is_current
      FROM \(t.shard) GROUP BY owner ORDER BY owner NULLS FIRST
      """, isReadOnly: true)
  }

  /// Through the index on (shard, id), so that a backlog is not read as a whole.
  private static func oldest(of table: String, _ t: OutboxTables) -> Statement {
    Statement(
      """
      SELECT e.* FROM \(t.shard) s CROSS JOIN LATERAL (
        SELECT \(EventSummary.columns) FROM \(table) w WHERE w.shard = s.shard ORDER BY w.id LIMIT $1) e
      ORDER BY e.id LIMIT $1
      """, isReadOnly: true)
  }
}
