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
  private let findAnywhere: Statement
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
    // Live ones, too, with one snapshot: what moves meanwhile is seen in one place or the other.
    findAnywhere = Statement("SELECT id FROM \(t.allPayment) WHERE id = ANY ($1)", isReadOnly: true)
    // By ascending id; refunds are under the lock of their payment.
    lock = Statement(
      """
      SELECT a.id FROM \(t.paymentArchive) a
      WHERE a.id = ANY ($1) OR a.id = ANY (ARRAY(SELECT r.refund_of FROM \(t.refundArchive) r WHERE r.id = ANY ($1)))
      ORDER BY a.id FOR UPDATE
      """)
    // Inserts by ascending id, as claims do: who inserts a row waits for whoever has inserted the same one.
    restore = Statement(
      """
      WITH payments AS (DELETE FROM \(t.paymentArchive) a WHERE a.id = ANY ($1) RETURNING a.*),
      refunds AS (DELETE FROM \(t.refundArchive) a WHERE a.refund_of = ANY ($1) RETURNING a.*),
      attempts AS (DELETE FROM \(t.attemptArchive) a WHERE a.filed_under = ANY ($1) RETURNING a.*),
      live AS (
        INSERT INTO \(t.payment)
        SELECT * FROM (SELECT * FROM payments UNION ALL SELECT * FROM refunds) p ORDER BY p.id)
      INSERT INTO \(t.attempt) (\(Self.attemptColumns)) SELECT \(Self.attemptColumns) FROM attempts
      """)
  }

  private static let attemptColumns = "payment_id, asked_at, call, answered_at, answer, detail, card_token"

  /// Finds payments, not refunds; the answer is what `PaymentRow` reads.
  func find(_ ids: [UniqueID]) -> Command { Command(find, [.uuidArray(ids)]) }

  /// Finds refunds by their own ids.
  func findRefunds(_ ids: [UniqueID]) -> Command { Command(findRefunds, [.uuidArray(ids)]) }

  /// Below which id payments have been dropped; no row when none have.
  var floorID: Command { Command(floor) }

  /// Those of these payments and refunds that there are, archived or live; the answer has their ids.
  func findAnywhere(_ ids: [UniqueID]) -> Command { Command(findAnywhere, [.uuidArray(ids)]) }

  /// Locks the archived ones of these payments, also those whose refunds are named; the answer has their ids.
  func lock(_ ids: [UniqueID]) -> Command { Command(lock, [.uuidArray(ids)]) }

  /// Makes payments live again, each with all its refunds and what the bank was asked about both. They are locked.
  func restore(_ ids: [UniqueID]) -> Command { Command(restore, [.uuidArray(ids)]) }
}
