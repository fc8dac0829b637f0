public import DirectDomain
public import Money
public import Values

/// What a payment is, as whoever takes it in says it: all that a row of it needs.
public struct PaymentTerms: Sendable, Hashable {
  /// The payment.
  public let paymentID: UniqueID
  /// Who pays.
  public let userID: UniqueID
  /// Who is paid.
  public let payeeID: UniqueID
  /// Where the money comes from; nil for a card.
  public let source: PaymentInstruction.Source?
  /// Above zero.
  public let amount: Money
  /// The saga's order that it pays; above zero.
  public let orderID: Int64?

  /// Terms.
  public init(
    paymentID: UniqueID, userID: UniqueID, payeeID: UniqueID, source: PaymentInstruction.Source?, amount: Money,
    orderID: Int64?
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
    self.init(
      paymentID: instruction.paymentID, userID: instruction.userID, payeeID: instruction.payeeID,
      source: instruction.source, amount: instruction.amount, orderID: instruction.orderID)
  }

  /// How the payment is paid.
  public var method: PaymentMethod { source?.method ?? .card }

  /// What the column `source` holds.
  var sourceText: String? {
    switch source {
    case .account(let number): number
    case .token(let token): token
    case .balance, nil: nil
    }
  }
}
