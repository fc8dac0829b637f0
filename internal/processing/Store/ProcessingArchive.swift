public import Archive

/// How payments are archived: with their refunds and what the bank was asked about both, once all of them are final and
/// nothing is left to do about any: nothing waits to be published or for the saga, and no exception for a person.
///
/// A refund lies in the month of its payment, so that both are dropped together.
public enum ProcessingArchive {
  /// How long every archived payment has been final: the least that `PROCESSING_ARCHIVE_AFTER` may be, for the archive
  /// does not say what it was when a payment went there.
  public static let minimumAge = Duration.seconds(2 * 86_400)

  /// The archive of a schema.
  public static func plan(_ t: ProcessingTables) -> ArchivePlan {
    ArchivePlan(
      name: "processing", rows: "payments", live: t.payment, condition: "p.refund_of IS NULL",
      finished: "p.stage = 'done' AND p.updated_at < clock_timestamp() - $4::interval",
      archives: [
        ArchiveTable(t.paymentArchive, key: "id"), ArchiveTable(t.refundArchive, key: "refund_of"),
        ArchiveTable(t.attemptArchive, key: "filed_under"),
      ],
      move: """
        WITH family AS MATERIALIZED (
          SELECT u.id, u.id AS filed_under, true AS is_done FROM unnest($1::uuid[]) u(id)
          UNION ALL
          SELECT p.id, p.refund_of, p.stage = 'done' AND p.updated_at < clock_timestamp() - $2::interval
          FROM unnest($1::uuid[]) u(id) JOIN \(t.payment) p ON p.refund_of = u.id),
        ready AS MATERIALIZED (
          SELECT f.filed_under FROM family f GROUP BY f.filed_under HAVING bool_and(
            f.is_done
            AND NOT EXISTS (SELECT FROM \(t.settlement) s WHERE s.payment_id = f.id)
            AND NOT EXISTS (SELECT FROM \(t.exception) x WHERE x.payment_id = f.id AND x.closed_at IS NULL)
            AND NOT EXISTS (SELECT FROM \(t.eventWait) e WHERE e.key = f.id::text)
            AND NOT EXISTS (SELECT FROM \(t.eventDead) e WHERE e.key = f.id::text))),
        leaving AS MATERIALIZED (SELECT f.id, f.filed_under FROM family f JOIN ready r USING (filed_under)),
        gone AS (DELETE FROM \(t.payment) p USING leaving l WHERE p.id = l.id RETURNING p.*),
        gone_attempts AS (
          DELETE FROM \(t.attempt) a USING leaving l WHERE a.payment_id = l.id RETURNING l.filed_under, a.*),
        kept AS (INSERT INTO \(t.paymentArchive) SELECT * FROM gone WHERE refund_of IS NULL),
        kept_refunds AS (INSERT INTO \(t.refundArchive) SELECT * FROM gone WHERE refund_of IS NOT NULL),
        kept_attempts AS (INSERT INTO \(t.attemptArchive) SELECT * FROM gone_attempts)
        SELECT count(*) FROM gone WHERE refund_of IS NULL
        """,
      raiseFloor: """
        INSERT INTO \(t.archiveFloor) (below) VALUES ($1)
        ON CONFLICT (one) DO UPDATE SET below = excluded.below WHERE archive_floor.below < excluded.below
        """)
  }
}
