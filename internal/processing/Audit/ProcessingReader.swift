internal import LedgerDomain
internal import Postgres
internal import Values

/// Reads payments page by page, each page with all that belongs to it in one short snapshot.
struct ProcessingReader {
  private static let page = 2_000
  private static let timeout = Duration.seconds(60)

  private let connection: Connection
  private let payments: String
  private let movements: Statement
  private let attempts: Statement
  private let claims: Statement
  private let dues: Statement
  private let settlements: Statement
  private let deadOrders: Statement
  private let refunds: Statement
  private let originals: Statement
  private let schema: String

  init(_ connection: Connection, processing: String, ledger: String) {
    self.connection = connection
    let schema = quoteIdentifier(processing)
    self.schema = schema
    payments = """
      SELECT id, user_id, method, amount, currency::text, debit, credit, order_id, state, version, stage, asked_at,
             claim_owner, has_hold, due, refund_of, cause,
             greatest(0, extract(epoch FROM clock_timestamp() - updated_at) * 1000)::bigint AS age_ms
      FROM \(schema).all_payment
      """
    movements = Statement(
      """
      SELECT id, kind, debit, credit, amount, currency::text FROM \(quoteIdentifier(ledger)).transfer
      WHERE id = ANY ($1)
      """, isReadOnly: true)
    attempts = Statement(
      """
      SELECT payment_id, asked_at, call, answer FROM \(schema).all_attempt WHERE payment_id = ANY ($1)
      ORDER BY payment_id, asked_at
      """, isReadOnly: true)
    claims = Statement(
      """
      SELECT c.payment_id, c.owner, o.id IS NOT NULL AS has_owner FROM \(schema).claim c
      LEFT JOIN \(schema).owner o ON o.id = c.owner WHERE c.payment_id = ANY ($1)
      """, isReadOnly: true)
    dues = Statement("SELECT payment_id FROM \(schema).due WHERE payment_id = ANY ($1)", isReadOnly: true)
    settlements = Statement("SELECT payment_id FROM \(schema).settlement WHERE payment_id = ANY ($1)", isReadOnly: true)
    deadOrders = Statement(
      "SELECT payment_id FROM \(schema).exception WHERE payment_id = ANY ($1) AND kind = 'order_dead'", isReadOnly: true
    )
    let refundRows = "(SELECT * FROM \(schema).payment UNION ALL SELECT * FROM \(schema).refund_archive)"
    refunds = Statement(
      """
      SELECT refund_of, bool_or(cause = 'charged_not_completed') AS is_from_suspense,
             least(coalesce(sum(amount) FILTER (WHERE state NOT IN ('REJECTED', 'ERROR')), 0),
                   9223372036854775807)::bigint AS amount
      FROM \(refundRows) r WHERE refund_of = ANY ($1) GROUP BY refund_of
      """, isReadOnly: true)
    originals = Statement(
      """
      SELECT r.id, p.user_id, p.method, p.currency::text, p.debit, p.credit, p.state,
             p.refund_of IS NOT NULL AS is_refund
      FROM \(refundRows) r JOIN \(schema).all_payment p ON p.id = r.refund_of WHERE r.id = ANY ($1)
      """, isReadOnly: true)
  }

  /// The next payments by id; empty after the last.
  func page(after last: UniqueID) throws(DatabaseError) -> AuditPage<AuditedPayment> {
    let command = Command(
      Statement("\(payments) WHERE id > $1 ORDER BY id LIMIT \(Self.page)", isReadOnly: true), [.uuid(last)])
    try connection.run(.beginSnapshot)
    defer { _ = try? connection.run(.rollback) }
    var page = try read(command)
    if !page.rows.isEmpty { try complete(&page) }
    return page
  }

  /// These payments without what belongs to them, as far as they are there.
  func payments(_ ids: [UniqueID]) throws(DatabaseError) -> AuditPage<AuditedPayment> {
    try read(Command(Statement("\(payments) WHERE id = ANY ($1)", isReadOnly: true), [.uuidArray(ids)]))
  }

  private func read(_ command: Command) throws(DatabaseError) -> AuditPage<AuditedPayment> {
    try AuditPage(connection.run(command, timeout: Self.timeout)) { (row) throws(DatabaseError) in
      try Self.payment(row)
    }
  }

  /// Adds what belongs to the payments.
  private func complete(_ page: inout AuditPage<AuditedPayment>) throws(DatabaseError) {
    let ids = page.rows.keys.sorted()
    let transfers = ids.flatMap { id -> [UniqueID] in
      let hold = TransferID.of(id, .payment)
      return [
        hold, TransferID.resolution(of: hold), TransferID.of(id, .settlement), TransferID.of(id, .suspense),
        TransferID.of(id, .release),
      ]
    }
    let parameter = [Parameter.uuidArray(ids)]
    let answers = try connection.run(
      [
        Command(movements, [.uuidArray(transfers)]), Command(attempts, parameter), Command(claims, parameter),
        Command(dues, parameter), Command(settlements, parameter), Command(deadOrders, parameter),
        Command(refunds, parameter), Command(originals, parameter),
      ], timeout: Self.timeout)
    var found: [UniqueID: AuditedPayment.Movement] = [:]
    for row in answers[0] { found[try row.uuid(MovementColumn.id)] = try Self.movement(row) }
    for id in ids {
      let hold = TransferID.of(id, .payment)
      page.rows[id]?.movement = found[hold]
      page.rows[id]?.resolution = found[TransferID.resolution(of: hold)]
      page.rows[id]?.settlement = found[TransferID.of(id, .settlement)]
      page.rows[id]?.putAside = found[TransferID.of(id, .suspense)]
      page.rows[id]?.release = found[TransferID.of(id, .release)]
    }
    for row in answers[1] {
      let attempt = AuditedPayment.Attempt(
        askedAt: try row.timestamp(AttemptColumn.askedAt), call: try row.text(AttemptColumn.call),
        answer: try row.optionalText(AttemptColumn.answer))
      page.rows[try row.uuid(AttemptColumn.paymentID)]?.attempts.append(attempt)
    }
    for row in answers[2] {
      let id = try row.uuid(ClaimColumn.paymentID)
      page.rows[id]?.claimRow = try row.uuid(ClaimColumn.owner)
      page.rows[id]?.hasOwner = try row.bool(ClaimColumn.hasOwner)
    }
    for row in answers[3] { page.rows[try row.uuid(IDColumn.paymentID)]?.hasDueRow = true }
    for row in answers[4] { page.rows[try row.uuid(IDColumn.paymentID)]?.hasSettlement = true }
    for row in answers[5] { page.rows[try row.uuid(IDColumn.paymentID)]?.isOrderDead = true }
    for row in answers[6] {
      let id = try row.uuid(RefundsColumn.refundOf)
      page.rows[id]?.refunded = try row.int64(RefundsColumn.amount)
      page.rows[id]?.isRefundedFromSuspense = try row.bool(RefundsColumn.isFromSuspense)
    }
    for row in answers[7] {
      page.rows[try row.uuid(OriginalColumn.id)]?.refund?.payment = AuditedPayment.Original(
        userID: try row.uuid(OriginalColumn.userID), method: try row.text(OriginalColumn.method),
        currency: try row.text(OriginalColumn.currency), debit: try row.uuid(OriginalColumn.debit),
        credit: try row.uuid(OriginalColumn.credit), state: try row.text(OriginalColumn.state),
        isRefund: try row.bool(OriginalColumn.isRefund))
    }
  }

  /// Rows of side tables whose payment is not there, and how much is open.
  func strays(into report: inout DirectAuditReport) throws(DatabaseError) {
    // What a statement lists and nobody here has asked for is under the statement's id.
    let sides: [(table: String, kind: DirectAuditReport.Kind, condition: String)] = [
      ("claim", .claim, ""), ("due", .claim, ""), ("all_attempt", .attempt, ""), ("settlement", .order, ""),
      ("exception", .order, "t.kind <> 'missing_here' AND "),
    ]
    for (table, kind, condition) in sides {
      let orphans = Statement(
        """
        SELECT DISTINCT payment_id FROM \(schema).\(table) t
        WHERE \(condition)NOT EXISTS (SELECT FROM \(schema).all_payment p WHERE p.id = t.payment_id) LIMIT 1000
        """, isReadOnly: true)
      for row in try connection.run(Command(orphans), timeout: LedgerReader.timeout) {
        report.note(
          Finding(kind, "it has a row of \(table), and is not there"), of: try row.uuid(IDColumn.paymentID))
      }
    }
    let twice = Statement(
      """
      SELECT p.id AS payment_id FROM \(schema).payment p
      WHERE EXISTS (SELECT FROM \(schema).payment_archive a WHERE a.id = p.id)
        OR p.refund_of IS NOT NULL AND EXISTS (
          SELECT FROM \(schema).refund_archive a WHERE a.refund_of = p.refund_of AND a.id = p.id)
      LIMIT 1000
      """, isReadOnly: true)
    for row in try connection.run(Command(twice), timeout: LedgerReader.timeout) {
      report.note(Finding(.state, "it is both live and archived"), of: try row.uuid(IDColumn.paymentID))
    }
    let open = Statement(
      """
      SELECT (SELECT count(*) FROM \(schema).settlement) AS settlements,
             (SELECT count(*) FROM \(schema).exception WHERE closed_at IS NULL) AS exceptions
      """, isReadOnly: true)
    let row = try connection.run(Command(open), timeout: LedgerReader.timeout).only
    report.settlements = try row.int(OpenColumn.settlements)
    report.exceptions = try row.int(OpenColumn.exceptions)
  }

  // MARK: - Rows

  private enum PaymentColumn: Int, AnswerColumn {
    case id, userID, method, amount, currency, debit, credit, orderID, state, version, stage, askedAt, claimOwner
    case hasHold, due, refundOf, cause, ageMs
  }
  private enum RefundsColumn: Int, AnswerColumn { case refundOf, isFromSuspense, amount }
  private enum OriginalColumn: Int, AnswerColumn {
    case id, userID, method, currency, debit, credit, state, isRefund
  }
  private enum MovementColumn: Int, AnswerColumn { case id, kind, debit, credit, amount, currency }
  private enum AttemptColumn: Int, AnswerColumn { case paymentID, askedAt, call, answer }
  private enum ClaimColumn: Int, AnswerColumn { case paymentID, owner, hasOwner }
  private enum IDColumn: Int, AnswerColumn { case paymentID }
  private enum OpenColumn: Int, AnswerColumn { case settlements, exceptions }

  private static func payment(_ row: Row) throws(DatabaseError) -> (UniqueID, AuditedPayment) {
    let id = try row.uuid(PaymentColumn.id)
    var payment = AuditedPayment(
      id: id, userID: try row.uuid(PaymentColumn.userID), method: try row.text(PaymentColumn.method),
      amount: try row.int64(PaymentColumn.amount), currency: try row.text(PaymentColumn.currency),
      debit: try row.uuid(PaymentColumn.debit), credit: try row.uuid(PaymentColumn.credit),
      orderID: try row.optionalInt64(PaymentColumn.orderID), state: try row.text(PaymentColumn.state),
      version: try row.int64(PaymentColumn.version), stage: try row.text(PaymentColumn.stage),
      askedAt: try row.optionalTimestamp(PaymentColumn.askedAt),
      claimOwner: try row.optionalUUID(PaymentColumn.claimOwner), hasHold: try row.bool(PaymentColumn.hasHold),
      due: try row.optionalTimestamp(PaymentColumn.due), age: .milliseconds(try row.int64(PaymentColumn.ageMs)))
    if let original = try row.optionalUUID(PaymentColumn.refundOf) {
      payment.refund = AuditedPayment.Refund(of: original, cause: try row.text(PaymentColumn.cause))
    }
    return (id, payment)
  }

  private static func movement(_ row: Row) throws(DatabaseError) -> AuditedPayment.Movement {
    AuditedPayment.Movement(
      kind: try row.int16(MovementColumn.kind), debit: try row.uuid(MovementColumn.debit),
      credit: try row.uuid(MovementColumn.credit), amount: try row.int64(MovementColumn.amount),
      currency: try row.text(MovementColumn.currency))
  }
}

/// Rows of a page by id.
struct AuditPage<Value> {
  var rows: [UniqueID: Value] = [:]
  /// The highest id; nil when there is none.
  private(set) var last: UniqueID?

  init(_ answer: Rows, _ decode: (Row) throws(DatabaseError) -> (UniqueID, Value)) throws(DatabaseError) {
    for row in answer {
      let (id, value) = try decode(row)
      rows[id] = value
      last = max(last ?? id, id)
    }
  }
}
