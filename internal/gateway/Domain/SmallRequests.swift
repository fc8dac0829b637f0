public import Money
public import Values

/// What `POST /v1/accounts` asks for.
public struct AccountRequest: Sendable, Hashable {
  /// Whose account it is.
  public let userID: UniqueID
  /// The currency of all that goes to it and from it.
  public let currency: Currency

  /// Reads a body; a field that it does not have is refused, and null counts as absent.
  public init(_ body: [UInt8]) throws(RequestFault) {
    var userID: UniqueID?
    var currency: String?
    try SmallRequest.read(body, names: ["user_id", "currency"]) { (name, scanner) throws(JSONError) in
      if name == "user_id" { userID = try scanner.uniqueID() } else { currency = try scanner.string() }
    }
    guard let userID else { throw .missing("user_id") }
    self.userID = userID
    self.currency = try MoneyFields.currency(currency)
  }
}

/// What `POST /v1/accounts/{id}/topups` and `…/spends` ask for.
public struct MovementRequest: Sendable, Hashable {
  /// From 1 to `PaymentRequest.maximumAmount` minor units.
  public let amount: Money

  /// Reads a body; a field that it does not have is refused, and null counts as absent.
  public init(_ body: [UInt8]) throws(RequestFault) {
    var amount: Int64?
    var currency: String?
    try SmallRequest.read(body, names: ["amount", "currency"]) { (name, scanner) throws(JSONError) in
      if name == "amount" { amount = try scanner.minorUnits(exponent: 0) } else { currency = try scanner.string() }
    }
    self.amount = try MoneyFields.money(amount, currency)
  }
}

/// What `POST /v1/payments/{id}/review` asks for.
public struct ReviewRequest: Sendable, Hashable {
  /// Whether the payment goes on.
  public let approves: Bool

  /// Reads a body; a field that it does not have is refused.
  public init(_ body: [UInt8]) throws(RequestFault) {
    var decision: String?
    try SmallRequest.read(body, names: ["decision"]) { (_, scanner) throws(JSONError) in
      decision = try scanner.string()
    }
    switch decision {
    case nil: throw .missing("decision")
    case "approve": approves = true
    case "decline": approves = false
    default: throw RequestFault(.invalidText, "decision", "expected approve or decline")
    }
  }
}

/// What `POST /v1/payments/{id}/refunds` asks for.
public struct RefundRequest: Sendable, Hashable {
  /// From 1 to `PaymentRequest.maximumAmount` minor units of the payment's currency; nil for all that is left.
  public let amount: Int64?
  /// The caller's words: 1 to `PaymentRequest.maximumDescription` bytes.
  public let reason: String?

  /// Reads a body; a field that it does not have is refused, and null counts as absent.
  public init(_ body: [UInt8]) throws(RequestFault) {
    var amount: Int64?
    var reason: String?
    try SmallRequest.read(body, names: ["amount", "reason"]) { (name, scanner) throws(JSONError) in
      if name == "amount" { amount = try scanner.minorUnits(exponent: 0) } else { reason = try scanner.string() }
    }
    self.amount = try amount.map { (amount) throws(RequestFault) in try MoneyFields.minorUnits(amount) }
    let prose = try reason.map { (text) throws(RequestFault) in try RequestText.prose(text, "reason") }
    self.reason = prose.flatMap { $0.isEmpty ? nil : $0 }
  }
}

/// What calls ask for that have nothing to say: `POST /v1/payments/{id}/cancel`.
public enum EmptyRequest {
  /// Lets no body pass, and an empty object.
  public static func require(_ body: [UInt8]) throws(RequestFault) {
    if body.isEmpty { return }
    try SmallRequest.read(body, names: []) { (_, scanner) throws(JSONError) in try scanner.skipValue() }
  }
}

/// Of when the balance of an account is wanted.
public struct BalanceFilter: Sendable, Hashable {
  /// Just before this moment; nil for now.
  public var at: Timestamp?

  /// Reads the parameters of a query.
  /// - Parameter items: names and values, decoded. An unknown name, or one that comes twice, is refused.
  public init(_ items: [(name: String, value: String)]) throws(RequestFault) {
    try QueryFields.read(items, names: ["at"]) { (name, value) throws(RequestFault) in
      at = try QueryFields.moment(value, name)
    }
  }
}

/// Which entries of an account to list, newest first.
public struct EntryFilter: Sendable, Hashable {
  /// Written at this moment or later.
  public var from: Timestamp?
  /// Written before this moment.
  public var to: Timestamp?
  /// From 1 to `PaymentFilter.maximumLimit`.
  public var limit = PaymentFilter.defaultLimit
  /// The cursor of the page before, as it was given.
  public var after: String?

  private static let parameters = ["from", "to", "limit", "after"]

  /// Reads the parameters of a query.
  /// - Parameter items: names and values, decoded. An unknown name, or one that comes twice, is refused.
  public init(_ items: [(name: String, value: String)]) throws(RequestFault) {
    try QueryFields.read(items, names: Self.parameters) { (name, value) throws(RequestFault) in
      switch name {
      case "from": from = try QueryFields.moment(value, name)
      case "to": to = try QueryFields.moment(value, name)
      case "limit": limit = try QueryFields.limit(value, name)
      default: after = value
      }
    }
    try QueryFields.requireOrder(from, to)
  }
}

/// Reads an object of a few fields.
enum SmallRequest {
  static func read(
    _ body: [UInt8], names: [String], _ field: (String, inout JSONScanner) throws(JSONError) -> Void
  ) throws(RequestFault) {
    var unknown: String?
    do throws(JSONError) {
      var scanner = try JSONScanner(body, maximumBytes: PaymentRequest.maximumBytes, maximumDepth: 16)
      try scanner.beginObject()
      while unknown == nil, let name = try scanner.nextKey() {
        guard names.contains(name) else {
          unknown = name
          break
        }
        if try scanner.null() { continue }
        try field(name, &scanner)
      }
      if unknown == nil { try scanner.end() }
    } catch {
      throw RequestFault(error, in: nil, fields: names)
    }
    if let unknown { throw .unknown(unknown, in: nil, expected: names) }
  }
}
