public import DirectDomain
public import Money

/// What rules look at of the payment itself.
public struct RiskFacts: Sendable, Hashable {
  /// How it is paid.
  public let method: PaymentMethod
  /// How much; above zero.
  public let amount: Money

  /// The facts of a payment.
  public init(method: PaymentMethod, amount: Money) {
    self.method = method
    self.amount = amount
  }
}
