public import DirectDomain
public import Money
public import Values

/// What a payment is, as whoever takes it in says it: all that a row of it needs.
public struct PaymentTerms: Sendable, Hashable {
  /// Where the money comes from. Of a card there is nothing but the word.
  public enum Source: Sendable, Hashable {
    case card
    /// An account at a bank, by its number.
    case account(number: String)
    /// What the bank gave for an earlier charge.
    case token(String)
    /// An account of the ledger.
    case balance(accountID: UniqueID)
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

  /// Terms.
  public init(
    paymentID: UniqueID, userID: UniqueID, payeeID: UniqueID, source: Source, amount: Money, orderID: Int64?
  ) {
    self.paymentID = paymentID
    self.userID = userID
    self.payeeID = payeeID
    self.source = source
    self.amount = amount
    self.orderID = orderID
  }

  /// Those of a message.
  public init(_ instruction: PaymentInstruction) {
    let source: Source =
      switch instruction.source {
      case .account(let number): .account(number: number)
      case .token(let token): .token(token)
      case .balance(let accountID): .balance(accountID: accountID)
      }
    self.init(
      paymentID: instruction.paymentID, userID: instruction.userID, payeeID: instruction.payeeID, source: source,
      amount: instruction.amount, orderID: instruction.orderID)
  }

  /// How the payment is paid.
  public var method: PaymentMethod {
    switch source {
    case .card: .card
    case .account: .account
    case .token: .token
    case .balance: .balance
    }
  }

  /// What the column `source` holds.
  var sourceText: String? {
    switch source {
    case .account(let number): number
    case .token(let token): token
    case .card, .balance: nil
    }
  }
}
