internal import Postgres
internal import Values

/// Figures of an outbox and its database that the metrics need and people ask for less often: one round trip over the
/// shards, the relays and the server's own statistics, none of which grows with the events.
struct OutboxFigures: Sendable, Hashable {
  /// Shards without a lease in force.
  let unleasedShards: Int
  /// Until the first of the leases ends; negative for how long it has been over; nil when no shard has an owner.
  let firstLeaseEnd: Double?
  /// Relays that say they live.
  let liveRelays: Int
  /// Versions of rows that wait for VACUUM, in the table of waiting events.
  let deadRows: Int
  /// Age of the oldest snapshot that keeps VACUUM from removing them, as far as the session's role may see; 0 without.
  let oldestSnapshot: Double

  private enum Column: Int, AnswerColumn {
    case unleasedShards, firstLeaseEnd, liveRelays, deadRows, oldestSnapshot
  }

  /// - Parameter t: the outbox.
  static func statement(_ t: OutboxTables) -> Statement {
    Statement(
      """
      SELECT (SELECT count(*) FROM \(t.shard) WHERE owner IS NULL OR reserved_to <= clock_timestamp()) AS unleased_shards,
             (SELECT extract(epoch FROM min(reserved_to) - clock_timestamp())::float8 FROM \(t.shard)
              WHERE owner IS NOT NULL AND isfinite(reserved_to)) AS first_lease_end,
             (SELECT count(*) FROM \(t.relay) WHERE alive_to > clock_timestamp()) AS live_relays,
             (SELECT coalesce(max(n_dead_tup), 0) FROM pg_stat_all_tables
              WHERE relid = \(t.waitLiteral)::regclass) AS dead_rows,
             (SELECT coalesce(extract(epoch FROM clock_timestamp() - min(xact_start)), 0)::float8
              FROM pg_stat_activity
              WHERE backend_xmin IS NOT NULL AND backend_type = 'client backend' AND pid <> pg_backend_pid()
                AND datname = current_database()) AS oldest_snapshot
      """, isReadOnly: true)
  }

}

extension OutboxFigures {
  /// - Parameter row: the answer of `statement`.
  init(_ row: Row) throws(DatabaseError) {
    self.init(
      unleasedShards: try row.int(Column.unleasedShards),
      firstLeaseEnd: try row.optionalDouble(Column.firstLeaseEnd), liveRelays: try row.int(Column.liveRelays),
      deadRows: try row.int(Column.deadRows), oldestSnapshot: max(0, try row.double(Column.oldestSnapshot)))
  }
}
