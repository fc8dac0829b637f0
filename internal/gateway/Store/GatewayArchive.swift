public import Archive

/// How payments of the gateway are archived: with every state that they have had, once they are final and nothing of
/// them waits to be published.
public enum GatewayArchive {
  /// The archive of a schema.
  public static func plan(_ t: GatewayTables) -> ArchivePlan {
    ArchivePlan(
      name: "gateway", rows: "payments", live: t.payment,
      finished: "p.state IN ('COMPLETED', 'REJECTED', 'ERROR') AND p.since < clock_timestamp() - $4::interval",
      archives: [ArchiveTable(t.paymentArchive, key: "id"), ArchiveTable(t.paymentStateArchive, key: "payment_id")],
      move: """
        WITH ready AS MATERIALIZED (
          SELECT u.id FROM unnest($1::uuid[]) u(id)
          WHERE NOT EXISTS (SELECT FROM \(t.cardWaiting) w WHERE w.payment_id = u.id)
            AND NOT EXISTS (SELECT FROM \(t.eventWait) e WHERE e.key = u.id::text)
            AND NOT EXISTS (SELECT FROM \(t.eventDead) e WHERE e.key = u.id::text)),
        gone AS (DELETE FROM \(t.payment) p USING ready r WHERE p.id = r.id RETURNING p.*),
        gone_states AS (DELETE FROM \(t.paymentState) s USING ready r WHERE s.payment_id = r.id RETURNING s.*),
        kept AS (INSERT INTO \(t.paymentArchive) SELECT * FROM gone),
        kept_states AS (INSERT INTO \(t.paymentStateArchive) SELECT * FROM gone_states)
        SELECT count(*) FROM gone
        """)
  }
}
