public import Values

/// A new state of a payment, as `direct.results` carries it (api/topics/direct.results.schema.json).
public struct PaymentResult: Sendable, Hashable {
  /// The longest message that is read, in bytes.
  public static let maximumBytes = 16_384

  /// The payment, or the refund.
  public let paymentID: UniqueID
  /// The number of the state; CREATED is 1. A lower one than that already known is late.
  public let version: Int64
  /// The state.
  public let state: PaymentState
  /// Why.
  public let reason: PaymentReason?
  /// When the state began, by the database's clock.
  public let occurredAt: Timestamp
  /// The bank's token of a payment that it has charged, by which it can be charged again; 1 to 255 bytes.
  public let token: String?

  /// The longest token, in bytes.
  public static let maximumToken = 255
  /// The payment that a refund gives money back of; nil for payments.
  public let refundOf: UniqueID?

  /// A result.
  public init(
    paymentID: UniqueID, version: Int64, state: PaymentState, reason: PaymentReason?, occurredAt: Timestamp,
    token: String? = nil, refundOf: UniqueID? = nil
  ) {
    self.paymentID = paymentID
    self.refundOf = refundOf
    self.version = version
    self.state = state
    self.reason = reason
    self.occurredAt = occurredAt
    self.token = token
  }

  /// The CloudEvents type.
  public var type: String { "paysaga.direct.\(state.rawValue.lowercased())" }

  /// The message's value.
  public func payload() -> [UInt8] {
    JSONWriter.object(reserving: 192) { message in
      message.add("payment_id", paymentID)
      message.add("version", version)
      message.add("state", state.rawValue)
      if let reason { message.add("reason", reason.rawValue) }
      message.add("occurred_at", occurredAt)
      if let token { message.add("token", token) }
      if let refundOf { message.add("refund_of", refundOf) }
    }
  }

  /// Reads a message; unknown fields are ignored, whatever they hold, and null counts as absent.
  public init(_ value: [UInt8]?) throws(UnreadableMessage) {
    guard let value else { throw UnreadableMessage("the message has no value") }
    var id: UniqueID?
    var version: Int64?
    var state: String?
    var reason: String?
    var occurredAt: String?
    var token: String?
    var refundOf: UniqueID?
    do throws(JSONError) {
      var scanner = try JSONScanner(value, maximumBytes: Self.maximumBytes)
      try scanner.beginObject()
      while let field = try scanner.nextKey() {
        switch field {
        case "payment_id": id = try scanner.null() ? nil : try scanner.uniqueID()
        case "version": version = try scanner.null() ? nil : try scanner.integer()
        case "state": state = try scanner.null() ? nil : try scanner.string()
        case "reason": reason = try scanner.null() ? nil : try scanner.string()
        case "occurred_at": occurredAt = try scanner.null() ? nil : try scanner.string()
        case "token": token = try scanner.null() ? nil : try scanner.string()
        case "refund_of": refundOf = try scanner.null() ? nil : try scanner.uniqueID()
        default: try scanner.skipValue()
        }
      }
      try scanner.end()
    } catch {
      throw UnreadableMessage("not a payment result: \(error)")
    }
    guard let id else { throw .missing("payment_id") }
    guard let version else { throw .missing("version") }
    // The highest number is nobody's, since no other could follow it.
    guard version > 1, version < .max else { throw UnreadableMessage("version must be above 1, and have a successor") }
    guard let state else { throw .missing("state") }
    guard let known = PaymentState(rawValue: state), known != .created else {
      throw UnreadableMessage("state is none that this version knows")
    }
    // A reason of a later version is no reason to stop a result.
    let why = reason.flatMap(PaymentReason.init(rawValue:))
    guard let occurredAt else { throw .missing("occurred_at") }
    guard let moment = Timestamp(occurredAt) else { throw UnreadableMessage("occurred_at is no RFC 3339 time") }
    if let token, !(1...Self.maximumToken).contains(token.utf8.count) || token.utf8.contains(0) {
      throw UnreadableMessage("token is not of 1 to \(Self.maximumToken) bytes, without NUL")
    }
    self.init(
      paymentID: id, version: version, state: known, reason: why, occurredAt: moment, token: token, refundOf: refundOf)
  }
}
