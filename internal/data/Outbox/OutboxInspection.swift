public import Postgres
public import Values

/// Where an event is in its life.
public enum EventStatus: String, Sendable, CaseIterable {
  /// Not yet on its topic.
  case waiting = "WAIT"
  /// Acknowledged by the broker.
  case done = "DONE"
  /// Refused by the broker for good.
  case dead = "DEAD"
}

/// The shards of one owner, as `event_shard` has them.
public struct ShardHolding: Sendable, Hashable {
  /// nil for shards that nobody holds.
  public let owner: String?
  public let shards: Int
  /// The lowest and the highest fencing number among them.
  public let epochs: ClosedRange<Int64>
  /// When the first of the leases ends; nil when they were never held or were given back.
  public let reservedTo: Timestamp?
  /// Whether every lease is still in force by the database's clock.
  public let isCurrent: Bool

  /// Asks for all owners, those without one first; one round trip.
  public static func load(_ connection: Connection) throws(DatabaseError) -> [ShardHolding] {
    try connection.run(Command(statement)).map { (row) throws(DatabaseError) in
      let end = try row.timestamp(4)
      return ShardHolding(
        owner: try row.optionalText(0), shards: try row.int(1), epochs: try row.int64(2)...row.int64(3),
        reservedTo: end.microseconds == .min ? nil : end, isCurrent: try row.bool(5))
    }
  }

  private static let statement = Statement(
    """
    SELECT owner, count(*), min(epoch), max(epoch), min(reserved_to), min(reserved_to) > clock_timestamp()
    FROM event_shard GROUP BY owner ORDER BY owner NULLS FIRST
    """, isReadOnly: true)
}

/// One event without its payload, for people who look after the outbox.
public struct EventSummary: Sendable, Hashable {
  public let id: Int64
  public let eventID: UniqueID
  public let shard: Int16
  public let key: String
  public let sequence: Int64
  public let topic: String
  public let status: EventStatus
  public let attempts: Int
  /// What the broker said last; nil when it never refused.
  public let lastError: String?
  public let createdAt: Timestamp
  /// When it was published.
  public let doneAt: Timestamp?
  /// The end of the lease under which it was published.
  public let reservedTo: Timestamp?

  /// Reads up to `limit` events of one status: waiting and dead ones oldest first, published ones newest first.
  ///
  /// Published events have no index by time: with millions of them it takes seconds.
  public static func load(
    _ status: EventStatus, limit: Int, _ connection: Connection
  ) throws(DatabaseError) -> [EventSummary] {
    let statement =
      switch status {
      case .waiting: waiting
      case .dead: dead
      case .done: done
      }
    return try read(try connection.run(Command(statement, [.int64(Int64(limit))])), status)
  }

  /// Rows of `columns`. What is missing in a row is shown as nothing: people look here for rows that are not sound.
  static func read(_ rows: Rows, _ status: EventStatus) throws(DatabaseError) -> [EventSummary] {
    try rows.map { (row) throws(DatabaseError) in
      EventSummary(
        id: try row.int64(0), eventID: try row.optionalUUID(1) ?? UniqueID(high: 0, low: 0), shard: try row.int16(2),
        key: try row.optionalText(3) ?? "", sequence: try row.optionalInt64(4) ?? 0,
        topic: try row.optionalText(5) ?? "", status: status, attempts: Int(try row.optionalInt64(6) ?? 0),
        lastError: try row.optionalText(7), createdAt: try row.optionalTimestamp(8) ?? Timestamp(microseconds: 0),
        doneAt: try row.optionalTimestamp(9),
        reservedTo: try row.optionalTimestamp(10))
    }
  }

  static let columns =
    "id, event_id, shard, key, seq, topic, attempts, last_error, created_at, done_at, reserved_to"

  /// Through the index on (shard, id), so that a backlog is not read as a whole.
  private static func oldest(of table: String) -> Statement {
    Statement(
      """
      SELECT e.* FROM event_shard s CROSS JOIN LATERAL (
        SELECT \(columns) FROM \(table) w WHERE w.shard = s.shard ORDER BY w.id LIMIT $1) e
      ORDER BY e.id LIMIT $1
      """, isReadOnly: true)
  }

  private static let waiting = oldest(of: "event_wait")
  private static let dead = oldest(of: "event_dead")
  private static let done = Statement(
    "SELECT \(columns) FROM event_done ORDER BY done_at DESC, id DESC LIMIT $1", isReadOnly: true)
}
