internal import Cards
public import DirectDomain
public import Money
public import Values

/// A payment as the gateway keeps and shows it. It holds no card number, and of an account number or token its last
/// four characters.
public struct GatewayPayment: Sendable, Hashable {
  /// What is shown of where the money comes from.
  public enum Source: Sendable, Hashable {
    /// Brand and last four digits.
    case card(brand: String, last4: String)
    /// The number, but for its last four characters hidden.
    case account(masked: String)
    /// The token, but for its last four characters hidden.
    case token(masked: String)
    /// An account of the ledger.
    case balance(accountID: UniqueID)

    /// How the payment is paid.
    public var method: PaymentMethod {
      switch self {
      case .card: .card
      case .account: .account
      case .token: .token
      case .balance: .balance
      }
    }
  }

  /// A UUID of version 7 with the time of `createdAt`.
  public let id: UniqueID
  /// What became of it so far.
  public var standing: PaymentStanding
  /// Who pays.
  public let userID: UniqueID
  /// Who is paid.
  public let payeeID: UniqueID
  /// The API key that it was taken in under; nil where callers have none.
  public let apiKeyID: UniqueID?
  /// Where the money comes from.
  public let source: Source
  /// Above zero.
  public let amount: Money
  /// The saga's order that it pays.
  public let orderID: Int64?
  /// The caller's own id.
  public let externalID: String?
  /// For people.
  public let description: String?
  /// Whatever the caller wants to find again.
  public let metadata: PaymentMetadata
  /// The bank's token, once it has charged: pays from the same card or account again. Not to be logged.
  public var bankToken: String?
  /// When it was taken in, in whole milliseconds.
  public let createdAt: Timestamp
  /// The older surface on which it was asked for; nil for `/v1`.
  public var origin: PaymentOrigin?

  /// A payment as a table has it.
  public init(
    id: UniqueID, standing: PaymentStanding, userID: UniqueID, payeeID: UniqueID, apiKeyID: UniqueID?,
    source: Source, amount: Money, orderID: Int64?, externalID: String?, description: String?,
    metadata: PaymentMetadata, createdAt: Timestamp
  ) {
    self.id = id
    self.standing = standing
    self.userID = userID
    self.payeeID = payeeID
    self.apiKeyID = apiKeyID
    self.source = source
    self.amount = amount
    self.orderID = orderID
    self.externalID = externalID
    self.description = description
    self.metadata = metadata
    self.createdAt = createdAt
  }

  /// A payment that was just asked for. Its id and `createdAt` tell the same time, so that ids bound a list.
  public init(_ request: PaymentRequest, apiKeyID: UniqueID?, at now: Timestamp) {
    let moment = Timestamp(microseconds: now.microseconds - now.microseconds % 1_000)
    self.init(
      id: .ordered(at: moment), standing: PaymentStanding(createdAt: moment), userID: request.userID,
      payeeID: request.payeeID, apiKeyID: apiKeyID, source: Source(request.source), amount: request.amount,
      orderID: request.orderID, externalID: request.externalID, description: request.description,
      metadata: request.metadata, createdAt: moment)
    origin = request.origin
  }

  /// Its representation in `/v1`, with all fields in this order; what is absent is null.
  /// - Parameter showsToken: false for those who are told of payments and need not be able to pay.
  public func json(showsToken: Bool = true) -> [UInt8] {
    JSONWriter.object(reserving: 640) { payment in
      payment.add("id", id)
      payment.add("status", standing.state.rawValue)
      payment.add("reason", standing.reason?.rawValue)
      payment.add("version", standing.version)
      payment.add("user_id", userID)
      payment.add("payee_id", payeeID)
      payment.add("method") { method in
        method.add("type", source.method.rawValue)
        switch source {
        case .card(let brand, let last4):
          method.add("brand", brand)
          method.add("last4", last4)
        case .account(let masked): method.add("number", masked)
        case .token(let masked): method.add("token", masked)
        case .balance(let accountID): method.add("account_id", accountID)
        }
      }
      payment.add("amount", amount.minorUnits)
      payment.add("currency", amount.currency.code)
      payment.add("order_id", orderID)
      payment.add("external_id", externalID)
      payment.add("description", description)
      payment.add("metadata", metadata)
      payment.add("api_key_id", apiKeyID)
      if showsToken { payment.add("bank_token", bankToken) }
      payment.add("created_at", createdAt)
      payment.add("updated_at", max(standing.since, createdAt))
    }
  }
}

extension GatewayPayment.Source {
  /// What may be kept and shown of a request's source.
  public init(_ source: PaymentRequest.Source) {
    switch source {
    case .card(let card): self = .card(brand: card.brand.rawValue, last4: card.last4)
    case .account(let number): self = .account(masked: Self.mask(number))
    case .token(let token): self = .token(masked: Self.mask(token))
    case .balance(let accountID): self = .balance(accountID: accountID)
    case .saved: preconditionFailure("a payment method is looked up before its payment is made")
    }
  }

  /// What is shown of a payment method's account number or token.
  public static func masked(_ source: SavedMethod.Source) -> String { mask(source.text) }

  /// Four stars, and the last four characters of what has eight or more.
  static func mask(_ text: String) -> String { "****" + (text.count >= 8 ? text.suffix(4) : "") }
}
