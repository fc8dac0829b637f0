public import Money
public import Values

/// A payment to be executed, as `direct.payments` carries it (api/topics/direct.payments.schema.json). Card payments
/// are no messages: their numbers travel in memory only.
public struct PaymentInstruction: Sendable, Hashable {
  /// The longest message that is read, in bytes.
  public static let maximumBytes = 16_384
  /// The longest account number and token, in bytes.
  public static let maximumSource = 255

  /// Where the money comes from.
  public enum Source: Sendable, Hashable {
    /// An account at a bank, by its number.
    case account(number: String)
    /// What the bank gave for an earlier charge.
    case token(String)
    /// An account of the ledger.
    case balance(accountID: UniqueID)

    /// How the payment is paid.
    public var method: PaymentMethod {
      switch self {
      case .account: .account
      case .token: .token
      case .balance: .balance
      }
    }
  }

  /// The payment.
  public let paymentID: UniqueID
  /// Who pays.
  public let userID: UniqueID
  /// Who is paid.
  public let payeeID: UniqueID
  /// Where the money comes from.
  public let source: Source
  /// Above zero.
  public let amount: Money
  /// The saga's order that it pays; above zero.
  public let orderID: Int64?
  /// When the gateway took it in.
  public let createdAt: Timestamp

  /// An instruction.
  public init(
    paymentID: UniqueID, userID: UniqueID, payeeID: UniqueID, source: Source, amount: Money, orderID: Int64?,
    createdAt: Timestamp
  ) {
    self.paymentID = paymentID
    self.userID = userID
    self.payeeID = payeeID
    self.source = source
    self.amount = amount
    self.orderID = orderID
    self.createdAt = createdAt
  }

  /// The message's value.
  public func payload() -> [UInt8] {
    JSONWriter.object(reserving: 384) { message in
      message.add("payment_id", paymentID)
      message.add("user_id", userID)
      message.add("payee_id", payeeID)
      message.add("method") { method in
        method.add("type", source.method.rawValue)
        switch source {
        case .account(let number): method.add("number", number)
        case .token(let token): method.add("token", token)
        case .balance(let accountID): method.add("account_id", accountID)
        }
      }
      message.add("amount_minor", amount.minorUnits)
      message.add("currency", amount.currency.code)
      if let orderID { message.add("order_id", orderID) }
      message.add("created_at", createdAt)
    }
  }
}
