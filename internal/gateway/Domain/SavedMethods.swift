internal import Cards
public import DirectDomain
public import Values

/// A user that the caller has told of. Payments need none: `user_id` is the caller's own.
public struct GatewayUser: Sendable, Hashable {
  /// The `user_id` of payments.
  public let id: UniqueID
  /// For people.
  public let name: String?
  /// The caller's own id.
  public let externalID: String?

  /// A user.
  public init(id: UniqueID, name: String?, externalID: String?) {
    self.id = id
    self.name = name
    self.externalID = externalID
  }
}

/// What `POST /v1/users` asks for.
public struct UserRequest: Sendable, Hashable {
  /// Nil where the gateway chooses one.
  public let id: UniqueID?
  /// At most 500 bytes, without a card number.
  public let name: String?
  /// 1 to 255 bytes.
  public let externalID: String?

  /// Reads a body; a field that it does not have is refused, and null counts as absent.
  public init(_ body: [UInt8]) throws(RequestFault) {
    var id: UniqueID?
    var name: String?
    var externalID: String?
    try SmallRequest.read(body, names: ["id", "name", "external_id"]) { (field, scanner) throws(JSONError) in
      switch field {
      case "id": id = try scanner.uniqueID()
      case "name": name = try scanner.string()
      default: externalID = try scanner.string()
      }
    }
    self.id = id
    self.name = try name.map { (text) throws(RequestFault) in
      let text = try RequestText.prose(text, "name")
      return try RequestText.name(text, "name")
    }
    self.externalID = try externalID.map { (text) throws(RequestFault) in try RequestText.name(text, "external_id") }
  }
}

/// An account or a bank's token that a user pays with again and again. Never a card.
public struct SavedMethod: Sendable, Hashable {
  /// What is charged.
  public enum Source: Sendable, Hashable {
    /// An account at a bank, by its number.
    case account(number: String)
    /// What the bank gave for an earlier charge.
    case token(String)

    /// How a payment with it is paid.
    public var method: PaymentMethod {
      switch self {
      case .account: .account
      case .token: .token
      }
    }

    /// The account number or the token; 1 to 255 bytes.
    public var text: String {
      switch self {
      case .account(let text), .token(let text): text
      }
    }

    /// A source as a table has it; nil for the others.
    public init?(_ method: String, _ text: String) {
      switch PaymentMethod(rawValue: method) {
      case .account: self = .account(number: text)
      case .token: self = .token(text)
      case .card, .balance, nil: return nil
      }
    }
  }

  /// Names it in payments.
  public let id: UniqueID
  /// Whose it is.
  public let userID: UniqueID
  /// What is charged. Not to be shown or logged.
  public let source: Source

  /// A method.
  public init(id: UniqueID, userID: UniqueID, source: Source) {
    self.id = id
    self.userID = userID
    self.source = source
  }
}

/// What `POST /v1/payment_methods` asks for.
public struct SavedMethodRequest: Sendable, Hashable {
  /// Whose it is.
  public let userID: UniqueID
  /// What is to be charged.
  public let source: SavedMethod.Source

  /// Reads a body; a field that it does not have is refused, and null counts as absent.
  public init(_ body: [UInt8]) throws(RequestFault) {
    let names = ["user_id", "type", "number", "token"]
    var userID: UniqueID?
    var texts: [String: String] = [:]
    try SmallRequest.read(body, names: names) { (field, scanner) throws(JSONError) in
      if field == "user_id" { userID = try scanner.uniqueID() } else { texts[field] = try scanner.string() }
    }
    guard let userID else { throw .missing("user_id") }
    self.userID = userID
    guard let type = texts["type"] else { throw .missing("type") }
    guard type == "account" || type == "token" else {
      throw RequestFault(.unknownMethod, "type", "expected account or token: a card is never kept")
    }
    let (wanted, other) = type == "account" ? ("number", "token") : ("token", "number")
    guard texts[other] == nil else { throw .unknown(other, in: nil, expected: ["user_id", "type", wanted]) }
    guard let text = texts[wanted] else { throw .missing(wanted) }
    let name = try RequestText.name(text, wanted)
    // Who sends a card's number here takes it for an account's. It would be kept.
    guard !containsCardNumber(name.utf8) else { throw .cardNumber(in: wanted) }
    source = type == "account" ? .account(number: name) : .token(name)
  }
}

/// Which users or payment methods to list, by ascending id.
public struct OwnedFilter: Sendable, Hashable {
  /// Those of this user, of payment methods.
  public var userID: UniqueID?
  /// Those with this id of the caller's own, of users.
  public var externalID: String?
  /// From 1 to `PaymentFilter.maximumLimit`.
  public var limit = PaymentFilter.defaultLimit
  /// Where the page before ended.
  public var after: PaymentCursor?

  /// Reads the parameters of a query.
  /// - Parameter parameter: `user_id`, which is then required, or `external_id`.
  public init(_ items: [(name: String, value: String)], by parameter: String) throws(RequestFault) {
    try QueryFields.read(items, names: [parameter, "limit", "after"]) { (name, value) throws(RequestFault) in
      switch name {
      case "user_id": userID = try QueryFields.value(UniqueID(value), name, "a UUID of 36 characters")
      case "external_id":
        let isName = (1...PaymentRequest.maximumName).contains(value.utf8.count) && !value.hasControlCharacter
        externalID = try QueryFields.value(isName ? value : nil, name, "1 to \(PaymentRequest.maximumName) bytes")
      case "limit": limit = try QueryFields.limit(value, name)
      default:
        guard let cursor = PaymentCursor(value) else {
          throw RequestFault(.invalidCursor, name, "expected the cursor of a page, as it was given")
        }
        after = cursor
      }
    }
    if parameter == "user_id", userID == nil {
      throw RequestFault(.invalidParameter, parameter, "expected the UUID of a user")
    }
  }
}
