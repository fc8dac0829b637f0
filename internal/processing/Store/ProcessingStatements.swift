internal import DirectDomain
internal import Money
internal import Postgres
internal import ProcessingDomain
internal import Tracing
internal import Values

/// The statements on payments and what belongs to them.
struct ProcessingStatements: Sendable {
  private let insertPayments: Statement
  private let insertEnded: Statement
  private let lockPayments: Statement
  private let findPayment: Statement
  private let deletePayments: Statement
  private let findDue: Statement
  private let updatePayments: Statement
  private let deleteDue: Statement
  private let insertDue: Statement
  private let deleteClaims: Statement
  private let insertClaims: Statement
  private let insertAttempts: Statement
  private let answerAttempts: Statement
  private let insertStated: Statement
  private let insertExceptions: Statement
  private let insertSettlements: Statement
  private let postponeDue: Statement
  private let countOpen: Statement

  init(_ t: ProcessingTables) {
    insertPayments = Statement(
      """
      INSERT INTO \(t.payment) (id, user_id, payee_id, method, source, amount, currency, debit, credit, order_id,
                                traceparent, since, state, version, stage, claim_owner, claim_epoch, has_hold, inquiries)
      SELECT u.*, clock_timestamp(), 'PROCESSING', 2, 'claimed', $12, $13, false, 0
      FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::uuid[],
                  $9::uuid[], $10::bigint[], $11::text[]) u
      ON CONFLICT DO NOTHING RETURNING id
      """)
    insertEnded = Statement(
      """
      INSERT INTO \(t.payment) (id, user_id, payee_id, method, source, amount, currency, debit, credit, order_id,
                                traceparent, state, reason, requested_by, since, version, stage, has_hold,
                                inquiries)
      SELECT u.*, clock_timestamp(), 2, 'done', false, 0
      FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::uuid[],
                  $9::uuid[], $10::bigint[], $11::text[], $12::text[], $13::text[], $14::text[]) u
      ON CONFLICT DO NOTHING RETURNING id
      """)
    lockPayments = Statement(
      "SELECT \(PaymentRow.columns) FROM \(t.payment) p WHERE p.id = ANY ($1) ORDER BY p.id FOR NO KEY UPDATE")
    findPayment = Statement("SELECT \(PaymentRow.columns) FROM \(t.payment) p WHERE p.id = $1", isReadOnly: true)
    deletePayments = Statement("DELETE FROM \(t.payment) WHERE id = ANY ($1)")
    findDue = Statement(
      "SELECT payment_id FROM \(t.due) WHERE chore = $1 AND at <= clock_timestamp() ORDER BY at LIMIT $2",
      isReadOnly: true)
    updatePayments = Statement(
      """
      UPDATE \(t.payment) p SET (\(PaymentRow.changed)) =
        (u.state, u.version, u.reason, u.stage, u.asked_at, u.claim_owner, u.claim_epoch, u.has_hold, u.inquiries, u.due,
         u.reviewer, u.requested_by),
        updated_at = clock_timestamp()
      FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[], $7::uuid[],
                  $8::bigint[], $9::boolean[], $10::integer[], $11::timestamptz[], $12::text[], $13::text[])
        AS u(id, \(PaymentRow.changed))
      WHERE p.id = u.id
      """)
    deleteDue = Statement("DELETE FROM \(t.due) WHERE payment_id = ANY ($1)")
    insertDue = Statement(
      "INSERT INTO \(t.due) (payment_id, chore, at) SELECT * FROM unnest($1::uuid[], $2::text[], $3::timestamptz[])")
    deleteClaims = Statement("DELETE FROM \(t.claim) WHERE payment_id = ANY ($1)")
    insertClaims = Statement("INSERT INTO \(t.claim) (payment_id, owner) SELECT * FROM unnest($1::uuid[], $2::uuid[])")
    insertAttempts = Statement(
      """
      INSERT INTO \(t.attempt) (payment_id, asked_at, call)
      SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::text[])
      """)
    answerAttempts = Statement(
      """
      UPDATE \(t.attempt) a SET answered_at = clock_timestamp(), answer = u.answer, detail = u.detail,
             card_token = u.card_token
      FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[])
           AS u(payment_id, asked_at, answer, detail, card_token)
      WHERE a.payment_id = u.payment_id AND a.asked_at = u.asked_at AND a.answered_at IS NULL
      """)
    insertStated = Statement(
      """
      INSERT INTO \(t.attempt) (payment_id, asked_at, call, answered_at, answer, detail)
      SELECT u.payment_id, u.at, 'statement', u.at, u.answer, u.detail
      FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[]) AS u(payment_id, at, answer, detail)
      WHERE NOT EXISTS (SELECT FROM \(t.attempt) a WHERE a.payment_id = u.payment_id AND a.call = 'statement'
                        AND a.answer = u.answer AND a.detail = u.detail)
      """)
    insertExceptions = Statement(
      """
      INSERT INTO \(t.exception) (payment_id, kind) SELECT * FROM unnest($1::uuid[], $2::text[])
      ON CONFLICT (payment_id, kind) DO UPDATE SET opened_at = clock_timestamp(), closed_at = NULL
      WHERE \(t.exception).closed_at IS NOT NULL
      """)
    insertSettlements = Statement(
      """
      INSERT INTO \(t.settlement) (payment_id, order_id) SELECT * FROM unnest($1::uuid[], $2::bigint[])
      ON CONFLICT DO NOTHING
      """)
    // Without the locks of the payments: what somebody else is at is passed over, so that nobody waits in a circle.
    postponeDue = Statement(
      """
      UPDATE \(t.due) SET at = clock_timestamp() + interval '1 minute'
      WHERE payment_id = ANY (ARRAY(
        SELECT payment_id FROM \(t.due) WHERE payment_id = ANY ($1) AND at <= clock_timestamp()
        FOR UPDATE SKIP LOCKED))
      """)
    countOpen = OpenCounts.statement(t)
  }

  /// Inserts payments by ascending id; the answer has the ids of those that were not there.
  /// - Parameter traces: those of their requests.
  func insert(_ payments: [NewPayment], by claim: Claim, _ traces: TraceBook) -> Command {
    Command(insertPayments, Self.columns(payments, traces) + [.uuid(claim.owner), .int64(claim.epoch)])
  }

  private static func columns(_ payments: [NewPayment], _ traces: TraceBook) -> [Parameter] {
    [
      .uuidArray(payments.map(\.id)), .uuidArray(payments.map(\.userID)), .uuidArray(payments.map(\.payeeID)),
      .textArray(payments.map(\.method.rawValue)), .optionalTextArray(payments.map(\.source)),
      .int64Array(payments.map(\.amount.minorUnits)), .textArray(payments.map(\.amount.currency.code)),
      .uuidArray(payments.map(\.debit)), .uuidArray(payments.map(\.credit)),
      .optionalInt64Array(payments.map(\.orderID)),
      .optionalTextArray(payments.map { traces.trace(of: $0.id)?.traceparent }),
    ]
  }

  /// Inserts payments by ascending id in the state in which they end; the answer has the ids of those that were not
  /// there.
  /// - Parameter traces: those of their requests.
  func insert(_ ended: [UnclaimedPayment], _ traces: TraceBook) -> Command {
    Command(
      insertEnded,
      Self.columns(ended.map(\.payment), traces) + [
        .textArray(ended.map(\.end.state.rawValue)), .textArray(ended.map(\.end.reason.rawValue)),
        .optionalTextArray(ended.map(\.requester)),
      ])
  }

  /// Counts what is open.
  var counts: Command { Command(countOpen) }

  /// Looks at due payments again in a minute, unless somebody else has seen to them.
  func postpone(_ ids: Set<UniqueID>) -> Command { Command(postponeDue, [.uuidArray(ids.sorted())]) }

  func lock(_ ids: [UniqueID]) -> Command { Command(lockPayments, [.uuidArray(ids)]) }

  func find(_ id: UniqueID) -> Command { Command(findPayment, [.uuid(id)]) }

  /// Takes back what this transaction has inserted.
  func delete(_ ids: [UniqueID]) -> Command { Command(deletePayments, [.uuidArray(ids)]) }

  func due(_ chore: ProcessedPayment.Chore, limit: Int) -> Command {
    Command(findDue, [.text(chore.rawValue), .int64(Int64(limit))])
  }

  /// Writes what the steps have changed.
  func writes(_ work: StepWork) -> [Command] {
    var commands: [Command] = []
    let changed = work.changed
    if !changed.isEmpty {
      commands.append(Command(updatePayments, [.uuidArray(changed.map(\.id))] + PaymentRow.changes(changed)))
    }
    let touched = work.touched
    let planned = touched.filter { payment in
      let before = work.before(payment.id)
      return payment.due != before?.due || payment.chore != before?.chore
    }
    let unplanned = planned.filter { work.before($0.id)?.due != nil }
    if !unplanned.isEmpty { commands.append(Command(deleteDue, [.uuidArray(unplanned.map(\.id))])) }
    commands += plan(planned)
    let claimed = touched.filter { $0.claim?.owner != work.before($0.id)?.claim?.owner }
    let freed = claimed.filter { work.before($0.id)?.claim != nil }
    if !freed.isEmpty { commands.append(Command(deleteClaims, [.uuidArray(freed.map(\.id))])) }
    let claims = claimed.compactMap { payment in payment.claim.map { (payment.id, $0.owner) } }
    if !claims.isEmpty {
      commands.append(Command(insertClaims, [.uuidArray(claims.map(\.0)), .uuidArray(claims.map(\.1))]))
    }
    return commands + attempts(work)
  }

  /// Inserts the rows of what is due of payments that have none.
  func plan(_ payments: [ProcessedPayment]) -> [Command] {
    let dues = payments.compactMap { payment -> (id: UniqueID, chore: ProcessedPayment.Chore, at: Timestamp)? in
      guard let chore = payment.chore, let due = payment.due else { return nil }
      return (payment.id, chore, due)
    }
    guard !dues.isEmpty else { return [] }
    return [
      Command(
        insertDue,
        [.uuidArray(dues.map(\.id)), .textArray(dues.map(\.chore.rawValue)), .timestampArray(dues.map(\.at))])
    ]
  }

  /// Opens exceptions that are not open.
  func open(_ exceptions: Set<FoundException>) -> [Command] {
    guard !exceptions.isEmpty else { return [] }
    let exceptions = exceptions.sorted { ($0.paymentID, $0.kind.rawValue) < ($1.paymentID, $1.kind.rawValue) }
    return [
      Command(
        insertExceptions, [.uuidArray(exceptions.map(\.paymentID)), .textArray(exceptions.map(\.kind.rawValue))])
    ]
  }

  private func attempts(_ work: StepWork) -> [Command] {
    var commands: [Command] = []
    if !work.attempts.isEmpty {
      commands.append(
        Command(
          insertAttempts,
          [
            .uuidArray(work.attempts.map(\.paymentID)), .timestampArray(work.attempts.map(\.askedAt)),
            .textArray(work.attempts.map(\.call.rawValue)),
          ]))
    }
    if !work.answers.isEmpty {
      commands.append(
        Command(
          answerAttempts,
          [
            .uuidArray(work.answers.map(\.paymentID)), .timestampArray(work.answers.map(\.answer.askedAt)),
            .textArray(work.answers.map(\.answer.answer.rawValue)), .textArray(work.answers.map(\.answer.detail)),
            .optionalTextArray(work.answers.map(\.answer.token)),
          ]))
    }
    if !work.statements.isEmpty {
      commands.append(
        Command(
          insertStated,
          [
            .uuidArray(work.statements.map(\.paymentID)), .timestampArray(work.statements.map(\.at)),
            .textArray(work.statements.map(\.answer.answer.rawValue)), .textArray(work.statements.map(\.answer.detail)),
          ]))
    }
    commands += open(work.exceptions)
    let paid = work.paidOrders
    if !paid.isEmpty {
      commands.append(
        Command(insertSettlements, [.uuidArray(paid.map(\.paymentID)), .int64Array(paid.map(\.orderID))]))
    }
    return commands
  }
}
