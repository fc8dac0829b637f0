public import Values

/// The care of a table that is partitioned by UTC day: days made ahead, and dropped when they are older than a
/// retention.
///
/// Nothing here makes writers wait: days are attached as plain tables with a matching CHECK, and detached CONCURRENTLY
/// before they are dropped (PostgreSQL 15, "Table Partitioning", section 5.11.2.2). A day's table is named after its
/// parent and the day: `parent_YYYYMMDD`. Safe to use from several programs at once.
public struct DayPartitions: Sendable {
  /// The partitioned table.
  public let table: String
  private let column: String
  private let check: String?
  private let unique: [String]

  /// - Parameters:
  ///   - table: partitioned by range of `column`, without a default partition.
  ///   - column: a `timestamptz`.
  ///   - check: what else holds for every row by the bounds of the table's own parents, as PostgreSQL must find it in
  ///     the CHECK to attach without a scan; nil when the table is nobody's partition.
  ///   - unique: columns that are unique within a day; none for no index.
  public init(table: String, column: String, check: String? = nil, unique: [String] = []) {
    self.table = table
    self.column = column
    self.check = check
    self.unique = unique
  }

  /// Makes the partition of the day of `now` and those of the days after it, where they are missing.
  /// - Parameter now: the database's clock when nil.
  public func ensure(daysAhead: Int, now: Timestamp? = nil, on connection: Connection) throws(DatabaseError) {
    let rows = try connection.run(
      Command(Self.missingDays, [.text(table), .int32(Int32(daysAhead)), .timestampOrNull(now)]))
    for index in 0..<rows.count {
      do throws(DatabaseError) {
        try connection.script(
          attachScript(day: rows[index].text(0), from: rows[index].text(1), to: rows[index].text(2)))
      } catch {
        guard Self.alreadyThere.contains(error.sqlState ?? "") else { throw error }
        // Another program made the same day at the same moment.
      }
    }
  }

  /// Drops the days that ended at least `retention` ago. Needs a session of its own, so not through PgBouncer.
  /// - Parameter now: the database's clock when nil.
  /// - Returns: the names of the dropped tables.
  public func drop(
    olderThan retention: Duration, now: Timestamp? = nil, on connection: Connection
  ) throws(DatabaseError) -> [String] {
    let pending = try connection.run(Command(Self.pendingDetach, [.text(table)]))
    for index in 0..<pending.count {
      try connection.script("ALTER TABLE \(table) DETACH PARTITION \(pending[index].text(0)) FINALIZE")
    }
    let rows = try connection.run(
      Command(Self.oldDays, [.text(table), .double(retention.inSeconds), .timestampOrNull(now)]))
    var dropped: [String] = []
    for index in 0..<rows.count {
      let day = rows[index].text(0)
      if rows[index].bool(1) {
        try connection.script("ALTER TABLE \(table) DETACH PARTITION \(day) CONCURRENTLY")
      }
      try connection.script("DROP TABLE \(day)")
      dropped.append(day)
    }
    return dropped
  }

  /// Duplicate table, duplicate object, unique violation in the catalogue, and "would overlap partition".
  private static let alreadyThere: Set<String> = ["42P07", "42710", "23505", "42P17"]

  /// One message of the simple protocol: its statements are one transaction (PostgreSQL manual, section 55.2.2.1).
  private func attachScript(day: String, from: String, to: String) -> String {
    let others = check.map { "\($0) AND " } ?? ""
    let index = unique.isEmpty ? "" : "CREATE UNIQUE INDEX ON \(day) (\(unique.joined(separator: ", ")));\n"
    return """
      CREATE TABLE \(day) (LIKE \(table) INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
        CONSTRAINT \(day)_day CHECK (\(others)\(column) IS NOT NULL AND \(column) >= '\(from)' AND \(column) < '\(to)'));
      \(index)ALTER TABLE \(table) ATTACH PARTITION \(day) FOR VALUES FROM ('\(from)') TO ('\(to)')
      """
  }

  /// Days without a table, whether attached or left behind by a detach, as name, first moment, moment after the last.
  private static let missingDays = Statement(
    """
    SELECT name, to_char(day, 'YYYY-MM-DD"T"00:00:00"Z"'), to_char(day + interval '1 day', 'YYYY-MM-DD"T"00:00:00"Z"')
    FROM (SELECT date_trunc('day', coalesce($3::timestamptz, clock_timestamp()) AT TIME ZONE 'UTC')
                 + make_interval(days => n) AS day
          FROM generate_series(0, $2::int) n) d
    CROSS JOIN LATERAL (SELECT $1::text || '_' || to_char(day, 'YYYYMMDD') AS name) t
    WHERE to_regclass(name) IS NULL ORDER BY day
    """, isReadOnly: true)

  /// Day tables that ended before the retention, and whether they are still attached (a crash may come between).
  private static let oldDays = Statement(
    """
    SELECT c.relname::text, EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)
    FROM pg_class c
    WHERE c.relkind = 'r' AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = $1::text::regclass)
      AND c.relname ~ ('^' || $1::text || '_[0-9]{8}$')
      AND to_date(right(c.relname, 8), 'YYYYMMDD') + 1
          <= (coalesce($3::timestamptz, clock_timestamp()) - make_interval(secs => $2)) AT TIME ZONE 'UTC'
    ORDER BY c.relname
    """, isReadOnly: true)

  private static let pendingDetach = Statement(
    """
    SELECT i.inhrelid::regclass::text FROM pg_inherits i
    WHERE i.inhparent = $1::text::regclass AND i.inhdetachpending
    """, isReadOnly: true)
}
