public import Archive

/// How payments of the gateway are archived: with every state that they have had, once they are final and nothing of
/// them waits to be published.
public enum GatewayArchive {
  /// The archive of a schema.
  public static func plan(_ t: GatewayTables) -> ArchivePlan {
    ArchivePlan(
      name: "gateway", rows: "payments", live: t.payment, archives: [t.paymentArchive, t.paymentStateArchive],
      move: """
        WITH page AS MATERIALIZED (
          SELECT p.id FROM \(t.payment) p WHERE p.id > $1 AND p.id < $2 ORDER BY p.id LIMIT $3),
        ready AS MATERIALIZED (
          SELECT p.id FROM page g JOIN \(t.payment) p ON p.id = g.id
          WHERE p.state IN ('COMPLETED', 'REJECTED', 'ERROR') AND p.since < clock_timestamp() - $4::interval
            AND NOT EXISTS (SELECT FROM \(t.cardWaiting) w WHERE w.payment_id = p.id)
            AND NOT EXISTS (SELECT FROM \(t.eventWait) e WHERE e.key = p.id::text)
            AND NOT EXISTS (SELECT FROM \(t.eventDead) e WHERE e.key = p.id::text)
          FOR UPDATE OF p SKIP LOCKED),
        gone AS (DELETE FROM \(t.payment) p USING ready r WHERE p.id = r.id RETURNING p.*),
        gone_states AS (DELETE FROM \(t.paymentState) s USING ready r WHERE s.payment_id = r.id RETURNING s.*),
        kept AS (INSERT INTO \(t.paymentArchive) SELECT * FROM gone),
        kept_states AS (INSERT INTO \(t.paymentStateArchive) SELECT * FROM gone_states)
        SELECT (SELECT count(*) FROM gone) AS moved, (SELECT count(*) FROM page) AS seen,
               (SELECT g.id FROM page g ORDER BY g.id DESC LIMIT 1) AS last
        """)
  }
}
