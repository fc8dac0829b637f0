internal import LedgerStore
internal import Money
public import Outbox
public import Postgres
internal import RiskDomain
internal import RiskStore
public import Values

/// What the processors know of direct payments, for the story of one: what risk decided, what the bank was asked, what
/// moved in the ledger, refunds, exceptions, results on their way to the gateway, and the settlement of its order in
/// the saga.
///
/// A value that any thread may use; each function is a few round trips.
public struct ProcessingStories: Sendable {
  private let events: OutboxInspection
  private let trails: PaymentTrails
  private let transfers: PaymentTransfers
  private let decisions = RiskDecisions()
  private let payment: Statement
  private let versions: Statement
  private let settlement: Statement

  /// - Parameter outbox: the processors'.
  public init(_ t: ProcessingTables = ProcessingTables(), outbox: OutboxTables) {
    events = OutboxInspection(outbox)
    trails = PaymentTrails(t)
    transfers = PaymentTransfers()
    payment = Statement(
      "SELECT coalesce(refund_of, id) FROM \(t.allPayment) WHERE id = $1", isReadOnly: true)
    versions = Statement("SELECT id, version FROM \(t.allPayment) WHERE id = ANY ($1)", isReadOnly: true)
    settlement = Statement(
      "SELECT order_id, since, at, attempts, last_error FROM \(t.settlement) WHERE payment_id = $1", isReadOnly: true)
  }

  /// The payment that an operation is: itself, or that of a refund; nil when there is none.
  public func payment(ofOperation id: UniqueID, on connection: Connection) throws(DatabaseError) -> UniqueID? {
    try connection.run(Command(payment, [.uuid(id)])).first?.uuid(0)
  }

  /// The payment that an event (`ce_id`) of the processors tells of; nil when no such event is kept.
  public func payment(ofEvent id: UniqueID, on connection: Connection) throws(DatabaseError) -> UniqueID? {
    guard let event = try events.event(id, on: connection), let key = UniqueID(event.key) else { return nil }
    return try payment(ofOperation: key, on: connection) ?? key
  }

  /// What the processors know of a payment; empty when nobody has claimed it.
  /// - Returns: its entries, and the trail that some of them are made of, which names who reviewed or cancelled it.
  public func story(
    of id: UniqueID, on connection: Connection
  ) throws(DatabaseError) -> (entries: [Story.Entry], trail: PaymentTrail) {
    let trail = try trails.find(id, on: connection)
    var entries = trail.story(of: id)
    // A decision that cannot be read is for `paysaga risk replay`.
    if case .decision(let stored)? = try decisions.find(id, on: connection) {
      entries.append(Self.decision(stored, of: id))
    }
    let operations = [id] + trail.refunds.map(\.id)
    entries += try transfers.find(operations, on: connection).map(\.story)
    entries += try messages(of: operations, near: entries.map(\.at), on: connection)
    for row in try connection.run(Command(settlement, [.uuid(id)])) { entries.append(try Self.settling(row, of: id)) }
    return (entries, trail)
  }

  /// What became of the results on their way to the gateway, and what was noted about them.
  /// - Parameters:
  ///   - operations: the payment and its refunds.
  ///   - times: when results were written.
  ///   - longest: how long after them today's are looked for, as in `OutboxInspection.story`.
  public func messages(
    of operations: [UniqueID], near times: [Timestamp], within longest: Duration? = nil, on connection: Connection
  ) throws(DatabaseError) -> [Story.Entry] {
    var counts: [UniqueID: Int] = [:]
    for row in try connection.run(Command(versions, [.uuidArray(operations)])) {
      // The first version is the gateway's; each further one was told.
      counts[try row.uuid(VersionColumn.id)] = Int(clamping: try row.int64(VersionColumn.version)) - 1
    }
    var entries: [Story.Entry] = []
    for operation in operations {
      entries += try events.story(
        of: operation.description, named: "processing", near: times, count: counts[operation] ?? 0, within: longest,
        on: connection)
    }
    return entries
  }

  private enum VersionColumn: Int, AnswerColumn { case id, version }

  private static func decision(_ stored: StoredDecision, of id: UniqueID) -> Story.Entry {
    let decision = stored.record.decision
    return Story.Entry(
      stored.at, "risk", decision.verdict.rawValue,
      [
        "direct_payment": .uuid(id), "score": .number(Int64(decision.score)),
        "reasons": .textOrNil(decision.reasons.joined(separator: " ")), "rules": .text(stored.rules),
      ])
  }

  private enum SettlementColumn: Int, AnswerColumn { case orderID, since, at, attempts, lastError }

  private static func settling(_ row: Row, of id: UniqueID) throws(DatabaseError) -> Story.Entry {
    Story.Entry(
      try row.timestamp(SettlementColumn.since), "direct", "settling its order",
      [
        "direct_payment": .uuid(id), "order_id": .number(try row.int64(SettlementColumn.orderID)),
        "attempts": .number(try row.int64(SettlementColumn.attempts)),
        "last_error": .textOrNil(try row.optionalText(SettlementColumn.lastError)),
        "next_attempt": .time(try row.timestamp(SettlementColumn.at)),
      ])
  }
}

extension PaymentTrail {
  /// As entries of the payment's story.
  fileprivate func story(of payment: UniqueID) -> [Story.Entry] {
    attempts.flatMap { $0.story(of: payment) } + refunds.flatMap(\.story) + exceptions.flatMap(\.story)
  }
}

extension PaymentTrail.Attempt {
  fileprivate func story(of payment: UniqueID) -> [Story.Entry] {
    let operation = (
      payment: Story.Value.uuid(payment), refund: operationID == payment ? nil : Story.Value.uuid(operationID)
    )
    let asked = Story.Entry(
      askedAt, "bank", "asked",
      ["call": .text(call), "direct_payment": operation.payment, "refund": operation.refund])
    guard let answeredAt else { return [asked] }
    let answered = Story.Entry(
      answeredAt, "bank", "answered",
      [
        "call": .text(call), "answer": .textOrNil(answer), "detail": .textOrNil(detail),
        "direct_payment": operation.payment, "refund": operation.refund,
      ])
    return [asked, answered]
  }
}

extension PaymentTrail.Refund {
  fileprivate var story: [Story.Entry] {
    let opened = Story.Entry(
      since, "refund", "wanted",
      [
        "refund": .uuid(id), "amount_minor": .number(amount.minorUnits), "currency": .text(amount.currency.code),
        "cause": .text(cause), "by": .textOrNil(requester),
      ])
    let standing = Story.Entry(updatedAt, "refund", state, ["refund": .uuid(id), "reason": .textOrNil(reason)])
    return [opened, standing]
  }
}

extension PaymentTrail.Exception {
  fileprivate var story: [Story.Entry] {
    let opened = Story.Entry(
      openedAt, "exception", kind, ["operation_id": .uuid(operationID), "detail": .textOrNil(detail)])
    guard let closedAt else { return [opened] }
    let closed = Story.Entry(
      closedAt, "exception", "closed",
      [
        "kind": .text(kind), "operation_id": .uuid(operationID), "by": .textOrNil(closedBy), "note": .textOrNil(note),
      ])
    return [opened, closed]
  }
}
