public import Outbox
public import Postgres
internal import SagaDomain
public import Values

/// The story of an order's payment: when it was opened and settled and who asked for that, and what became of its
/// events.
public struct PaymentStory: Sendable {
  /// The order.
  public let orderID: Int64
  /// Its payment.
  public let paymentID: Int64
  /// Its status, as the table has it.
  public let status: String
  /// Oldest first.
  public let entries: [Story.Entry]
}

/// Finds stories of payments in the saga's tables. A value that any thread may use; each function is a few round trips.
public struct PaymentStories: Sendable {
  private let events: OutboxInspection

  /// - Parameter outbox: the saga's.
  public init(_ outbox: OutboxTables) { events = OutboxInspection(outbox) }

  /// The story of an order's payment; nil when it has none.
  public func story(order: Int64, on connection: Connection) throws(DatabaseError) -> PaymentStory? {
    try story(Self.byOrder, order, on: connection)
  }

  /// The story of a payment; nil when there is none with this id.
  public func story(payment: Int64, on connection: Connection) throws(DatabaseError) -> PaymentStory? {
    try story(Self.byID, payment, on: connection)
  }

  /// What is known of an order that has no payment: what was decided about its messages.
  public func operations(order: Int64, on connection: Connection) throws(DatabaseError) -> [Story.Entry] {
    try events.story(of: String(order), named: "saga", near: [], count: 0, on: connection)
  }

  /// The order of an event (`ce_id`); nil when no such event is kept.
  public func order(ofEvent id: UniqueID, on connection: Connection) throws(DatabaseError) -> Int64? {
    try events.event(id, on: connection).flatMap { Int64($0.key) }
  }

  private func story(_ statement: Statement, _ number: Int64, on connection: Connection) throws(DatabaseError)
    -> PaymentStory?
  {
    guard let row = try connection.run(Command(statement, [.int64(number)])).first else { return nil }
    let payment = try KeptPayment(row)
    var story = Story()
    story.add(payment.entries)
    story.add(
      try events.story(
        of: String(payment.orderID), named: "saga", near: [payment.createdAt, payment.updatedAt],
        count: Int(clamping: payment.version), on: connection))
    return PaymentStory(
      orderID: payment.orderID, paymentID: payment.id, status: payment.status, entries: story.entries)
  }

  private static let byOrder = Statement(
    "SELECT \(KeptPayment.columns) FROM all_payment p WHERE p.order_id = $1", isReadOnly: true)
  private static let byID = Statement(
    "SELECT \(KeptPayment.columns) FROM all_payment p WHERE p.id = $1", isReadOnly: true)
}

/// A payment's row as the story tells it; nothing of it has to make sense.
private struct KeptPayment {
  let id: Int64
  let orderID: Int64
  let status: String
  let version: Int64
  let createdAt: Timestamp
  let updatedAt: Timestamp
  let entries: [Story.Entry]

  private enum Column: Int, AnswerColumn {
    case id, orderID, status, reason, version, amountMinor, currency, idempotentKey, createdAt, updatedAt, expiresAt
    case openedBy, settledBy
  }

  static let columns = "\(PaymentRow.columns), p.opened_by, p.settled_by"

  init(_ row: Row) throws(DatabaseError) {
    id = try row.int64(Column.id)
    orderID = try row.int64(Column.orderID)
    status = try row.text(Column.status)
    version = try row.int64(Column.version)
    createdAt = try row.timestamp(Column.createdAt)
    updatedAt = try row.timestamp(Column.updatedAt)
    let (opener, settler) = (try row.optionalText(Column.openedBy), try row.optionalText(Column.settledBy))
    let opened = Story.Entry(
      createdAt, "payment", PaymentStatus.created.rawValue,
      [
        "order_id": .number(orderID), "payment_id": .number(id),
        "amount_minor": .number(try row.int64(Column.amountMinor)),
        "currency": .textOrNil(try row.optionalText(Column.currency)),
        "by": .textOrNil(opener.map(PaymentOrigin.who(in:))),
        "trace": .textOrNil(opener.flatMap(PaymentOrigin.trace(in:))),
        "idempotent_key": .uuidOrNil(try row.optionalUUID(Column.idempotentKey)),
        "expires_at": .timeOrNil(try row.optionalTimestamp(Column.expiresAt)),
      ])
    if status == PaymentStatus.created.rawValue {
      entries = [opened]
    } else {
      let settled = Story.Entry(
        updatedAt, "payment", status,
        [
          "order_id": .number(orderID), "payment_id": .number(id), "reason": .textOrNil(try row.text(Column.reason)),
          "by": .textOrNil(settler.map(PaymentOrigin.who(in:))),
          "trace": .textOrNil(settler.flatMap(PaymentOrigin.trace(in:))),
        ])
      entries = [opened, settled]
    }
  }
}
