internal import Postgres
internal import Values

/// The statements on archived payments.
///
/// Each is run after the one that has locked, or inserted, live rows: whoever waited there for the mover has a snapshot
/// from before, and sees in a statement of its own what the mover has written.
struct ArchiveStatements: Sendable {
  private let find: Statement
  private let findRefunds: Statement
  private let floor: Statement
  private let lock: Statement
  private let restore: Statement

  init(_ t: ProcessingTables) {
    // One id at a time, so that each is looked for in its month alone (PostgreSQL 15, section 5.11.4).
    find = Statement(
      """
      SELECT \(PaymentRow.columns) FROM unnest($1::uuid[]) u(id)
      CROSS JOIN LATERAL (SELECT * FROM \(t.paymentArchive) a WHERE a.id = u.id OFFSET 0) p
      """, isReadOnly: true)
    findRefunds = Statement(
      "SELECT \(PaymentRow.columns) FROM \(t.refundArchive) p WHERE p.id = ANY ($1)", isReadOnly: true)
    floor = Statement("SELECT below FROM \(t.archiveFloor)", isReadOnly: true)
    // By ascending id, as live payments are locked; refunds are under the lock of their payment.
    lock = Statement(
      """
      SELECT a.id FROM \(t.paymentArchive) a
      WHERE a.id = ANY ($1) OR a.id = ANY (ARRAY(SELECT r.refund_of FROM \(t.refundArchive) r WHERE r.id = ANY ($1)))
      ORDER BY a.id FOR UPDATE
      """)
    restore = Statement(
      """
      WITH payments AS (DELETE FROM \(t.paymentArchive) a WHERE a.id = ANY ($1) RETURNING a.*),
      refunds AS (DELETE FROM \(t.refundArchive) a WHERE a.refund_of = ANY ($1) RETURNING a.*)
      INSERT INTO \(t.payment) SELECT * FROM payments UNION ALL SELECT * FROM refunds
      """)
  }

  /// Finds payments, not refunds; the answer is what `PaymentRow` reads.
  func find(_ ids: [UniqueID]) -> Command { Command(find, [.uuidArray(ids)]) }

  /// Finds refunds by their own ids.
  func findRefunds(_ ids: [UniqueID]) -> Command { Command(findRefunds, [.uuidArray(ids)]) }

  /// Below which id payments have been dropped; no row when none have.
  var floorID: Command { Command(floor) }

  /// Locks the payments, also those whose refunds are named; the answer has their ids.
  func lock(_ ids: [UniqueID]) -> Command { Command(lock, [.uuidArray(ids)]) }

  /// Makes payments live again, each with all its refunds. They are locked.
  func restore(_ ids: [UniqueID]) -> Command { Command(restore, [.uuidArray(ids)]) }
}
