internal import DirectDomain
internal import Money
internal import Postgres
internal import ProcessingDomain
internal import Values

/// The statements on refunds that open them.
struct RefundStatements: Sendable {
  private let findRefunds: Statement
  private let sumRefunds: Statement
  private let insertRefunds: Statement

  init(_ t: ProcessingTables) {
    findRefunds = Statement(
      "SELECT \(RefundRow.columns) FROM \(t.payment) p WHERE p.id = ANY ($1) AND p.refund_of IS NOT NULL",
      isReadOnly: true)
    sumRefunds = Statement(
      """
      SELECT refund_of, count(*) AS count,
             least(coalesce(sum(amount) FILTER (WHERE state NOT IN ('REJECTED', 'ERROR')), 0),
                   9223372036854775807)::bigint AS amount
      FROM \(t.payment) WHERE refund_of = ANY ($1) GROUP BY refund_of
      """, isReadOnly: true)
    insertRefunds = Statement(
      """
      INSERT INTO \(t.payment) (id, user_id, payee_id, method, amount, currency, debit, credit, since, state, version,
                                reason, stage, has_hold, inquiries, due, refund_of, cause, note, takes_rest,
                                requested_by)
      SELECT u.id, u.user_id, u.payee_id, u.method, u.amount, u.currency, u.debit, u.credit, u.since, u.state, u.version,
             u.reason, u.stage, u.has_hold, 0, u.due, u.refund_of, u.cause, u.note, u.takes_rest, u.requested_by
      FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::text[], $7::uuid[], $8::uuid[],
                  $9::timestamptz[], $10::text[], $11::bigint[], $12::text[], $13::text[], $14::boolean[],
                  $15::timestamptz[], $16::uuid[], $17::text[], $18::text[], $19::boolean[], $20::text[])
           AS u(id, user_id, payee_id, method, amount, currency, debit, credit, since, state, version, reason, stage,
                has_hold, due, refund_of, cause, note, takes_rest, requested_by)
      """)
  }

  /// These refunds, as far as they are there.
  func find(_ ids: [UniqueID]) -> Command { Command(findRefunds, [.uuidArray(ids)]) }

  /// What each of these payments has of refunds; those without any are not in the answer.
  func totals(of payments: [UniqueID]) -> Command { Command(sumRefunds, [.uuidArray(payments)]) }

  /// The answer to `totals`.
  static func totals(_ answer: Rows) throws(DatabaseError) -> [UniqueID: RefundTotal] {
    var totals: [UniqueID: RefundTotal] = [:]
    for row in answer {
      totals[try row.uuid(TotalColumn.refundOf)] = RefundTotal(
        count: try row.int(TotalColumn.count), amount: try row.int64(TotalColumn.amount))
    }
    return totals
  }

  func insert(_ refunds: [StoredRefund]) -> Command {
    let payments = refunds.map(\.stored.payment)
    return Command(
      insertRefunds,
      [
        .uuidArray(payments.map(\.id)), .uuidArray(refunds.map(\.stored.userID)),
        .uuidArray(refunds.map(\.stored.payeeID)), .textArray(payments.map(\.method.rawValue)),
        .int64Array(payments.map(\.amount.minorUnits)), .textArray(payments.map(\.amount.currency.code)),
        .uuidArray(payments.map(\.debit)), .uuidArray(payments.map(\.credit)), .timestampArray(payments.map(\.since)),
        .textArray(payments.map(\.state.rawValue)), .int64Array(payments.map(\.version)),
        .optionalTextArray(payments.map { $0.reason?.rawValue }),
        .textArray(payments.map { PaymentRow.name(of: $0.stage) }),
        .boolArray(payments.map(\.hasHold)), .optionalTimestampArray(payments.map(\.due)),
        .optionalUUIDArray(payments.map(\.refundOf)), .optionalTextArray(payments.map { $0.refund?.cause.rawValue }),
        .optionalTextArray(refunds.map(\.note)), .boolArray(refunds.map(\.takesRest)),
        .optionalTextArray(payments.map(\.requester)),
      ])
  }

  private enum TotalColumn: Int, AnswerColumn { case refundOf, count, amount }
}
