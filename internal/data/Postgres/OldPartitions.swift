public import Values

/// The partitions of a table that are old enough to be dropped: each is named after its parent and its UTC day or
/// month.
///
/// A partition is detached CONCURRENTLY before it is dropped, so that nobody waits for that (PostgreSQL 15, "Table
/// Partitioning", section 5.11.2.2). One that a crash has left detached is known by its CHECK, whose name is its own
/// with `_day` or `_month` behind.
public struct OldPartitions: Sendable {
  /// How much time a partition has.
  public enum Span: Sendable {
    /// `parent_YYYYMMDD`.
    case day
    /// `parent_YYYYMM`.
    case month

    fileprivate var format: String { self == .day ? "YYYYMMDD" : "YYYYMM" }
    fileprivate var mark: String { self == .day ? "_day" : "_month" }
  }

  /// A partition that could not be cared for.
  public struct Trouble: Sendable {
    /// The name of the partition.
    public let table: String
    /// Why nothing was done with it.
    public let error: DatabaseError
    /// Who holds what was waited for, where that is known.
    public let holder: String?
  }

  /// What dropping old partitions came to.
  public struct Dropped: Sendable {
    /// The tables that were dropped.
    public fileprivate(set) var tables: [String] = []
    /// The tables that stay until the next time.
    public fileprivate(set) var troubles: [Trouble] = []
  }

  private let table: String
  private let span: Span

  /// - Parameter table: partitioned by range, without a default partition.
  public init(table: String, _ span: Span) {
    self.table = table
    self.span = span
  }

  /// Drops those that ended at least `retention` ago. Needs a session of its own, so not through PgBouncer.
  /// - Parameter now: the database's clock when nil.
  public func drop(
    olderThan retention: Duration, now: Timestamp? = nil, on connection: Connection
  ) throws(DatabaseError) -> Dropped {
    var dropped = Dropped()
    var mayDetach = true
    for row in try connection.run(Command(Self.pendingDetach(span), [.text(table)])) {
      let (parent, day) = (try row.text(PendingColumn.parent), try row.text(PendingColumn.day))
      let trouble = try attempt(day, "ALTER TABLE \(parent) DETACH PARTITION \(day) FINALIZE", on: connection)
      if let trouble {
        if Self.isGone(trouble) { continue }
        // Of one parent only one detach may be pending.
        mayDetach = false
        dropped.troubles.append(trouble)
      }
    }
    let rows = try connection.run(
      Command(Self.old(span), [.text(table), .double(retention.inSeconds), .timestampOrNull(now)]))
    for row in rows {
      let (parent, day) = (try row.text(OldColumn.parent), try row.text(OldColumn.day))
      if try row.bool(OldColumn.attached) {
        guard mayDetach else { continue }
        let trouble = try attempt(day, "ALTER TABLE \(parent) DETACH PARTITION \(day) CONCURRENTLY", on: connection)
        if let trouble {
          // Another program has detached it at the same moment, and drops it.
          if Self.isGone(trouble) { continue }
          mayDetach = false
          dropped.troubles.append(trouble)
          continue
        }
      }
      guard let trouble = try attempt(day, "DROP TABLE \(day)", on: connection) else {
        dropped.tables.append(try row.text(OldColumn.name))
        continue
      }
      if !Self.isGone(trouble) { dropped.troubles.append(trouble) }
    }
    return dropped
  }

  private func attempt(
    _ day: String, _ script: String, on connection: Connection
  ) throws(DatabaseError) -> Trouble? {
    try Self.attempt(day, of: table, on: connection) { () throws(DatabaseError) in try connection.script(script) }
  }

  /// - Returns: what the server refused; nil when it was done.
  /// - Throws: whatever ends the connection.
  static func attempt(
    _ day: String, of table: String, on connection: Connection, _ body: () throws(DatabaseError) -> Void
  ) throws(DatabaseError) -> Trouble? {
    do throws(DatabaseError) {
      try body()
      return nil
    } catch  where error.code == .server && connection.isUsable {
      let isWait = error.isLockTimeout || error.isCancelled
      return Trouble(table: day, error: error, holder: isWait ? try holder(of: day, table, on: connection) : nil)
    }
  }

  /// The oldest transaction that holds a lock on the partition or its parent.
  private static func holder(of day: String, _ table: String, on connection: Connection) throws(DatabaseError)
    -> String?
  {
    try connection.run(Command(lockHolder, [.text(table), .text(day)])).first?.text(0)
  }

  /// The partition, or its place under the parent, is no longer there.
  static func isGone(_ trouble: Trouble) -> Bool { trouble.error.sqlState == "42P01" }

  /// The parent `$1` as statements find it, and its partitions by name: attached ones wherever they lie, others in its
  /// schema.
  static func family(_ span: Span) -> String {
    """
    WITH parent AS (
      SELECT c.oid, c.relname, n.nspname, c.relnamespace, format('%I.%I', n.nspname, c.relname) AS name
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1::text::regclass),
    day AS (
      SELECT c.oid, c.relname, format('%I.%I', n.nspname, c.relname) AS name, i.inhrelid IS NOT NULL AS attached
      FROM parent p JOIN pg_class c ON c.relname ~ ('^' || p.relname || '_[0-9]{\(span.format.count)}$')
      JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = p.oid
      WHERE c.relkind = 'r' AND (i.inhrelid IS NOT NULL OR c.relnamespace = p.relnamespace))
    """
  }

  private enum OldColumn: Int, AnswerColumn { case parent, day, attached, name }

  private static func old(_ span: Span) -> Statement { span == .day ? oldDays : oldMonths }
  private static let oldDays = makeOld(.day)
  private static let oldMonths = makeOld(.month)

  /// Partitions of ours that ended before the retention, and whether they are still attached: a crash may come between.
  private static func makeOld(_ span: Span) -> Statement {
    Statement(
      """
      \(family(span))
      SELECT p.name AS parent, day.name AS day, day.attached, day.relname::text AS name FROM parent p CROSS JOIN day
      WHERE right(day.relname, \(span.format.count)) < to_char(
              (coalesce($3::timestamptz, clock_timestamp()) - make_interval(secs => $2)) AT TIME ZONE 'UTC',
              '\(span.format)')
        AND (day.attached OR EXISTS (
               SELECT FROM pg_constraint k WHERE k.conrelid = day.oid AND k.conname = day.relname || '\(span.mark)'))
      ORDER BY day.relname
      """, isReadOnly: true)
  }

  private enum PendingColumn: Int, AnswerColumn { case parent, day }

  private static func pendingDetach(_ span: Span) -> Statement { span == .day ? pendingDays : pendingMonths }
  private static let pendingDays = makePendingDetach(.day)
  private static let pendingMonths = makePendingDetach(.month)

  private static func makePendingDetach(_ span: Span) -> Statement {
    Statement(
      """
      \(family(span))
      SELECT p.name AS parent, day.name AS day
      FROM parent p JOIN pg_inherits i ON i.inhparent = p.oid JOIN day ON day.oid = i.inhrelid
      WHERE i.inhdetachpending
      """, isReadOnly: true)
  }

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
