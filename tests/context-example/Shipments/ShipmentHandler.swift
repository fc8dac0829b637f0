import Inbox
import Kafka
import Outbox
import Postgres
import Values

/// Sorts payment events, and opens the shipments of a batch of them in one transaction.
struct ShipmentHandler: InboxHandler {
  enum Outcome: String, InboxOutcome {
    case opened
    /// The order has a shipment: the message came again.
    case existing
    /// The payment is not completed.
    case ignored
  }

  let outbox: OutboxWriter
  let topic: String
  /// Wakes the relay.
  let onCommit: @Sendable () -> Void

  func sort(_ message: ConsumedMessage) -> InboxSorting<Int64, Outcome> {
    do {
      let payment = try PaymentMessage(message.value ?? [])
      guard payment.orderID > 0 else { return .unusable(reason: "not a payment event: order_id must be above 0") }
      return payment.status == "COMPLETED" ? .work(payment.orderID) : .done(.ignored)
    } catch {
      return .unusable(reason: "not a payment event: \(error)")
    }
  }

  /// A shipment and its event commit together. The row is written first, so that the events of an order are numbered in
  /// the order in which they commit.
  func execute(_ orders: [Int64], on connection: Connection) throws(DatabaseError) -> [InboxResult<Outcome>] {
    try connection.transaction { (connection) throws(DatabaseError) in
      var opened: Set<Int64> = []
      for row in try connection.run(Command(Self.open, [.int64Array(orders)])) { opened.insert(try row.int64(0)) }
      if !opened.isEmpty { try connection.run(outbox.insert(opened.sorted().map(event))) }
      // When an order is twice in a batch, its first message opened the shipment.
      return orders.map { opened.remove($0) != nil ? .done(.opened) : .done(.existing) }
    }
  }

  func committed(_ orders: [Int64], _ results: [InboxResult<Outcome>]) { onCommit() }

  private func event(of order: Int64) -> NewEvent {
    NewEvent(
      eventID: .random(), key: String(order), sequence: 1, topic: topic,
      payload: Array("{\"order_id\":\(order),\"status\":\"OPENED\"}".utf8), type: "shipping.shipment.opened",
      source: "/shipping")
  }

  private static let open = Statement(
    """
    INSERT INTO shipping.shipment (order_id)
    SELECT order_id FROM unnest($1::bigint[]) paid (order_id) ORDER BY order_id
    ON CONFLICT DO NOTHING RETURNING order_id
    """)
}
