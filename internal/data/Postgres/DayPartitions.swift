public import Values

/// The care of a table that is partitioned by UTC day: days made ahead, and dropped when they are older than a
/// retention.
///
/// Nothing here makes writers wait: days are attached as plain tables with a matching CHECK, and detached CONCURRENTLY
/// before they are dropped (PostgreSQL 15, "Table Partitioning", section 5.11.2.2). A day's table is named after its
/// parent and the day, `parent_YYYYMMDD`, and lies in its parent's schema whatever the session's `search_path` is. Each
/// has the replica identity FULL, so that a publication of all tables does not forbid to delete from it.
///
/// Trouble with one day, such as a view on it, is told of and the next day is cared for. Safe to use from several
/// programs at once.
public struct DayPartitions: Sendable {
  /// A day's table that could not be cared for.
  public typealias Trouble = OldPartitions.Trouble
  /// What dropping old days came to.
  public typealias Dropped = OldPartitions.Dropped

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
  /// - Returns: the days that could not be made.
  public func ensure(daysAhead: Int, now: Timestamp? = nil, on connection: Connection) throws(DatabaseError)
    -> [Trouble]
  {
    let rows = try connection.run(
      Command(Self.missingDays, [.text(table), .int32(Int32(daysAhead)), .timestampOrNull(now)]))
    var troubles: [Trouble] = []
    for row in rows {
      let day = try row.text(MissingDay.day)
      let script = attachScript(
        parent: try row.text(MissingDay.parent), day: day, constraint: try row.text(MissingDay.constraintName),
        from: try row.text(MissingDay.firstMoment), to: try row.text(MissingDay.nextMoment))
      let trouble = try OldPartitions.attempt(day, of: table, on: connection) { () throws(DatabaseError) in
        try connection.script(script)
      }
      // Another program may have made the same day at the same moment.
      if let trouble, !Self.alreadyThere.contains(trouble.error.sqlState ?? "") { troubles.append(trouble) }
    }
    return troubles
  }

  /// Drops the days that ended at least `retention` ago. Needs a session of its own, so not through PgBouncer.
  /// - Parameter now: the database's clock when nil.
  public func drop(
    olderThan retention: Duration, now: Timestamp? = nil, on connection: Connection
  ) throws(DatabaseError) -> Dropped {
    try OldPartitions(table: table, .day).drop(olderThan: retention, now: now, on: connection)
  }

  /// Gives the replica identity FULL to days without it: a program that knew nothing of it has made them.
  ///
  /// It takes the day's lock for a moment, and tries another time rather than let writers wait behind it.
  /// - Returns: the days that are left without.
  public func identify(on connection: Connection) throws(DatabaseError) -> [Trouble] {
    var troubles: [Trouble] = []
    for row in try connection.run(Command(Self.unidentified, [.text(table)])) {
      let day = try row.text(0)
      let trouble = try OldPartitions.attempt(day, of: table, on: connection) { () throws(DatabaseError) in
        try connection.script("SET LOCAL lock_timeout = '100ms'; ALTER TABLE \(day) REPLICA IDENTITY FULL")
      }
      if let trouble, !OldPartitions.isGone(trouble) { troubles.append(trouble) }
    }
    return troubles
  }

  /// What the session's role lacks to make and drop days, in words; nothing when it may.
  public func missingRights(on connection: Connection) throws(DatabaseError) -> [String] {
    try connection.run(Command(Self.rights, [.text(table)])).map { (row) throws(DatabaseError) in try row.text(0) }
  }

  /// Duplicate table, duplicate object, unique violation in the catalogue, and "would overlap partition".
  private static let alreadyThere: Set<String> = ["42P07", "42710", "23505", "42P17"]

  /// One message of the simple protocol: its statements are one transaction (PostgreSQL manual, section 55.2.2.1).
  private func attachScript(parent: String, day: String, constraint: String, from: String, to: String) -> String {
    let others = check.map { "\($0) AND " } ?? ""
    let index = unique.isEmpty ? "" : "CREATE UNIQUE INDEX ON \(day) (\(unique.joined(separator: ", ")));\n"
    return """
      CREATE TABLE \(day) (LIKE \(parent) INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
        CONSTRAINT \(constraint) CHECK (\(others)\(column) IS NOT NULL AND \(column) >= '\(from)' AND \(column) < '\(to)'));
      ALTER TABLE \(day) REPLICA IDENTITY FULL;
      \(index)ALTER TABLE \(parent) ATTACH PARTITION \(day) FOR VALUES FROM ('\(from)') TO ('\(to)')
      """
  }

  private static let family = OldPartitions.family(.day)

  private enum MissingDay: Int, AnswerColumn { case parent, day, constraintName, firstMoment, nextMoment }

  /// Days without a table, whether attached or left behind by a detach, with the first moment of each and of the next.
  private static let missingDays = Statement(
    """
    \(family)
    SELECT p.name AS parent, format('%I.%I', p.nspname, t.name) AS day, quote_ident(t.name || '_day') AS constraint_name,
           to_char(d.day, 'YYYY-MM-DD"T"00:00:00"Z"') AS first_moment,
           to_char(d.day + interval '1 day', 'YYYY-MM-DD"T"00:00:00"Z"') AS next_moment
    FROM parent p
    CROSS JOIN (SELECT date_trunc('day', coalesce($3::timestamptz, clock_timestamp()) AT TIME ZONE 'UTC')
                       + make_interval(days => n) AS day
                FROM generate_series(0, $2::int) n) d
    CROSS JOIN LATERAL (SELECT p.relname || '_' || to_char(d.day, 'YYYYMMDD') AS name) t
    WHERE NOT EXISTS (SELECT FROM day WHERE day.relname = t.name) ORDER BY d.day
    """, isReadOnly: true)

  private static let unidentified = Statement(
    """
    \(family)
    SELECT day.name FROM day JOIN pg_class c USING (oid) WHERE day.attached AND c.relreplident <> 'f'
    ORDER BY day.relname
    """, isReadOnly: true)

  private static let rights = Statement(
    """
    SELECT need FROM pg_class c
    CROSS JOIN LATERAL (VALUES
      (pg_has_role(c.relowner, 'USAGE'), 'ownership of ' || $1::text),
      (has_schema_privilege(c.relnamespace, 'CREATE'), 'CREATE on the schema of ' || $1::text)) v(has, need)
    WHERE c.oid = to_regclass($1::text) AND NOT v.has ORDER BY need
    """, isReadOnly: true)
}
