public import Values

/// Indexes that days of a table get by themselves, after their tables were made: so that whoever writes today's rows
/// pays only for those that open days have. Each is named after the day's table, `parent_YYYYMMDD_NAME`, and built
/// CONCURRENTLY, so that nobody waits for it.
///
/// Safe to use from several programs at once; one that was given up half-built is built anew.
public struct DayIndexes: Sendable {
  /// An index of a day's table.
  public struct Index: Sendable, Hashable {
    /// The end of its name.
    public let name: String
    /// What comes after USING: the method, the columns and the storage parameters.
    public let definition: String
    /// Which days have it.
    public let days: Days

    /// - Parameters:
    ///   - name: unique within the table; the end of the index's name.
    ///   - definition: such as `btree (key)`.
    public init(_ name: String, _ definition: String, _ days: Days) {
      self.name = name
      self.definition = definition
      self.days = days
    }
  }

  /// Which days of a table have an index.
  public enum Days: Sendable, Hashable {
    /// Today and the days ahead, which keep it when they are over.
    case isOpen
    /// Days that ended a quarter of an hour ago, so that nobody writes to them any more.
    case isOver
  }

  /// An index that is missing.
  public struct Missing: Sendable, Hashable {
    /// The day's table, quoted, with its schema.
    public let table: String
    /// Its name, quoted.
    public let name: String
    fileprivate let place: String
    fileprivate let definition: String
    fileprivate let isHalfBuilt: Bool
  }

  private let table: String
  private let indexes: [Index]

  /// - Parameter table: partitioned by range, a partition a UTC day, as `DayPartitions` makes them.
  public init(table: String, _ indexes: [Index]) {
    self.table = table
    self.indexes = indexes
  }

  /// The indexes that are missing and that nobody is building, the newest days first. Days that are dropped within a
  /// day have none: a table that is being indexed cannot be detached, and each would wait for the other.
  /// - Parameters:
  ///   - retention: how long a day is kept after its end.
  ///   - now: the database's clock when nil.
  public func missing(
    keptFor retention: Duration, now: Timestamp? = nil, on connection: Connection
  ) throws(DatabaseError) -> [Missing] {
    let parameters: [Parameter] = [
      .text(table), .textArray(indexes.map(\.name)), .textArray(indexes.map(\.definition)),
      .textArray(indexes.map { $0.days == .isOpen ? "open" : "over" }), .timestampOrNull(now),
      .double(retention.inSeconds),
    ]
    return try connection.run(Command(Self.missing, parameters)).map { (row) throws(DatabaseError) in
      Missing(
        table: try row.text(Column.day), name: try row.text(Column.name), place: try row.text(Column.place),
        definition: try row.text(Column.definition), isHalfBuilt: try row.bool(Column.isHalfBuilt))
    }
  }

  /// Builds one. Takes as long as PostgreSQL needs to read the day twice and to wait for all transactions that are
  /// older than that.
  /// - Parameters:
  ///   - limit: how long it may take; then it is given up, and built anew another time.
  ///   - connection: with a session of its own, so not through PgBouncer, and without a limit on waits for locks.
  public func build(_ index: Missing, limit: Duration, on connection: Connection) throws(DatabaseError) {
    if index.isHalfBuilt {
      try connection.script("DROP INDEX CONCURRENTLY IF EXISTS \(index.place)", timeout: limit)
    }
    // Another program may have made it at the same moment.
    try connection.script(
      "CREATE INDEX CONCURRENTLY IF NOT EXISTS \(index.name) ON \(index.table) USING \(index.definition)",
      timeout: limit)
  }

  private enum Column: Int, AnswerColumn { case day, name, place, definition, isHalfBuilt }

  private static let missing = Statement(
    """
    \(OldPartitions.family(.day)),
    clock AS (SELECT coalesce($5::timestamptz, clock_timestamp()) AT TIME ZONE 'UTC' AS now)
    SELECT day.name AS day, format('%I', n.name) AS name, format('%I.%I', s.nspname, n.name) AS place, x.definition,
           i.indexrelid IS NOT NULL AS is_half_built
    FROM clock CROSS JOIN day JOIN pg_class d ON d.oid = day.oid JOIN pg_namespace s ON s.oid = d.relnamespace
    CROSS JOIN unnest($2::text[], $3::text[], $4::text[]) x(name, definition, days)
    CROSS JOIN LATERAL (SELECT day.relname || '_' || x.name AS name) n
    LEFT JOIN pg_class c ON c.relname = n.name AND c.relnamespace = d.relnamespace
    LEFT JOIN pg_index i ON i.indexrelid = c.oid
    WHERE day.attached AND i.indisvalid IS NOT TRUE
      AND CASE x.days WHEN 'open' THEN right(day.relname, 8) >= to_char(clock.now, 'YYYYMMDD')
          ELSE right(day.relname, 8) < to_char(clock.now - interval '15 minutes', 'YYYYMMDD') END
      AND right(day.relname, 8) >= to_char(clock.now + interval '1 day' - make_interval(secs => $6), 'YYYYMMDD')
      AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.relid = day.oid)
    ORDER BY day.relname DESC, n.name
    """, isReadOnly: true)
}
