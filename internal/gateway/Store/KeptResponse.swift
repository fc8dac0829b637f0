public import Values

/// An answer as it is kept under the key of its call.
public struct KeptResponse: Sendable, Hashable {
  /// The HTTP status.
  public let status: Int
  /// The body, byte for byte.
  public let body: [UInt8]
  /// The payment that the call began; its key is kept until a day after the payment is final.
  public let paymentID: UniqueID?

  /// - Parameter body: UTF-8 without NUL.
  public init(status: Int, body: [UInt8], paymentID: UniqueID? = nil) {
    self.status = status
    self.body = body
    self.paymentID = paymentID
  }

  /// The most bytes of an answer.
  private static let maximumBytes = 262_144

  /// The body is a string within, since PostgreSQL keeps of JSON the values and not the spelling.
  func write() -> [UInt8] {
    JSONWriter.object(reserving: body.count + body.count / 4 + 96) { answer in
      if let paymentID { answer.add("payment_id", paymentID) }
      answer.add("status", status)
      answer.add("body", String(decoding: body, as: UTF8.self))
    }
  }

  /// - Throws: `internal` for what `write` does not write.
  init(reading answer: [UInt8]) throws(GatewayStoreError) {
    var status: Int64?
    var body: String?
    var paymentID: UniqueID?
    do throws(JSONError) {
      var scanner = try JSONScanner(answer, maximumBytes: Self.maximumBytes)
      try scanner.beginObject()
      while let field = try scanner.nextKey() {
        switch field {
        case "payment_id": paymentID = try scanner.uniqueID()
        case "status": status = try scanner.integer()
        case "body": body = try scanner.string()
        default: try scanner.skipValue()
        }
      }
      try scanner.end()
    } catch {
      throw GatewayStoreError(.internal, "the answer kept under the key cannot be read", cause: error)
    }
    guard let status, (200...299).contains(status), let body else {
      throw GatewayStoreError(.internal, "the answer kept under the key is none")
    }
    self.init(status: Int(status), body: Array(body.utf8), paymentID: paymentID)
  }
}
