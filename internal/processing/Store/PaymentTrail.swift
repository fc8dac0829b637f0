public import Money
public import Postgres
public import Values

/// What happened to a payment beside its states: who reviewed or cancelled it, what the bank was asked, its refunds and
/// what contradicted the books.
public struct PaymentTrail: Sendable, Hashable {
  /// A question to the bank.
  public struct Attempt: Sendable, Hashable {
    /// The payment, or the refund of it.
    public let operationID: UniqueID
    /// What was asked: `charge`, `refund`, `inquire` or `reverse`.
    public let call: String
    /// When its row was written, which is before the call.
    public let askedAt: Timestamp
    /// When the answer was written; nil when there is none.
    public let answeredAt: Timestamp?
    /// What was made of the answer.
    public let answer: String?
    /// The answer in words, for operators.
    public let detail: String?

    /// A question.
    public init(
      operationID: UniqueID, call: String, askedAt: Timestamp, answeredAt: Timestamp?, answer: String?, detail: String?
    ) {
      self.operationID = operationID
      self.call = call
      self.askedAt = askedAt
      self.answeredAt = answeredAt
      self.answer = answer
      self.detail = detail
    }
  }

  /// A refund of it.
  public struct Refund: Sendable, Hashable {
    /// The refund.
    public let id: UniqueID
    /// How much.
    public let amount: Money
    /// Its state, as of a payment.
    public let state: String
    /// Why it is in this state.
    public let reason: String?
    /// Who wanted it: `caller`, or what was found out about the payment.
    public let cause: String
    /// The name of whoever asked for it; nil when nobody did, and for what an older version opened.
    public let requester: String?
    /// When it was made.
    public let since: Timestamp
    /// When its state began.
    public let updatedAt: Timestamp
  }

  /// What contradicted the books.
  public struct Exception: Sendable, Hashable {
    /// The payment, or the refund of it.
    public let operationID: UniqueID
    /// What contradicts.
    public let kind: String
    /// Since when.
    public let openedAt: Timestamp
    /// What was found.
    public let detail: String?
    /// When a person has seen to it; nil while it is open.
    public let closedAt: Timestamp?
    /// Who that was.
    public let closedBy: String?
    /// What that person has written.
    public let note: String?
  }

  /// Who has decided its review.
  public let reviewer: String?
  /// Who asked for its cancel; nil when it was not cancelled, and for what an older version cancelled.
  public let canceller: String?
  /// Oldest first, those of refunds among them.
  public let attempts: [Attempt]
  /// Oldest first.
  public let refunds: [Refund]
  /// Oldest first.
  public let exceptions: [Exception]

  /// A trail.
  public init(
    reviewer: String?, canceller: String? = nil, attempts: [Attempt], refunds: [Refund], exceptions: [Exception]
  ) {
    self.reviewer = reviewer
    self.canceller = canceller
    self.attempts = attempts
    self.refunds = refunds
    self.exceptions = exceptions
  }
}

/// Reads what happened to payments, live and archived ones. A value that any thread may use.
public struct PaymentTrails: Sendable {
  /// The most attempts, refunds and exceptions each; of more the newest are left out.
  private static let most = 1_000

  private let people: Statement
  private let attempts: Statement
  private let refunds: Statement
  private let exceptions: Statement

  /// Trails in these tables.
  public init(_ t: ProcessingTables = ProcessingTables()) {
    people = Statement(
      """
      SELECT reviewer, requested_by FROM \(t.payment) WHERE id = $1
      UNION ALL SELECT reviewer, requested_by FROM \(t.paymentArchive) WHERE id = $1
      """, isReadOnly: true)
    let operations = """
      SELECT $1 AS id UNION ALL SELECT id FROM \(t.payment) WHERE refund_of = $1
      UNION ALL SELECT id FROM \(t.refundArchive) WHERE refund_of = $1
      """
    attempts = Statement(
      """
      SELECT * FROM (
        SELECT a.payment_id AS operation_id, a.call, a.asked_at, a.answered_at, a.answer, a.detail
        FROM (\(operations)) o JOIN \(t.attempt) a ON a.payment_id = o.id
        UNION ALL
        SELECT payment_id, call, asked_at, answered_at, answer, detail FROM \(t.attemptArchive) WHERE filed_under = $1) a
      ORDER BY asked_at, operation_id LIMIT \(Self.most)
      """, isReadOnly: true)
    let refund = "id, amount, currency::text AS currency, state, reason, cause, requested_by, since, updated_at"
    refunds = Statement(
      """
      SELECT * FROM (
        SELECT \(refund) FROM \(t.payment) WHERE refund_of = $1
        UNION ALL SELECT \(refund) FROM \(t.refundArchive) WHERE refund_of = $1) r
      ORDER BY since, id LIMIT \(Self.most)
      """, isReadOnly: true)
    exceptions = Statement(
      """
      SELECT e.payment_id AS operation_id, e.kind, e.opened_at, e.detail, e.closed_at, e.closed_by, e.note
      FROM (\(operations)) o JOIN \(t.exception) e ON e.payment_id = o.id
      ORDER BY e.opened_at, e.payment_id, e.kind LIMIT \(Self.most)
      """, isReadOnly: true)
  }

  /// The trail of a payment, as of one moment; an empty one when nobody has claimed it.
  public func find(_ id: UniqueID, on connection: Connection) throws(DatabaseError) -> PaymentTrail {
    let parameters = [Parameter.uuid(id)]
    let answers = try connection.run([
      .beginSnapshot, Command(people, parameters), Command(attempts, parameters), Command(refunds, parameters),
      Command(exceptions, parameters), .commit,
    ])
    return PaymentTrail(
      reviewer: try answers[1].first?.optionalText(PeopleColumn.reviewer),
      canceller: try answers[1].first?.optionalText(PeopleColumn.requestedBy),
      attempts: try answers[2].map { (row) throws(DatabaseError) in try Self.attempt(row) },
      refunds: try answers[3].map { (row) throws(DatabaseError) in try Self.refund(row) },
      exceptions: try answers[4].map { (row) throws(DatabaseError) in try Self.exception(row) })
  }

  private enum AttemptColumn: Int, AnswerColumn { case operationID, call, askedAt, answeredAt, answer, detail }
  private enum PeopleColumn: Int, AnswerColumn { case reviewer, requestedBy }
  private enum RefundColumn: Int, AnswerColumn {
    case id, amount, currency, state, reason, cause, requestedBy, since, updatedAt
  }
  private enum ExceptionColumn: Int, AnswerColumn {
    case operationID, kind, openedAt, detail, closedAt, closedBy, note
  }

  private static func attempt(_ row: Row) throws(DatabaseError) -> PaymentTrail.Attempt {
    PaymentTrail.Attempt(
      operationID: try row.uuid(AttemptColumn.operationID), call: try row.text(AttemptColumn.call),
      askedAt: try row.timestamp(AttemptColumn.askedAt),
      answeredAt: try row.optionalTimestamp(AttemptColumn.answeredAt),
      answer: try row.optionalText(AttemptColumn.answer), detail: try row.optionalText(AttemptColumn.detail))
  }

  private static func refund(_ row: Row) throws(DatabaseError) -> PaymentTrail.Refund {
    let code = try row.text(RefundColumn.currency)
    guard let currency = Currency(code) else { throw .content("currency is \(code)") }
    return PaymentTrail.Refund(
      id: try row.uuid(RefundColumn.id), amount: Money(minorUnits: try row.int64(RefundColumn.amount), currency),
      state: try row.text(RefundColumn.state), reason: try row.optionalText(RefundColumn.reason),
      cause: try row.text(RefundColumn.cause), requester: try row.optionalText(RefundColumn.requestedBy),
      since: try row.timestamp(RefundColumn.since),
      updatedAt: try row.timestamp(RefundColumn.updatedAt))
  }

  private static func exception(_ row: Row) throws(DatabaseError) -> PaymentTrail.Exception {
    PaymentTrail.Exception(
      operationID: try row.uuid(ExceptionColumn.operationID), kind: try row.text(ExceptionColumn.kind),
      openedAt: try row.timestamp(ExceptionColumn.openedAt), detail: try row.optionalText(ExceptionColumn.detail),
      closedAt: try row.optionalTimestamp(ExceptionColumn.closedAt),
      closedBy: try row.optionalText(ExceptionColumn.closedBy), note: try row.optionalText(ExceptionColumn.note))
  }
}
