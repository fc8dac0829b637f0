internal import DirectDomain
internal import Money
internal import Postgres
internal import ProcessingDomain
internal import Tracing
internal import Values

/// How a payment lies in its table.
enum PaymentRow {
  private enum Column: Int, AnswerColumn, CaseIterable {
    case id, method, amount, currency, debit, credit, since, state, version, reason, stage, askedAt, claimOwner
    case claimEpoch, hasHold, inquiries, due, reviewer, userID, payeeID, source, orderID, refundOf, cause, traceparent,
      requestedBy, now
  }

  /// The SELECT list that `decode` reads, of a table or alias named `p`.
  static let columns = """
    p.id, p.method, p.amount, p.currency::text, p.debit, p.credit, p.since, p.state, p.version, p.reason, p.stage, \
    p.asked_at, p.claim_owner, p.claim_epoch, p.has_hold, p.inquiries, p.due, p.reviewer, p.user_id, p.payee_id, \
    p.source, p.order_id, p.refund_of, p.cause, p.traceparent, p.requested_by, clock_timestamp() AS now
    """

  /// How many columns `columns` has.
  static let columnCount = Column.allCases.count

  /// The moment at which the row was read, by the database's clock.
  static func now(_ row: Row) throws(DatabaseError) -> Timestamp { try row.timestamp(Column.now) }

  /// The payment, when nothing else of it can be read.
  static func id(_ row: Row) throws(DatabaseError) -> UniqueID { try row.uuid(Column.id) }

  /// The recorded trace of its request, with the payment that it is of: of a refund, the one that it gives back.
  static func trace(_ row: Row) throws(DatabaseError) -> (id: UniqueID, trace: TraceContext)? {
    guard let text = try row.optionalText(Column.traceparent), let trace = TraceContext(traceparent: text) else {
      return nil
    }
    if let payment = try row.optionalUUID(Column.refundOf) { return (payment, trace) }
    return (try id(row), trace)
  }

  /// - Throws: `content` for what no payment of ours has.
  static func decode(_ row: Row) throws(DatabaseError) -> StoredPayment {
    let method = try word(row, Column.method, PaymentMethod.init(rawValue:))
    let code = try row.text(Column.currency)
    guard let currency = Currency(code) else { throw .content("currency is \(code)") }
    var payment = ProcessedPayment(
      try row.uuid(Column.id), method, Money(minorUnits: try row.int64(Column.amount), currency),
      try row.uuid(Column.debit), try row.uuid(Column.credit), try row.timestamp(Column.since),
      try word(row, Column.state, PaymentState.init(rawValue:)), try stage(row), refund: try refund(row))
    payment.version = try row.int64(Column.version)
    if !row.isNull(Column.reason) { payment.reason = try word(row, Column.reason, PaymentReason.init(rawValue:)) }
    if let owner = try row.optionalUUID(Column.claimOwner) {
      payment.claim = Claim(owner: owner, epoch: try row.int64(Column.claimEpoch))
    }
    payment.hasHold = try row.bool(Column.hasHold)
    payment.inquiries = try row.int(Column.inquiries)
    payment.due = try row.optionalTimestamp(Column.due)
    payment.reviewer = try row.optionalText(Column.reviewer)
    payment.requester = try row.optionalText(Column.requestedBy)
    // Far from the end, so that no step has to look.
    guard (2...Int64.max / 2).contains(payment.version), (0...Int(Int32.max)).contains(payment.inquiries),
      payment.state.isFinal == (payment.stage == .done)
    else {
      throw .content("payment \(payment.id) contradicts itself")
    }
    return StoredPayment(
      payment: payment, userID: try row.uuid(Column.userID), payeeID: try row.uuid(Column.payeeID),
      source: try row.optionalText(Column.source), orderID: try row.optionalInt64(Column.orderID))
  }

  private static func refund(_ row: Row) throws(DatabaseError) -> RefundOrigin? {
    guard let payment = try row.optionalUUID(Column.refundOf) else { return nil }
    return RefundOrigin(of: payment, cause: try word(row, Column.cause, RefundCause.init(rawValue:)))
  }

  private static func word<Word>(
    _ row: Row, _ column: Column, _ make: (String) -> Word?
  ) throws(DatabaseError) -> Word {
    let text = try row.text(column)
    guard let word = make(text) else { throw .content("\(column) is \(text), which this version does not know") }
    return word
  }

  private static func stage(_ row: Row) throws(DatabaseError) -> ProcessedPayment.Stage {
    let text = try row.text(Column.stage)
    switch text {
    case "claimed": return .claimed
    case "review": return .review(until: try row.timestamp(Column.due))
    case "ready": return .ready
    case "asked": return .asked(at: try row.timestamp(Column.askedAt))
    case "unknown": return .unknown(askedAt: try row.timestamp(Column.askedAt))
    case "reversing": return .reversing(askedAt: try row.timestamp(Column.askedAt))
    case "done": return .done
    default: throw .content("stage is \(text), which this version does not know")
    }
  }

  /// The columns that a step changes, in the order of `changes`.
  static let changed = """
    state, version, reason, stage, asked_at, claim_owner, claim_epoch, has_hold, inquiries, due, reviewer,
    requested_by
    """

  /// The parameters of `changed`, an array each.
  static func changes(_ payments: [ProcessedPayment]) -> [Parameter] {
    [
      .textArray(payments.map(\.state.rawValue)), .int64Array(payments.map(\.version)),
      .optionalTextArray(payments.map { $0.reason?.rawValue }), .textArray(payments.map { name(of: $0.stage) }),
      .optionalTimestampArray(payments.map { askedAt(of: $0.stage) }),
      .optionalUUIDArray(payments.map { $0.claim?.owner }), .optionalInt64Array(payments.map { $0.claim?.epoch }),
      .boolArray(payments.map(\.hasHold)), .int32Array(payments.map { Int32(clamping: $0.inquiries) }),
      .optionalTimestampArray(payments.map(\.due)), .optionalTextArray(payments.map(\.reviewer)),
      .optionalTextArray(payments.map(\.requester)),
    ]
  }

  /// How the column has a stage.
  static func name(of stage: ProcessedPayment.Stage) -> String {
    switch stage {
    case .claimed: "claimed"
    case .review: "review"
    case .ready: "ready"
    case .asked: "asked"
    case .unknown: "unknown"
    case .reversing: "reversing"
    case .done: "done"
    }
  }

  private static func askedAt(of stage: ProcessedPayment.Stage) -> Timestamp? {
    switch stage {
    case .asked(let askedAt), .unknown(let askedAt), .reversing(let askedAt): askedAt
    case .claimed, .review, .ready, .done: nil
    }
  }
}
