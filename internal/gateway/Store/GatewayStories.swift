internal import DirectDomain
public import GatewayDomain
public import Outbox
public import Postgres
public import Values

/// What the gateway knows of direct payments, for the story of one: its states, its events, dead letters of its
/// messages, and what was sent of it to webhook endpoints. Nothing of a card is read.
///
/// A value that any thread may use; each function is a few round trips.
public struct GatewayStories: Sendable {
  /// The most payments of one order that are shown.
  private static let most = 100

  private let events: OutboxInspection
  private let webhooks: WebhookReader
  private let ofOrder: Statement
  private let orderOf: Statement
  private let states: Statement
  private let count: Statement
  private let deadLetters: Statement

  /// - Parameter outbox: the gateway's.
  public init(_ t: GatewayTables, outbox: OutboxTables) {
    events = OutboxInspection(outbox)
    webhooks = WebhookReader(t)
    ofOrder = Statement(
      "SELECT id FROM \(t.allPayment) WHERE order_id = $1 ORDER BY id LIMIT \(Self.most)", isReadOnly: true)
    orderOf = Statement("SELECT order_id FROM \(t.allPayment) WHERE id = $1", isReadOnly: true)
    states = Statement(
      """
      SELECT s.version, s.state, s.reason, s.at, p.amount, p.currency::text AS currency, p.method, p.user_id, p.payee_id,
             p.order_id, p.external_id, p.api_key_id, p.surface,
             (SELECT k.name FROM \(t.apiKey) k WHERE k.id = p.api_key_id) AS api_key
      FROM \(t.allPayment) p JOIN \(t.allPaymentState) s ON s.payment_id = p.id WHERE p.id = $1 ORDER BY s.version
      """, isReadOnly: true)
    count = Statement("SELECT events FROM \(t.allPayment) WHERE id = $1", isReadOnly: true)
    deadLetters = Statement(
      """
      SELECT d.id, d.topic, d.partition, d.message_offset, d.died_at, d.source, d.reason, d.requeues, d.state,
             d.decided_at, d.decided_by
      FROM \(t.deadLetter) d WHERE d.key = convert_to($1, 'UTF8') ORDER BY d.id LIMIT \(Self.most)
      """, isReadOnly: true)
  }

  /// The payments that were to pay an order, oldest first.
  public func payments(ofOrder order: Int64, on connection: Connection) throws(DatabaseError) -> [UniqueID] {
    try connection.run(Command(ofOrder, [.int64(order)])).map { (row) throws(DatabaseError) in try row.uuid(0) }
  }

  /// The payment that an event (`ce_id`) of the gateway tells of; nil when no such event is kept.
  public func payment(ofEvent id: UniqueID, on connection: Connection) throws(DatabaseError) -> UniqueID? {
    try events.event(id, on: connection).flatMap { UniqueID($0.key) }
  }

  /// The order that a payment pays; nil inside for none, nil outside when there is no such payment.
  public func order(ofPayment id: UniqueID, on connection: Connection) throws(DatabaseError) -> Int64?? {
    guard let row = try connection.run(Command(orderOf, [.uuid(id)])).first else { return nil }
    return .some(try row.optionalInt64(0))
  }

  /// What the gateway knows of a payment; empty when there is none.
  /// - Parameter requesters: who asked for its states, which the processors know.
  public func entries(
    of id: UniqueID, requesters: Requesters = Requesters(), on connection: Connection
  ) throws(DatabaseError) -> [Story.Entry] {
    let rows = try connection.run(Command(states, [.uuid(id)]))
    guard !rows.isEmpty else { return [] }
    var entries: [Story.Entry] = []
    var before: PaymentState?
    for row in rows {
      entries.append(try Self.state(row, of: id, after: before, requesters))
      before = PaymentState(rawValue: try row.text(StateColumn.state))
    }
    entries += try messages(of: id, near: entries.map(\.at), on: connection)
    for delivery in try webhooks.deliveries(ofPayment: id, on: connection) {
      entries += Self.webhook(delivery, try webhooks.attempts(of: delivery.id, on: connection))
    }
    return entries
  }

  /// What became of a payment's messages: its events in the gateway's outbox, dead letters, and what was decided about
  /// either.
  /// - Parameters:
  ///   - times: when events of the payment were written.
  ///   - longest: how long after them today's are looked for, as in `OutboxInspection.story`.
  public func messages(
    of id: UniqueID, near times: [Timestamp], within longest: Duration? = nil, on connection: Connection
  ) throws(DatabaseError) -> [Story.Entry] {
    let count = try connection.run(Command(count, [.uuid(id)])).first.map { (row) throws(DatabaseError) in
      Int(clamping: try row.int64(0))
    }
    var entries = try events.story(
      of: id.description, named: "gateway", near: times, count: count ?? 0, within: longest, on: connection)
    for row in try connection.run(Command(deadLetters, [.text(id.description)])) {
      entries += try Self.deadLetter(row, of: id)
    }
    return entries
  }

  private enum StateColumn: Int, AnswerColumn {
    case version, state, reason, at, amount, currency, method, userID, payeeID, orderID, externalID, apiKeyID, surface,
      apiKey
  }

  private static func state(
    _ row: Row, of id: UniqueID, after before: PaymentState?, _ requesters: Requesters
  ) throws(DatabaseError) -> Story.Entry {
    let (at, state) = (try row.timestamp(StateColumn.at), try row.text(StateColumn.state))
    let version = try row.int64(StateColumn.version)
    let word = try row.optionalText(StateColumn.reason)
    let reason = Story.Value.textOrNil(word)
    guard version == 1 else {
      let requester = requesters.requester(word.flatMap { PaymentReason(rawValue: $0) }, after: before)
      return Story.Entry(
        at, "direct", state,
        [
          "direct_payment": .uuid(id), "version": .number(version), "reason": reason, "by": .textOrNil(requester),
        ])
    }
    return Story.Entry(
      at, "direct", state,
      [
        "direct_payment": .uuid(id), "version": .number(version), "reason": reason,
        "amount_minor": .number(try row.int64(StateColumn.amount)),
        "currency": .text(try row.text(StateColumn.currency)), "method": .text(try row.text(StateColumn.method)),
        "user_id": .uuid(try row.uuid(StateColumn.userID)), "payee_id": .uuid(try row.uuid(StateColumn.payeeID)),
        "order_id": .numberOrNil(try row.optionalInt64(StateColumn.orderID)),
        "external_id": .textOrNil(try row.optionalText(StateColumn.externalID)),
        "api_key_id": .uuidOrNil(try row.optionalUUID(StateColumn.apiKeyID)),
        "surface": .textOrNil(try row.optionalText(StateColumn.surface)),
        "by": .textOrNil(try row.optionalText(StateColumn.apiKey)),
      ])
  }

  private enum LetterColumn: Int, AnswerColumn {
    case id, topic, partition, messageOffset, diedAt, source, reason, requeues, state, decidedAt, decidedBy
  }

  private static func deadLetter(_ row: Row, of id: UniqueID) throws(DatabaseError) -> [Story.Entry] {
    let number = Story.Value.number(try row.int64(LetterColumn.id))
    let died = Story.Entry(
      try row.timestamp(LetterColumn.diedAt), "dead letter", "died",
      [
        "dead_letter": number, "direct_payment": .uuid(id), "reason": .text(try row.text(LetterColumn.reason)),
        "source": .text(try row.text(LetterColumn.source)), "topic": .text(try row.text(LetterColumn.topic)),
        "partition": .number(try row.int64(LetterColumn.partition)),
        "offset": .number(try row.int64(LetterColumn.messageOffset)),
        "requeues": .number(try row.int64(LetterColumn.requeues)),
      ])
    guard let decidedAt = try row.optionalTimestamp(LetterColumn.decidedAt) else { return [died] }
    return [
      died,
      Story.Entry(
        decidedAt, "dead letter", try row.text(LetterColumn.state),
        ["dead_letter": number, "by": .textOrNil(try row.optionalText(LetterColumn.decidedBy))]),
    ]
  }

  private static func webhook(_ delivery: WebhookDelivery, _ attempts: [WebhookAttempt]) -> [Story.Entry] {
    let event = delivery.event
    let id = Story.Value.uuid(delivery.id)
    var entries = [
      Story.Entry(
        delivery.createdAt, "webhook", "queued",
        [
          "delivery": id, "endpoint": .uuid(delivery.endpointID), "type": .text(event.type),
          "direct_payment": .uuid(event.paymentID), "refund": .uuidOrNil(event.refundID),
          "status": .text(delivery.outcome.word),
        ])
    ]
    // The last one came first.
    entries += attempts.reversed().map { attempt in
      Story.Entry(
        attempt.at, "webhook", "sent",
        [
          "delivery": id, "attempt": .number(attempt.number), "answer": .numberOrNil(attempt.status.map { Int64($0) }),
          "error": .textOrNil(attempt.error), "answered_at": .time(attempt.endedAt),
        ])
    }
    switch delivery.outcome {
    case .pending: break
    case .delivered(let at): entries.append(Story.Entry(at, "webhook", "delivered", ["delivery": id]))
    case .failed(let failure, let at):
      entries.append(
        Story.Entry(at, "webhook", "given up", ["delivery": id, "reason": .text(failure.rawValue)]))
    }
    return entries
  }
}
