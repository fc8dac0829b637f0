public import Cards
public import Money
public import Values

/// What `POST /v1/payments` asks for: fields that hold what they must. A card lies in locked memory beside them.
public struct PaymentRequest: Sendable {
  /// The longest body, in bytes.
  public static let maximumBytes = 65_536
  /// The highest amount, in minor units. Every reader of JSON holds 15 digits exactly, also one that reads numbers into
  /// doubles.
  public static let maximumAmount: Int64 = 999_999_999_999_999
  /// The longest `external_id`, account number and token, in bytes.
  public static let maximumName = 255
  /// The longest description, in bytes.
  public static let maximumDescription = 500

  /// What the money comes from.
  public enum Source: Sendable {
    /// A card, in memory only.
    case card(PaymentCard)
    /// An account at a bank, by its number.
    case account(number: String)
    /// What the bank gave for an earlier charge.
    case token(String)
    /// An account of the ledger.
    case balance(accountID: UniqueID)
    /// A payment method of the user's, which has to be looked up: `paid(with:)`.
    case saved(UniqueID)
  }

  /// What an installation adds to requests.
  public struct Rules: Sendable, Hashable {
    /// Who is paid where a request names nobody.
    public let merchant: UniqueID

    /// - Parameter merchant: who is paid where a request names nobody.
    public init(merchant: UniqueID) { self.merchant = merchant }
  }

  /// Who pays.
  public let userID: UniqueID
  /// Who is paid.
  public let payeeID: UniqueID
  /// Whether the request named who is paid.
  let namesPayee: Bool
  /// The caller's own id, 1 to 255 bytes.
  public let externalID: String?
  /// What the money comes from.
  public private(set) var source: Source
  /// The payment method that the request names.
  var savedMethod: UniqueID? = nil
  /// From 1 to `maximumAmount` minor units.
  public let amount: Money
  /// The saga's order that it pays; above zero.
  public let orderID: Int64?
  /// For people; at most 500 bytes.
  public let description: String?
  /// Whatever the caller wants to find again.
  public let metadata: PaymentMetadata
  /// The older surface on which it was asked for; nil for `/v1`.
  public private(set) var origin: PaymentOrigin? = nil

  /// The same, paid with what its payment method stands for. It stays the same request, whatever becomes of the method.
  public func paid(with method: SavedMethod) -> PaymentRequest {
    var request = self
    request.savedMethod = method.id
    request.source =
      switch method.source {
      case .account(let number): .account(number: number)
      case .token(let token): .token(token)
      }
    return request
  }

  /// The card, of a payment by card.
  public var card: PaymentCard? {
    if case .card(let card) = source { card } else { nil }
  }
}

extension PaymentRequest {
  /// What an older surface was asked for; its fields are judged as those of `/v1` are.
  /// - Parameters:
  ///   - merchant: who is paid.
  ///   - amount: minor units.
  /// - Throws: the field that is wrong, by its name in `/v1`.
  public init(
    from origin: PaymentOrigin, userID: UniqueID, merchant: UniqueID, source: Source, amount: Money,
    externalID: String? = nil, description: String? = nil
  ) throws(RequestFault) {
    guard merchant != userID else {
      throw RequestFault(.payerIsPayee, "user_id", "expected a payer other than the payee")
    }
    if case .account(let number) = source { _ = try RequestText.account(number, "method.number") }
    self.init(
      userID: userID, payeeID: merchant, namesPayee: false,
      externalID: try externalID.map { (id) throws(RequestFault) in try RequestText.name(id, "external_id") },
      source: source, amount: Money(minorUnits: try MoneyFields.minorUnits(amount.minorUnits), amount.currency),
      orderID: nil,
      description: try description.map { (text) throws(RequestFault) in
        try RequestText.prose(text, "description")
      }, metadata: .empty, origin: origin)
  }
}
