public import Postgres
public import ProcessingDomain
public import Values

/// Reads refunds, and what has none and should have one.
///
/// A value that any thread may use.
public struct RefundReader: Sendable {
  private let find: Statement
  private let list: Statement
  private let wanted: Statement
  private let close: Statement

  /// The most automatic refunds of a payment and cause that end as ERROR: another is tried after each but the last.
  private static let mostErrors = 5
  /// The most refunds that a payment can have: those of callers, and the automatic ones. Of these there is one of each
  /// cause, one more for each of a caller that was under way and was refused, and those that end as ERROR.
  private static let most = 2 * RefundTotal.maximum + RefundCause.allCases.count * (1 + mostErrors)

  /// Refunds in these tables.
  public init(_ t: ProcessingTables = ProcessingTables()) {
    find = Statement(
      "SELECT \(RefundRow.columns) FROM \(t.allRefund) p WHERE p.id = ANY ($1) AND p.refund_of IS NOT NULL",
      isReadOnly: true)
    list = Statement(
      """
      SELECT \(RefundRow.columns) FROM \(t.allRefund) p WHERE p.refund_of = $1 ORDER BY p.since, p.id
      LIMIT \(Self.most)
      """, isReadOnly: true)
    // Some of a payment may have been given back before, and more be left later, when a caller's refund was refused. An
    // automatic one that was refused is for a person; one that ended as ERROR was never made.
    wanted = Statement(
      """
      SELECT e.payment_id, e.kind,
             (SELECT count(*) FROM \(t.payment) r WHERE r.refund_of = p.id AND r.cause = e.kind) AS earlier
      FROM \(t.exception) e JOIN \(t.payment) p ON p.id = e.payment_id
      WHERE e.closed_at IS NULL AND e.kind = ANY ($1) AND p.refund_of IS NULL AND p.stage = 'done'
        AND CASE e.kind WHEN 'order_dead' THEN p.state = 'COMPLETED'
                        ELSE p.state <> 'COMPLETED' AND p.method <> 'balance' END
        AND NOT e.payment_id = ANY ($3)
        AND NOT EXISTS (SELECT FROM \(t.payment) r
                        WHERE r.refund_of = p.id AND r.cause = e.kind AND r.state NOT IN ('COMPLETED', 'ERROR'))
        AND (SELECT count(*) FROM \(t.payment) r
             WHERE r.refund_of = p.id AND r.cause = e.kind AND r.state = 'ERROR') < \(Self.mostErrors)
        AND p.amount > (SELECT coalesce(sum(r.amount), 0) FROM \(t.payment) r
                        WHERE r.refund_of = p.id AND r.state NOT IN ('REJECTED', 'ERROR'))
      ORDER BY e.opened_at LIMIT $2
      """, isReadOnly: true)
    close = Statement(
      """
      WITH settled AS (
            SELECT x.payment_id, x.kind,
                   'given back by refund '
                     || string_agg(r.id::text, ', ' ORDER BY r.since, r.id) FILTER (WHERE r.cause = x.kind) AS note
            FROM \(t.exception) x JOIN \(t.payment) p ON p.id = x.payment_id
              JOIN \(t.payment) r ON r.refund_of = p.id AND r.state = 'COMPLETED'
            WHERE x.closed_at IS NULL AND x.kind IN ('order_dead', 'charged_not_completed')
            GROUP BY x.payment_id, x.kind, p.amount
            HAVING sum(r.amount) >= p.amount AND bool_or(r.cause = x.kind)
            UNION ALL
            SELECT x.payment_id, x.kind, 'the payee had the money again'
            FROM \(t.exception) x JOIN \(t.payment) r ON r.id = x.payment_id
            WHERE x.closed_at IS NULL AND x.kind = 'refund_refused' AND (r.has_hold OR r.stage = 'done')),
      locked AS MATERIALIZED (
            SELECT e.payment_id, e.kind, s.note FROM \(t.exception) e JOIN settled s USING (payment_id, kind)
            WHERE e.closed_at IS NULL ORDER BY e.payment_id, e.kind FOR NO KEY UPDATE OF e)
      UPDATE \(t.exception) e SET closed_at = clock_timestamp(), closed_by = 'paysaga', note = l.note
      FROM locked l WHERE e.payment_id = l.payment_id AND e.kind = l.kind
      RETURNING e.payment_id
      """)
  }

  /// Those of these refunds that there are; one whose row cannot be read is an error of its own.
  public func find(
    _ ids: [UniqueID], on connection: Connection
  ) throws(DatabaseError) -> [UniqueID: Result<StoredRefund, DatabaseError>] {
    var found: [UniqueID: Result<StoredRefund, DatabaseError>] = [:]
    for row in try connection.run([Command(find, [.uuidArray(ids)]), ReplicationBarrier.command])[0] {
      let id = try PaymentRow.id(row)
      do throws(DatabaseError) {
        found[id] = .success(try RefundRow.decode(row))
      } catch  where error.code == .content {
        found[id] = .failure(error)
      }
    }
    return found
  }

  /// The refunds of a payment, oldest first.
  /// - Throws: `content` when one of them cannot be read.
  public func list(of payment: UniqueID, on connection: Connection) throws(DatabaseError) -> [StoredRefund] {
    try connection.run([Command(list, [.uuid(payment)]), ReplicationBarrier.command])[0].map {
      (row) throws(DatabaseError) in
      try RefundRow.decode(row)
    }
  }

  /// What should be given back and is not: by exceptions that are open, oldest first.
  /// - Parameters:
  ///   - causes: those that nobody asks for.
  ///   - excluded: payments to pass over.
  ///   - limit: the most.
  public func wanted(
    _ causes: Set<RefundCause>, except excluded: [UniqueID] = [], limit: Int, on connection: Connection
  ) throws(DatabaseError) -> [WantedRefund] {
    let command = Command(
      wanted, [.textArray(causes.map(\.rawValue).sorted()), .int64(Int64(limit)), .uuidArray(excluded)])
    return try connection.run(command).map { (row) throws(DatabaseError) in
      let kind = try row.text(WantedColumn.kind)
      guard let cause = RefundCause(rawValue: kind) else { throw .content("kind is \(kind)") }
      return WantedRefund(
        origin: RefundOrigin(of: try row.uuid(WantedColumn.paymentID), cause: cause),
        earlier: try row.int(WantedColumn.earlier))
    }
  }

  /// Closes the exceptions that refunds have settled, with a note.
  /// - Returns: how many.
  public func closeSettled(on connection: Connection) throws(DatabaseError) -> Int {
    try connection.run(Command(close)).count
  }

  private enum WantedColumn: Int, AnswerColumn { case paymentID, kind, earlier }
}

/// Money that should go back and that nobody asks for.
public struct WantedRefund: Sendable, Hashable {
  /// Of which payment, and why.
  public let origin: RefundOrigin
  /// How many refunds the payment has had for that reason: all of them COMPLETED or ERROR.
  public let earlier: Int
}
