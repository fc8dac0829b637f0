public import Database
internal import Errs
internal import Runtime

/// The care of the DONE partitions: one a UTC day, made ahead, dropped when it is older than the retention.
///
/// Nothing here makes writers wait: days are attached as plain tables with a matching CHECK, and detached CONCURRENTLY
/// before they are dropped (PostgreSQL 15, "Table Partitioning", section 5.11.2.2).
public enum OutboxPartitions {
  /// How many days are made ahead of today.
  public static let daysAhead = 7

  /// Makes today's partition and those of the days ahead where they are missing. Safe to run on several connections.
  public static func ensureDays(on connection: Connection) throws(DatabaseError) {
    let rows = try connection.run(Command(missingDays, [.int32(Int32(daysAhead))]))
    for index in 0..<rows.count {
      do throws(DatabaseError) {
        try connection.script(attachScript(table: rows[index].text(0), from: rows[index].text(1), to: rows[index].text(2)))
      } catch where alreadyThere.contains(error.sqlState ?? "") {
        // Another program made the same day at the same moment.
      }
    }
  }

  /// Drops the days that ended longer than `retention` ago.
  /// - Returns: the names of the dropped tables.
  public static func dropOldDays(retention: Duration, on connection: Connection) throws(DatabaseError) -> [String] {
    let pending = try connection.run(Command(pendingDetach))
    for index in 0..<pending.count {
      try connection.script("ALTER TABLE event_done DETACH PARTITION \(pending[index].text(0)) FINALIZE")
    }
    let rows = try connection.run(Command(oldDays, [.double(retention.inSeconds)]))
    var dropped: [String] = []
    for index in 0..<rows.count {
      let table = rows[index].text(0)
      if rows[index].bool(1) {
        try connection.script("ALTER TABLE event_done DETACH PARTITION \(table) CONCURRENTLY")
      }
      try connection.script("DROP TABLE \(table)")
      dropped.append(table)
    }
    return dropped
  }

  /// Forgets relays that have been gone for an hour.
  public static func forgetGoneRelays(on connection: Connection) throws(DatabaseError) {
    _ = try connection.run(Command(goneRelays))
  }

  /// Duplicate table, duplicate object, unique violation in the catalogue, and "would overlap partition".
  private static let alreadyThere: Set<String> = ["42P07", "42710", "23505", "42P17"]

  /// One message of the simple protocol: its statements are one transaction (PostgreSQL manual, section 55.2.2.1).
  private static func attachScript(table: String, from: String, to: String) -> String {
    """
    CREATE TABLE \(table) (LIKE event_done INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
      CONSTRAINT \(table)_day CHECK (status IS NOT NULL AND status = 'DONE' AND done_at IS NOT NULL
        AND done_at >= '\(from)' AND done_at < '\(to)'));
    ALTER TABLE event_done ATTACH PARTITION \(table) FOR VALUES FROM ('\(from)') TO ('\(to)')
    """
  }

  /// Days without a table, whether attached or left behind by a detach, as name, first moment, moment after the last.
  private static let missingDays = Statement(
    """
    SELECT name, to_char(day, 'YYYY-MM-DD"T"00:00:00"Z"'), to_char(day + interval '1 day', 'YYYY-MM-DD"T"00:00:00"Z"')
    FROM (SELECT date_trunc('day', clock_timestamp() AT TIME ZONE 'UTC') + make_interval(days => n) AS day
          FROM generate_series(0, $1::int) n) d
    CROSS JOIN LATERAL (SELECT 'event_done_' || to_char(day, 'YYYYMMDD') AS name) t
    WHERE to_regclass(name) IS NULL ORDER BY day
    """, isReadOnly: true)

  /// Day tables that ended before the retention, and whether they are still attached (a crash may come between).
  private static let oldDays = Statement(
    """
    SELECT c.relname::text, EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)
    FROM pg_class c
    WHERE c.relkind = 'r' AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'event_done'::regclass)
      AND c.relname ~ '^event_done_[0-9]{8}$'
      AND to_date(right(c.relname, 8), 'YYYYMMDD') + 1
          <= (clock_timestamp() - make_interval(secs => $1)) AT TIME ZONE 'UTC'
    ORDER BY c.relname
    """, isReadOnly: true)

  private static let pendingDetach = Statement(
    """
    SELECT i.inhrelid::regclass::text FROM pg_inherits i
    WHERE i.inhparent = 'event_done'::regclass AND i.inhdetachpending
    """, isReadOnly: true)

  private static let goneRelays = Statement(
    "DELETE FROM event_relay WHERE alive_to < clock_timestamp() - interval '1 hour'")
}
