import Values

/// What shipping reads of a payment event (api/topics/payment.schema.json). Pure.
struct PaymentMessage: Sendable {
  /// The longest message that is read, in bytes.
  static let maximumBytes = 65_536

  let orderID: Int64
  let status: String

  /// Unknown fields are ignored, whatever they hold.
  /// - Throws: what is wrong, in words without values.
  init(_ value: [UInt8]) throws(JSONError) {
    var orderID: Int64 = 0
    var status = ""
    var scanner = try JSONScanner(value, maximumBytes: Self.maximumBytes)
    try scanner.beginObject()
    while let field = try scanner.nextKey() {
      switch field {
      case "order_id": orderID = try scanner.integer()
      case "status": status = try scanner.string()
      default: try scanner.skipValue()
      }
    }
    try scanner.end()
    self.orderID = orderID
    self.status = status
  }
}
