public import DirectDomain
public import Money

/// A rule: its points are added to the score of each payment for which all its conditions hold.
public struct RiskRule: Sendable, Hashable {
  /// The reason that it gives.
  public let name: String
  /// From 1 to 99.
  public let points: Int
  /// Holds for payments of these methods.
  public let methods: Set<PaymentMethod>?
  /// Holds for an amount above that of its currency, in minor units; never for other currencies.
  public let amountAbove: [Currency: Int64]?

  /// A rule.
  public init(
    name: String, points: Int, methods: Set<PaymentMethod>? = nil, amountAbove: [Currency: Int64]? = nil
  ) {
    self.name = name
    self.points = points
    self.methods = methods
    self.amountAbove = amountAbove
  }

  func matches(_ facts: RiskFacts) -> Bool {
    if let methods, !methods.contains(facts.method) { return false }
    if let amountAbove {
      guard let limit = amountAbove[facts.amount.currency], facts.amount.minorUnits > limit else { return false }
    }
    return true
  }
}
