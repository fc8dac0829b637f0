public import DirectDomain
public import Money
internal import RiskDomain
internal import RiskStore
public import Values

/// A payment to be claimed, as its instruction says.
public struct NewPayment: Sendable, Hashable {
  /// The payment, and the bank's operation id.
  public let id: UniqueID
  /// How it is paid.
  public let method: PaymentMethod
  /// How much; above zero.
  public let amount: Money
  /// The account that pays: the payer's of a balance payment, else the clearing account.
  public let debit: UniqueID
  /// The account that is paid.
  public let credit: UniqueID
  /// Who pays.
  public let userID: UniqueID
  /// Who is paid.
  public let payeeID: UniqueID
  /// The account number or the bank's token; nil for cards and balances.
  public let source: String?
  /// The saga's order that it pays.
  public let orderID: Int64?
  /// What risk knows a card by, under each signing key, the one that it is counted by first; empty for other methods.
  public let cardFingerprints: [[UInt8]]
  /// Whether to carry out `ask` when risk allows it: the caller has a slot of the bank, or the payment needs none.
  public let asks: Bool

  /// A payment.
  public init(
    id: UniqueID, method: PaymentMethod, amount: Money, debit: UniqueID, credit: UniqueID, userID: UniqueID,
    payeeID: UniqueID, source: String?, orderID: Int64?, cardFingerprints: [[UInt8]] = [], asks: Bool
  ) {
    self.id = id
    self.method = method
    self.amount = amount
    self.debit = debit
    self.credit = credit
    self.userID = userID
    self.payeeID = payeeID
    self.source = source
    self.orderID = orderID
    self.cardFingerprints = cardFingerprints
    self.asks = asks
  }

  /// What risk looks at.
  var risk: RiskPayment {
    RiskPayment(
      id: id, facts: RiskFacts(method: method, amount: amount), userID: userID, payeeID: payeeID,
      cardFingerprints: cardFingerprints, account: method == .account ? source : nil)
  }
}
