internal import SagaDomain
internal import Values

/// A payment as it is kept under the key of the call that it answered: a JSON object with a field for each of its own.
///
/// Migrations 6 and 7 made the same of older rows.
enum PaymentAnswer {
  /// An answer is shorter: its only long field is the reason.
  private static let maximumBytes = 65_536

  /// Moments that RFC 3339 does not have, such as PostgreSQL's infinities.
  private static let infinite = (late: "infinity", early: "-infinity")

  static func write(_ payment: Payment) -> [UInt8] {
    JSONWriter.object(reserving: 320 + payment.reason.utf8.count) { answer in
      answer.add("payment_id", payment.id)
      answer.add("order_id", payment.orderID)
      answer.add("status", payment.status.rawValue)
      answer.add("reason", payment.reason)
      answer.add("version", payment.version)
      answer.add("amount_minor", payment.amountMinor)
      answer.add("currency", payment.currency)
      answer.add("idempotent_key", payment.idempotentKey)
      answer.add("created_at", Moment(timestamp: payment.createdAt))
      answer.add("updated_at", Moment(timestamp: payment.updatedAt))
      answer.add("expires_at", payment.expiresAt.map(Moment.init))
    }
  }

  /// - Throws: `internal` when it is not what `write` writes, or no sound payment; fields that are not known are passed
  ///   over.
  static func read(_ bytes: [UInt8]) throws(PaymentError) -> Payment {
    do {
      let payment = try scan(bytes)
      if let fault = payment.fault { throw Unreadable(description: fault) }
      return payment
    } catch {
      throw PaymentError(.internal, "the answer kept under the key cannot be read: \(error)")
    }
  }

  private struct Unreadable: Error, CustomStringConvertible {
    let description: String
  }

  private static func scan(_ bytes: [UInt8]) throws -> Payment {
    var (id, orderID, version, amount): (Int64?, Int64?, Int64?, Int64?)
    var (status, reason, currency): (String?, String?, String?)
    var key: UniqueID?
    var (created, updated, expires): (Timestamp?, Timestamp?, Timestamp?)
    var scanner = try JSONScanner(bytes, maximumBytes: maximumBytes)
    try scanner.beginObject()
    while let field = try scanner.nextKey() {
      switch field {
      case "payment_id": id = try scanner.integer()
      case "order_id": orderID = try scanner.integer()
      case "status": status = try scanner.string()
      case "reason": reason = try scanner.string()
      case "version": version = try scanner.integer()
      case "amount_minor": amount = try scanner.integer()
      case "currency": currency = try scanner.string()
      case "idempotent_key": key = try scanner.null() ? nil : try scanner.uniqueID()
      case "created_at": created = try timestamp(field, &scanner)
      case "updated_at": updated = try timestamp(field, &scanner)
      case "expires_at": expires = try scanner.null() ? nil : try timestamp(field, &scanner)
      default: try scanner.skipValue()
      }
    }
    try scanner.end()
    let word = try present(status, "status")
    guard let status = PaymentStatus(rawValue: word) else {
      throw Unreadable(description: "status is \(word), which this version does not know")
    }
    return Payment(
      id: try present(id, "payment_id"), orderID: try present(orderID, "order_id"), status: status,
      reason: try present(reason, "reason"), version: try present(version, "version"),
      amountMinor: try present(amount, "amount_minor"), currency: try present(currency, "currency"),
      idempotentKey: key, createdAt: try present(created, "created_at"), updatedAt: try present(updated, "updated_at"),
      expiresAt: expires)
  }

  private static func present<Value>(_ value: Value?, _ field: String) throws(Unreadable) -> Value {
    guard let value else { throw Unreadable(description: "\(field) is missing") }
    return value
  }

  private static func timestamp(_ field: String, _ scanner: inout JSONScanner) throws -> Timestamp {
    let text = try scanner.string()
    switch text {
    case infinite.late: return Timestamp(microseconds: .max)
    case infinite.early: return Timestamp(microseconds: .min)
    default:
      guard let moment = Timestamp(text) else { throw Unreadable(description: "\(field) is no moment of RFC 3339") }
      return moment
    }
  }

  /// A timestamp; what RFC 3339 does not have is an infinity.
  private struct Moment: JSONRepresentable {
    let timestamp: Timestamp

    func appendJSON(to bytes: inout [UInt8]) {
      let clamped = timestamp.clamped
      guard timestamp != clamped else { return clamped.appendJSON(to: &bytes) }
      (timestamp > clamped ? PaymentAnswer.infinite.late : PaymentAnswer.infinite.early).appendJSON(to: &bytes)
    }
  }
}
