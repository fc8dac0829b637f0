public import DirectDomain
public import Money
internal import Values

/// A rule: its points are added to the score of each payment for which all its conditions hold.
public struct RiskRule: Sendable, Hashable {
  /// The reason that it gives: 1 to 64 small letters, digits and underscores.
  public let name: String
  /// From 1 to 99.
  public let points: Int
  /// Holds for payments of these methods.
  public let methods: Set<PaymentMethod>?
  /// Holds for an amount above that of its currency, in minor units; never for other currencies.
  public let amountAbove: [Currency: Int64]?
  /// Holds when more was paid lately, this payment included.
  public let limit: RiskLimit?

  /// A rule.
  public init(
    name: String, points: Int, methods: Set<PaymentMethod>? = nil, amountAbove: [Currency: Int64]? = nil,
    limit: RiskLimit? = nil
  ) {
    self.name = name
    self.points = points
    self.methods = methods
    self.amountAbove = amountAbove
    self.limit = limit
  }

  func matches(_ facts: RiskFacts, _ features: RiskFeatures) -> Bool {
    if let methods, !methods.contains(facts.method) { return false }
    if let amountAbove, !Self.isAbove(facts.amount.minorUnits, amountAbove[facts.amount.currency]) { return false }
    return limit?.isExceeded(facts, features) ?? true
  }

  fileprivate static func isAbove(_ amount: Int64, _ limit: Int64?) -> Bool { limit.map { amount > $0 } ?? false }
}

/// How much may be paid in a window.
public struct RiskLimit: Sendable, Hashable {
  /// What is counted.
  public enum Measure: Sendable, Hashable {
    /// More payments than that, in whatever currency.
    case count(above: Int64)
    /// A sum above that of the payment's currency, in minor units; never for other currencies.
    case sum(above: [Currency: Int64])
  }

  /// By what.
  public let subject: RiskSubject
  /// How far back.
  public let window: RiskWindow
  /// How much.
  public let measure: Measure

  /// A limit.
  public init(_ subject: RiskSubject, _ window: RiskWindow, _ measure: Measure) {
    self.subject = subject
    self.window = window
    self.measure = measure
  }

  fileprivate func isExceeded(_ facts: RiskFacts, _ features: RiskFeatures) -> Bool {
    // A payment that has no such subject, such as a balance payment no card, is not counted by it.
    guard let usage = features.usage[subject] else { return false }
    switch measure {
    case .count(let above): return usage[window].count.adding(saturating: 1) > above
    case .sum(let above):
      let sum = usage[window].sum.adding(saturating: facts.amount.minorUnits)
      return RiskRule.isAbove(sum, above[facts.amount.currency])
    }
  }
}
