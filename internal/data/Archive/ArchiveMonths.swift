internal import Postgres
internal import Values

/// A table with a partition a month.
public struct ArchiveTable: Sendable, Hashable {
  /// The table as statements name it, partitioned by range of `key`.
  public let name: String
  /// The column that has the UUIDs of version 7.
  public let key: String

  /// A table of an archive.
  public init(_ name: String, key: String) {
    self.name = name
    self.key = key
  }
}

/// A month of archives.
struct ArchiveMonth: Sendable, Hashable {
  /// `YYYYMM`.
  let name: String
  /// The lowest id of the month.
  let first: UniqueID
  /// The lowest id after it.
  let end: UniqueID
}

/// The partitions of archives: tables that are partitioned by ranges of UUIDs of version 7, a UTC month each. A month's
/// table is named after its parent and the month, `parent_YYYYMM`, and lies in its parent's schema.
public struct ArchiveMonths: Sendable {
  private let tables: [ArchiveTable]

  init(_ tables: [ArchiveTable]) { self.tables = tables }

  /// Makes a month where it is missing. Nobody waits for that: a plain table is attached, which keeps out only other
  /// changes of the same kind.
  func make(_ month: ArchiveMonth, on connection: Connection) throws(DatabaseError) {
    let names = Parameter.textArray(tables.map(\.name))
    for row in try connection.run(Command(Self.missing, [names, .text(month.name)])) {
      let (parent, table) = (try row.text(MissingColumn.parent), try row.text(MissingColumn.month))
      let (mark, key) = (try row.text(MissingColumn.mark), tables[try row.int(MissingColumn.place) - 1].key)
      do throws(DatabaseError) {
        // The CHECK says whose it is once it is detached.
        try connection.script(
          """
          CREATE TABLE \(table) (LIKE \(parent) INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
            CONSTRAINT \(mark) CHECK (\(key) >= '\(month.first)' AND \(key) < '\(month.end)'));
          ALTER TABLE \(parent) ATTACH PARTITION \(table) FOR VALUES FROM ('\(month.first)') TO ('\(month.end)')
          """)
      } catch  where Self.alreadyThere.contains(error.sqlState ?? "") {
        // Another program has made it at the same moment.
      }
    }
  }

  /// Drops the months that ended at least `retention` ago. Needs a session of its own, so not through PgBouncer.
  /// - Parameter now: the database's clock when nil.
  func drop(
    olderThan retention: Duration, now: Timestamp? = nil, on connection: Connection
  ) throws(DatabaseError) -> [OldPartitions.Dropped] {
    try tables.map { (table) throws(DatabaseError) in
      try OldPartitions(table: table.name, .month).drop(olderThan: retention, now: now, on: connection)
    }
  }

  private enum MissingColumn: Int, AnswerColumn { case parent, month, mark, place }

  private static let missing = Statement(
    """
    SELECT format('%I.%I', n.nspname, c.relname) AS parent,
           format('%I.%I', n.nspname, c.relname || '_' || $2::text) AS month,
           quote_ident(c.relname || '_' || $2::text || '_month') AS mark, t.place
    FROM unnest($1::text[]) WITH ORDINALITY t(name, place)
    JOIN pg_class c ON c.oid = t.name::regclass JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT EXISTS (
      SELECT FROM pg_inherits i JOIN pg_class m ON m.oid = i.inhrelid
      WHERE i.inhparent = c.oid AND m.relname = c.relname || '_' || $2::text)
    ORDER BY t.place
    """, isReadOnly: true)

  /// Duplicate table, duplicate object, unique violation in the catalogue, and "would overlap partition".
  private static let alreadyThere: Set<String> = ["42P07", "42710", "23505", "42P17"]
}
