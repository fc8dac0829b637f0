internal import Postgres
internal import Values

/// What an archive is: which rows may be moved, where to, and by which statement.
///
/// The live table and its archives are keyed by UUIDs of version 7, the archives partitioned by ranges of them, a UTC
/// month each. A row whose id has another time in front, as one that is made of other values, stays live.
public struct ArchivePlan: Sendable {
  /// What metrics and log lines call it.
  public let name: String
  /// The archives' months.
  public let months: ArchiveMonths
  let rows: String
  let next: Statement
  let lock: Statement
  let move: Statement
  let raiseFloor: Statement?

  /// - Parameters:
  ///   - rows: what the rows are, for the log.
  ///   - live: the table that rows leave; its key is `id`.
  ///   - condition: which rows of it have the time in their ids; of a table named `p`.
  ///   - finished: which rows of it may go, as far as their own columns say: those finished for longer than `$4`, an
  ///     interval; of a table named `p`.
  ///   - archives: the partitioned tables, all with the same months.
  ///   - move: moves those of the rows `$1` that may go, with what belongs to them, in one statement, and answers with
  ///     their number. The rows are locked: whatever others have committed about them before is seen, and what comes
  ///     later waits. `$2` is the age, as above.
  ///   - raiseFloor: notes that rows with ids below `$1` are gone for ever; carried out before a month is dropped.
  public init(
    name: String, rows: String, live: String, condition: String = "true", finished: String, archives: [ArchiveTable],
    move: String, raiseFloor: String? = nil
  ) {
    self.name = name
    self.rows = rows
    months = ArchiveMonths(archives)
    next = Statement(Self.next(live, condition), isReadOnly: true)
    lock = Statement(Self.lock(live, condition, finished))
    self.move = Statement(move)
    self.raiseFloor = raiseFloor.map { Statement($0) }
  }

  /// Drops the months that ended at least `retention` ago. Needs a session of its own, so not through PgBouncer.
  /// - Parameter now: the database's clock when nil.
  func drop(
    olderThan retention: Duration, now: Timestamp? = nil, on connection: Connection
  ) throws(DatabaseError) -> [OldPartitions.Dropped] {
    if let raiseFloor {
      let row = try connection.run(Command(Self.floor, [.double(retention.inSeconds), .timestampOrNull(now)])).only
      try connection.run(Command(raiseFloor, [.uuid(try row.uuid(0))]))
    }
    return try months.drop(olderThan: retention, now: now, on: connection)
  }

  /// The lowest id of the first month that is kept.
  private static let floor = Statement(
    """
    SELECT \(lowest("date_trunc('month', (coalesce($2::timestamptz, clock_timestamp()) - make_interval(secs => $1)) AT TIME ZONE 'UTC')"))
    """, isReadOnly: true)

  /// The first row behind `$1` that is older than `$2`, its month, and up to which id rows are that old.
  private static func next(_ live: String, _ condition: String) -> String {
    """
    SELECT to_char(m.month, 'YYYYMM') AS month, \(lowest("m.month")) AS first,
           \(lowest("m.month + interval '1 month'")) AS end_of_month, b.bound
    FROM (SELECT \(lowest("clock_timestamp() - $2::interval")) AS bound) b
    CROSS JOIN LATERAL (
      SELECT p.id FROM \(live) p WHERE p.id > $1 AND p.id < b.bound AND \(condition) ORDER BY p.id LIMIT 1) f
    CROSS JOIN LATERAL (
      SELECT date_trunc('month', to_timestamp(
        ('x' || left(replace(f.id::text, '-', ''), 12))::bit(48)::bigint / 1000.0) AT TIME ZONE 'UTC') AS month) m
    """
  }

  /// Looks at the next `$3` rows between `$1` and `$2`, both excluded, and locks those that are finished and that
  /// nobody else has locked.
  private static func lock(_ live: String, _ condition: String, _ finished: String) -> String {
    """
    WITH page AS MATERIALIZED (
      SELECT p.id FROM \(live) p WHERE p.id > $1 AND p.id < $2 AND \(condition) ORDER BY p.id LIMIT $3),
    held AS MATERIALIZED (
      SELECT p.id FROM page g JOIN \(live) p ON p.id = g.id WHERE \(finished) FOR UPDATE OF p SKIP LOCKED)
    SELECT g.id, h.id IS NOT NULL AS is_held FROM page g LEFT JOIN held h ON h.id = g.id ORDER BY g.id
    """
  }

  /// The lowest id of a moment: 48 bits of milliseconds (RFC 9562, section 5.7). Before 1970 it is the lowest of all.
  private static func lowest(_ moment: String) -> String {
    "(lpad(to_hex(greatest(0, (extract(epoch FROM \(moment)) * 1000)::bigint)), 12, '0') || repeat('0', 20))::uuid"
  }
}
