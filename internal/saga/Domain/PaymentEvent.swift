public import Tracing
public import Values

/// What happened to a payment, as it is told to the rest of the saga: one event for each change.
public struct PaymentEvent: Sendable, Hashable {
  /// The event's identity; the same in every copy of it.
  public let eventID: UniqueID
  /// The payment right after the change.
  public let payment: Payment
  /// What the call or message that changed the payment was a part of, when it said so.
  public let trace: TraceContext?
  /// Who changed it by a call; nil for a message and for an expiry.
  public let caller: String?

  /// - Parameter payment: as it is right after the change.
  public init(eventID: UniqueID, payment: Payment, trace: TraceContext? = nil, caller: String? = nil) {
    self.eventID = eventID
    self.payment = payment
    self.trace = trace
    self.caller = caller
  }

  /// The event's number within its order, from 1.
  public var sequence: Int64 { payment.version }

  /// The message key: the order id in decimal.
  public var key: String { String(payment.orderID) }

  /// The CloudEvents type.
  public var type: String {
    switch payment.status {
    case .created: "paysaga.payment.created"
    case .completed: "paysaga.payment.completed"
    case .failed: "paysaga.payment.failed"
    }
  }

  /// The message value: the JSON object of api/topics/payment.schema.json.
  public func payload() -> [UInt8] {
    JSONWriter.object(reserving: 256 + payment.reason.utf8.count) { message in
      message.add("idempotent_key", eventID)
      message.add("order_id", payment.orderID)
      message.add("status", payment.status.rawValue)
      message.add("payment_id", payment.id)
      message.add("version", payment.version)
      message.add("reason", payment.reason)
      message.add("amount_minor", payment.amountMinor)
      message.add("currency", payment.currency)
      message.add("occurred_at", payment.updatedAt)
    }
  }
}
