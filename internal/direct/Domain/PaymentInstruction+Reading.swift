internal import Money
internal import Values

extension DirectMessage {
  /// Reads a message; unknown fields are ignored, whatever they hold, and null counts as absent.
  public init(_ value: [UInt8]?) throws(UnreadableMessage) {
    let fields = try PaymentInstruction.Fields.read(value)
    switch fields.kind {
    case nil: self = .payment(try fields.instruction())
    case ScoringRequest.kind: self = .score(try fields.scoring())
    case .some: throw UnreadableMessage("kind is none that this version knows")
    }
  }
}

extension PaymentInstruction {
  /// Reads the message of a payment; unknown fields are ignored, whatever they hold, and null counts as absent.
  public init(_ value: [UInt8]?) throws(UnreadableMessage) {
    let fields = try Fields.read(value)
    guard fields.kind == nil else { throw UnreadableMessage("not a payment instruction: it has a kind") }
    self = try fields.instruction()
  }

  /// The fields as they were found, of either kind of message.
  fileprivate struct Fields {
    private(set) var kind: String?
    private var ids: [String: UniqueID] = [:]
    private var amount: Int64?
    private var texts: [String: String] = [:]
    private var currency: String?
    private var orderID: Int64?
    private var createdAt: String?
    private var type: String?
    private var number: String?
    private var token: String?

    static func read(_ value: [UInt8]?) throws(UnreadableMessage) -> Fields {
      guard let value else { throw UnreadableMessage("the message has no value") }
      do throws(JSONError) {
        return try Fields(value)
      } catch {
        throw UnreadableMessage("not a payment instruction: \(error)")
      }
    }

    private init(_ value: [UInt8]) throws(JSONError) {
      var scanner = try JSONScanner(value, maximumBytes: PaymentInstruction.maximumBytes)
      try scanner.beginObject()
      while let field = try scanner.nextKey() {
        switch field {
        case "payment_id", "user_id", "payee_id": ids[field] = try scanner.null() ? nil : try scanner.uniqueID()
        case "kind": kind = try scanner.null() ? nil : try scanner.string()
        // Fields of scoring alone: in a payment's message they are unknown, whatever they hold.
        case "payment_request_id", "payment_method_id", "amount":
          if try scanner.peek() == .string { texts[field] = try scanner.string() } else { try scanner.skipValue() }
        case "method": if try !scanner.null() { try readMethod(&scanner) }
        case "amount_minor": amount = try scanner.null() ? nil : try scanner.integer()
        case "currency": currency = try scanner.null() ? nil : try scanner.string()
        case "order_id": orderID = try scanner.null() ? nil : try scanner.integer()
        case "created_at": createdAt = try scanner.null() ? nil : try scanner.string()
        default: try scanner.skipValue()
        }
      }
      try scanner.end()
    }

    private mutating func readMethod(_ scanner: inout JSONScanner) throws(JSONError) {
      try scanner.beginObject()
      while let field = try scanner.nextKey() {
        switch field {
        case "type": type = try scanner.null() ? nil : try scanner.string()
        case "number": number = try scanner.null() ? nil : try scanner.string()
        case "token": token = try scanner.null() ? nil : try scanner.string()
        case "account_id": ids[field] = try scanner.null() ? nil : try scanner.uniqueID()
        default: try scanner.skipValue()
        }
      }
    }

    func scoring() throws(UnreadableMessage) -> ScoringRequest {
      guard let text = texts["amount"] else { throw .missing("amount") }
      guard let amount = try? SixPlaceAmount(text) else { throw UnreadableMessage("amount is no decimal above zero") }
      return ScoringRequest(
        requestID: try textID("payment_request_id"), userID: try id("user_id"), payeeID: try id("payee_id"),
        paymentMethodID: try textID("payment_method_id"), amount: amount, currency: try knownCurrency())
    }

    private func knownCurrency() throws(UnreadableMessage) -> Currency {
      guard let code = currency else { throw .missing("currency") }
      guard let currency = Currency(code) else { throw UnreadableMessage("currency is none of ISO 4217") }
      return currency
    }

    func instruction() throws(UnreadableMessage) -> PaymentInstruction {
      guard let minorUnits = amount else { throw .missing("amount_minor") }
      guard minorUnits > 0 else { throw UnreadableMessage("amount_minor must be above zero") }
      let currency = try knownCurrency()
      if let orderID, orderID <= 0 { throw UnreadableMessage("order_id must be above zero") }
      guard let createdAt else { throw .missing("created_at") }
      guard let moment = Timestamp(createdAt) else { throw UnreadableMessage("created_at is no RFC 3339 time") }
      return PaymentInstruction(
        paymentID: try id("payment_id"), userID: try id("user_id"), payeeID: try id("payee_id"), source: try source(),
        amount: Money(minorUnits: minorUnits, currency), orderID: orderID, createdAt: moment)
    }

    private func source() throws(UnreadableMessage) -> Source {
      switch type.flatMap(PaymentMethod.init(rawValue:)) {
      case .account: .account(number: try text(number, "number"))
      case .token: .token(try text(token, "token"))
      case .balance: .balance(accountID: try id("account_id"))
      case .card: throw UnreadableMessage("card payments do not come by message")
      case nil: throw UnreadableMessage("method must have a type: account, token or balance")
      }
    }

    private func textID(_ field: String) throws(UnreadableMessage) -> UniqueID {
      guard let text = texts[field] else { throw .missing(field) }
      guard let id = UniqueID(text) else { throw UnreadableMessage("\(field) is no UUID") }
      return id
    }

    private func id(_ field: String) throws(UnreadableMessage) -> UniqueID {
      guard let id = ids[field] else { throw .missing(field) }
      return id
    }

    private func text(_ value: String?, _ field: String) throws(UnreadableMessage) -> String {
      guard let value else { throw .missing(field) }
      guard (1...PaymentInstruction.maximumSource).contains(value.utf8.count), !value.utf8.contains(0) else {
        throw UnreadableMessage("\(field) must have 1 to \(PaymentInstruction.maximumSource) bytes without NUL")
      }
      return value
    }
  }
}
