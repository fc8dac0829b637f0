public import Postgres
public import Values

/// How the outbox stands at one moment.
public struct OutboxStatus: Sendable, Hashable {
  /// Events that wait; counted up to `countLimit`.
  public let waiting: Int
  /// Events the broker refused for good.
  public let dead: Int
  /// When the oldest waiting event was written; nil when none waits.
  public let oldestWaiting: Timestamp?
  /// The database's clock when it was asked.
  public let now: Timestamp

  /// Counting stops here, so that asking stays cheap under a backlog.
  public static let countLimit = 1_000_000

  /// How long the oldest waiting event has waited; zero when none waits.
  public var age: Duration {
    oldestWaiting.map { .microseconds(max(0, now.microseconds.subtracting(saturating: $0.microseconds))) } ?? .zero
  }

  /// Asks the tables: one round trip, up to some 100 ms under a backlog of a million.
  public static func load(_ connection: Connection) throws(DatabaseError) -> OutboxStatus {
    let row = try connection.run(Command(statement)).only
    return OutboxStatus(
      waiting: try row.int(0), dead: try row.int(1), oldestWaiting: try row.optionalTimestamp(2),
      now: try row.timestamp(3))
  }

  private static let statement = Statement(
    """
    SELECT (SELECT count(*) FROM (SELECT FROM event_wait LIMIT \(countLimit)) w),
           (SELECT count(*) FROM (SELECT FROM event_dead LIMIT \(countLimit)) d),
           (SELECT min(e.created_at) FROM event_shard s CROSS JOIN LATERAL (
              SELECT w.created_at FROM event_wait w WHERE w.shard = s.shard ORDER BY w.id LIMIT 1) e),
           clock_timestamp()
    """, isReadOnly: true)
}
