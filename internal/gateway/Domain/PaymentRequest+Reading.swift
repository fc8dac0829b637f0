internal import Cards
internal import DirectDomain
public import Values

extension PaymentRequest {
  /// Reads a body.
  ///
  /// A field that no request has is refused: with a misspelt `order_id` a payment would be taken without its order.
  /// null counts as absent. The caller zeroes the body when it is done: it may hold a card number.
  /// - Parameters:
  ///   - now: the moment at which a card must be valid.
  ///   - allowsExpired: whether the card may have been valid before that only, as that of a repetition.
  public init(_ body: [UInt8], rules: Rules, now: Timestamp, allowsExpired: Bool = false) throws(RequestFault) {
    self = try RequestFields(body).request(rules, now, allowsExpired)
  }
}

/// The fields as they were found: of the right types, and not looked at otherwise.
private struct RequestFields {
  static let names = [
    "user_id", "payee_id", "external_id", "method", "amount", "currency", "description", "order_id", "metadata",
  ]

  var userID: UniqueID?
  var payeeID: UniqueID?
  var externalID: String?
  var method: MethodFields?
  var amount: Int64?
  var currency: String?
  var description: String?
  var orderID: Int64?
  var metadata = PaymentMetadata.empty

  init(_ body: [UInt8]) throws(RequestFault) {
    var scanner = try Self.reading { () throws(JSONError) in
      try JSONScanner(body, maximumBytes: PaymentRequest.maximumBytes, maximumDepth: 16)
    }
    try Self.reading { () throws(JSONError) in try scanner.beginObject() }
    while let name = try Self.reading({ () throws(JSONError) in try scanner.nextKey() }) {
      try read(name, &scanner)
    }
    try Self.reading { () throws(JSONError) in try scanner.end() }
  }

  private mutating func read(_ name: String, _ scanner: inout JSONScanner) throws(RequestFault) {
    guard Self.names.contains(name) else { throw .unknown(name, in: nil, expected: Self.names) }
    if try Self.reading({ () throws(JSONError) in try scanner.null() }) { return }
    switch name {
    case "method": method = try MethodFields(&scanner)
    case "metadata": metadata = try PaymentMetadata(reading: &scanner)
    default:
      try Self.reading { () throws(JSONError) in
        switch name {
        case "user_id": userID = try scanner.uniqueID()
        case "payee_id": payeeID = try scanner.uniqueID()
        case "external_id": externalID = try scanner.string()
        case "amount": amount = try scanner.minorUnits(exponent: 0)
        case "currency": currency = try scanner.string()
        case "description": description = try scanner.string()
        default: orderID = try scanner.integer()
        }
      }
    }
  }

  private static func reading<Value>(_ read: () throws(JSONError) -> Value) throws(RequestFault) -> Value {
    do throws(JSONError) {
      return try read()
    } catch {
      throw RequestFault(error, in: nil, fields: names)
    }
  }

  func request(
    _ rules: PaymentRequest.Rules, _ now: Timestamp, _ allowsExpired: Bool
  ) throws(RequestFault) -> PaymentRequest {
    guard let userID else { throw .missing("user_id") }
    let payee = payeeID ?? rules.merchant
    guard payee != userID else {
      throw RequestFault(.payerIsPayee, "payee_id", "expected a payee other than the payer")
    }
    let money = try MoneyFields.money(amount, currency)
    if let orderID, orderID <= 0 { throw RequestFault(.invalidOrderID, "order_id", "expected an integer above zero") }
    let name = try externalID.map { (id) throws(RequestFault) in try RequestText.name(id, "external_id") }
    let prose = try description.map { (text) throws(RequestFault) in try RequestText.prose(text, "description") }
    guard let method else { throw .missing("method") }
    // Last, so that a card's secrets are looked at only for a request that is right otherwise.
    return PaymentRequest(
      userID: userID, payeeID: payee, namesPayee: payeeID != nil, externalID: name,
      source: try method.source(now, allowsExpired), amount: money, orderID: orderID, description: prose,
      metadata: metadata)
  }
}

/// The fields of `method` as they were found.
private struct MethodFields {
  private static let path = "method"
  private static let cardPath = "method.card"
  private static let names = ["type", "card", "number", "token", "account_id", "payment_method_id"]

  private var type: String?
  private var card: CardDetails?
  private var number: String?
  private var token: String?
  private var accountID: UniqueID?
  private var savedMethod: UniqueID?

  init(_ scanner: inout JSONScanner) throws(RequestFault) {
    try Self.reading { () throws(JSONError) in try scanner.beginObject() }
    while let name = try Self.reading({ () throws(JSONError) in try scanner.nextKey() }) {
      guard Self.names.contains(name) else { throw .unknown(name, in: Self.path, expected: Self.names) }
      if try Self.reading({ () throws(JSONError) in try scanner.null() }) { continue }
      if name == "card" {
        card = try Self.card(&scanner)
        continue
      }
      try Self.reading { () throws(JSONError) in
        switch name {
        case "type": type = try scanner.string()
        case "number": number = try scanner.string()
        case "token": token = try scanner.string()
        case "payment_method_id": savedMethod = try scanner.uniqueID()
        default: accountID = try scanner.uniqueID()
        }
      }
    }
  }

  private static func card(_ scanner: inout JSONScanner) throws(RequestFault) -> CardDetails {
    let fields = CardFault.Field.allCases.map(\.rawValue)
    let card: CardDetails
    do throws(JSONError) {
      card = try CardDetails(reading: &scanner)
    } catch {
      throw RequestFault(error, in: cardPath, fields: fields)
    }
    if let name = card.unknownField { throw .unknown(name, in: cardPath, expected: fields) }
    return card
  }

  private static func reading<Value>(_ read: () throws(JSONError) -> Value) throws(RequestFault) -> Value {
    do throws(JSONError) {
      return try read()
    } catch {
      throw RequestFault(error, in: path, fields: names)
    }
  }

  func source(_ now: Timestamp, _ allowsExpired: Bool) throws(RequestFault) -> PaymentRequest.Source {
    guard let type else { throw .missing("method.type") }
    if type == "saved" {
      try refuseOthers(than: "payment_method_id")
      guard let savedMethod else { throw .missing("method.payment_method_id") }
      return .saved(savedMethod)
    }
    guard let method = PaymentMethod(rawValue: type) else {
      let known = (PaymentMethod.allCases.map(\.rawValue) + ["saved"]).joined(separator: ", ")
      throw RequestFault(.unknownMethod, "method.type", "expected one of \(known)")
    }
    switch method {
    case .card:
      try refuseOthers(than: "card")
      guard let card else { throw .missing(Self.cardPath) }
      do throws(CardFault) {
        return .card(try PaymentCard(card, at: now, allowsExpired: allowsExpired))
      } catch {
        throw RequestFault(error, in: Self.cardPath)
      }
    case .account:
      try refuseOthers(than: "number")
      guard let number else { throw .missing("method.number") }
      return .account(number: try RequestText.account(number, "method.number"))
    case .token:
      try refuseOthers(than: "token")
      guard let token else { throw .missing("method.token") }
      return .token(try RequestText.name(token, "method.token"))
    case .balance:
      try refuseOthers(than: "account_id")
      guard let accountID else { throw .missing("method.account_id") }
      return .balance(accountID: accountID)
    }
  }

  /// A field of another type is a mistake about what will be charged.
  private func refuseOthers(than name: String) throws(RequestFault) {
    let given = [
      ("card", card != nil), ("number", number != nil), ("token", token != nil), ("account_id", accountID != nil),
      ("payment_method_id", savedMethod != nil),
    ]
    guard let other = given.first(where: { $0.1 && $0.0 != name }) else { return }
    throw .unknown(other.0, in: Self.path, expected: ["type", name])
  }
}
