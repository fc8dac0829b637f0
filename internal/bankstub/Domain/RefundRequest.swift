public import Money
public import Values

/// A request to give money of a charge back, as `POST /payment/{operation_id}/refund` has it.
public struct RefundRequest: Sendable, Hashable {
  /// The caller's own id of the refund, which is an operation of its own.
  public let refundID: UniqueID
  /// The operation that charged.
  public let operationID: UniqueID
  /// Above zero.
  public let amount: Money

  /// Reads a request: `refund_id`, `amount` (a number or a string in major units) and `currency` (USD unless given).
  /// Other fields are passed over.
  public init(_ json: [UInt8], of operationID: UniqueID) throws(ChargeRequest.Unreadable) {
    do {
      // The currency decides how the amount is read, and may come after it.
      let currency = try ChargeRequest.currency(json)
      var refundID: UniqueID?
      var amount: Int64?
      var scanner = try JSONScanner(json, maximumBytes: 65_536)
      try scanner.beginObject()
      while let field = try scanner.nextKey() {
        switch field {
        case "refund_id": refundID = try scanner.uniqueID()
        case "amount": amount = try scanner.minorUnits(exponent: currency.exponent)
        default: try scanner.skipValue()
        }
      }
      try scanner.end()
      guard let refundID else { throw ChargeRequest.Unreadable(description: "refund_id is missing") }
      guard refundID != operationID else { throw ChargeRequest.Unreadable(description: "refund_id is the operation's") }
      guard let amount, amount > 0 else { throw ChargeRequest.Unreadable(description: "amount must be above zero") }
      self.refundID = refundID
      self.operationID = operationID
      self.amount = Money(minorUnits: amount, currency)
    } catch let error as ChargeRequest.Unreadable {
      throw error
    } catch {
      throw ChargeRequest.Unreadable(description: "\(error)")
    }
  }
}
