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
    var bytes: [UInt8] = []
    bytes.reserveCapacity(256 + payment.reason.utf8.count)
    bytes += "{\"idempotent_key\":\"".utf8
    eventID.append(to: &bytes)
    bytes += "\",\"order_id\":".utf8
    JSONWriter.appendInteger(payment.orderID, to: &bytes)
    bytes += ",\"status\":\"".utf8
    bytes += payment.status.rawValue.utf8
    bytes += "\",\"payment_id\":".utf8
    JSONWriter.appendInteger(payment.id, to: &bytes)
    bytes += ",\"version\":".utf8
    JSONWriter.appendInteger(payment.version, to: &bytes)
    bytes += ",\"reason\":".utf8
    JSONWriter.appendString(payment.reason, to: &bytes)
    bytes += ",\"amount_minor\":".utf8
    JSONWriter.appendInteger(payment.amountMinor, to: &bytes)
    bytes += ",\"currency\":".utf8
    JSONWriter.appendString(payment.currency, to: &bytes)
    bytes += ",\"occurred_at\":\"".utf8
    payment.updatedAt.append(to: &bytes)
    bytes += "\"}".utf8
    return bytes
  }
}
