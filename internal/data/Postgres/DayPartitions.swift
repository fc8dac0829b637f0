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
  public struct Trouble: Sendable {
    /// The name of the day's table.
    public let table: String
    /// Why nothing was done with it.
    public let error: DatabaseError
    /// Who holds what was waited for, where that is known.
    public let holder: String?
  }

  /// What dropping old days came to.
  public struct Dropped: Sendable {
    /// The tables that were dropped.
    public fileprivate(set) var tables: [String] = []
    /// The tables that stay until the next time.
    public fileprivate(set) var troubles: [Trouble] = []
  }

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
      let trouble = try attempt(day, on: connection) { () throws(DatabaseError) in try connection.script(script) }
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
    var dropped = Dropped()
    var mayDetach = true
    for row in try connection.run(Command(Self.pendingDetach, [.text(table)])) {
      let (parent, day) = (try row.text(PendingDay.parent), try row.text(PendingDay.day))
      let trouble = try attempt(day, on: connection) { () throws(DatabaseError) in
        try connection.script("ALTER TABLE \(parent) DETACH PARTITION \(day) FINALIZE")
      }
      if let trouble {
        if Self.isGone(trouble) { continue }
        // Of one parent only one detach may be pending.
        mayDetach = false
        dropped.troubles.append(trouble)
      }
    }
    let rows = try connection.run(
      Command(Self.oldDays, [.text(table), .double(retention.inSeconds), .timestampOrNull(now)]))
    for row in rows {
      let (parent, day) = (try row.text(OldDay.parent), try row.text(OldDay.day))
      if try row.bool(OldDay.attached) {
        guard mayDetach else { continue }
        let trouble = try attempt(day, on: connection) { () throws(DatabaseError) in
          try connection.script("ALTER TABLE \(parent) DETACH PARTITION \(day) CONCURRENTLY")
        }
        if let trouble {
          // Another program has detached it at the same moment, and drops it.
          if Self.isGone(trouble) { continue }
          mayDetach = false
          dropped.troubles.append(trouble)
          continue
        }
      }
      let trouble = try attempt(day, on: connection) { () throws(DatabaseError) in
        try connection.script("DROP TABLE \(day)")
      }
      guard let trouble else {
        dropped.tables.append(try row.text(OldDay.name))
        continue
      }
      if !Self.isGone(trouble) { dropped.troubles.append(trouble) }
    }
    return dropped
  }

  /// Gives the replica identity FULL to days without it: a program that knew nothing of it has made them.
  ///
  /// It takes the day's lock for a moment, and tries another time rather than let writers wait behind it.
  /// - Returns: the days that are left without.
  public func identify(on connection: Connection) throws(DatabaseError) -> [Trouble] {
    var troubles: [Trouble] = []
    for row in try connection.run(Command(Self.unidentified, [.text(table)])) {
      let day = try row.text(0)
      let trouble = try attempt(day, on: connection) { () throws(DatabaseError) in
        try connection.script("SET LOCAL lock_timeout = '100ms'; ALTER TABLE \(day) REPLICA IDENTITY FULL")
      }
      if let trouble, !Self.isGone(trouble) { troubles.append(trouble) }
    }
    return troubles
  }

  /// What the session's role lacks to make and drop days, in words; nothing when it may.
  public func missingRights(on connection: Connection) throws(DatabaseError) -> [String] {
    try connection.run(Command(Self.rights, [.text(table)])).map { (row) throws(DatabaseError) in try row.text(0) }
  }

  /// - Returns: what the server refused; nil when it was done.
  /// - Throws: whatever ends the connection.
  private func attempt(
    _ day: String, on connection: Connection, _ body: () throws(DatabaseError) -> Void
  ) throws(DatabaseError) -> Trouble? {
    do throws(DatabaseError) {
      try body()
      return nil
    } catch  where error.code == .server && connection.isUsable {
      let isWait = error.isLockTimeout || error.isCancelled
      return Trouble(table: day, error: error, holder: isWait ? try holder(of: day, on: connection) : nil)
    }
  }

  /// The oldest transaction that holds a lock on the day or its parent.
  private func holder(of day: String, on connection: Connection) throws(DatabaseError) -> String? {
    try connection.run(Command(Self.lockHolder, [.text(table), .text(day)])).first?.text(0)
  }

  /// The day, or its place under the parent, is no longer there.
  private static func isGone(_ trouble: Trouble) -> Bool { trouble.error.sqlState == "42P01" }

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

  /// The parent as statements find it, and its days by name: attached ones wherever they lie, others in its schema.
  private static let family = """
    WITH parent AS (
      SELECT c.oid, c.relname, n.nspname, c.relnamespace, format('%I.%I', n.nspname, c.relname) AS name
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1::text::regclass),
    day AS (
      SELECT c.oid, c.relname, format('%I.%I', n.nspname, c.relname) AS name, i.inhrelid IS NOT NULL AS attached
      FROM parent p JOIN pg_class c ON c.relname ~ ('^' || p.relname || '_[0-9]{8}$')
      JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = p.oid
      WHERE c.relkind = 'r' AND (i.inhrelid IS NOT NULL OR c.relnamespace = p.relnamespace))
    """

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

  private enum OldDay: Int, AnswerColumn { case parent, day, attached, name }

  /// Day tables of ours that ended before the retention, and whether they are still attached: a crash may come
  /// between.
  private static let oldDays = Statement(
    """
    \(family)
    SELECT p.name AS parent, day.name AS day, day.attached, day.relname::text AS name FROM parent p CROSS JOIN day
    WHERE right(day.relname, 8) < to_char(
            (coalesce($3::timestamptz, clock_timestamp()) - make_interval(secs => $2)) AT TIME ZONE 'UTC', 'YYYYMMDD')
      AND (day.attached
           OR EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = day.oid AND k.conname = day.relname || '_day'))
    ORDER BY day.relname
    """, isReadOnly: true)

  private enum PendingDay: Int, AnswerColumn { case parent, day }

  private static let pendingDetach = Statement(
    """
    \(family)
    SELECT p.name AS parent, day.name AS day
    FROM parent p JOIN pg_inherits i ON i.inhparent = p.oid JOIN day ON day.oid = i.inhrelid
    WHERE i.inhdetachpending
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

  private static let lockHolder = Statement(
    """
    SELECT 'process ' || l.pid || coalesce(' (' || nullif(a.application_name, '') || ')', '')
           || coalesce(', in a transaction since ' || a.xact_start::text, '')
    FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
    WHERE l.granted AND l.pid <> pg_backend_pid() AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND l.relation IN (to_regclass($1::text), to_regclass($2::text))
    ORDER BY a.xact_start NULLS LAST LIMIT 1
    """, isReadOnly: true)
}
