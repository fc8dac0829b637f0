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
  /// Holds when the user pays for the first time (`user`), or with this card or account (`card`, `account`).
  public let firstUse: RiskSubject?
  /// Holds when more was paid or failed lately.
  public let limit: RiskLimit?

  /// A rule.
  /// - Parameter firstUse: one of `RiskRules.remembered`.
  public init(
    name: String, points: Int, methods: Set<PaymentMethod>? = nil, amountAbove: [Currency: Int64]? = nil,
    firstUse: RiskSubject? = nil, limit: RiskLimit? = nil
  ) {
    self.name = name
    self.points = points
    self.methods = methods
    self.amountAbove = amountAbove
    self.firstUse = firstUse
    self.limit = limit
  }

  func matches(_ facts: RiskFacts, _ features: RiskFeatures) -> Bool {
    if let methods, !methods.contains(facts.method) { return false }
    if let amountAbove, !Self.isAbove(facts.amount.minorUnits, amountAbove[facts.amount.currency]) { return false }
    if let firstUse, !features.firstUse.contains(firstUse) { return false }
    return limit?.isExceeded(facts, features) ?? true
  }

  fileprivate static func isAbove(_ amount: Int64, _ limit: Int64?) -> Bool { limit.map { amount > $0 } ?? false }
}

/// How much may be paid, or how often it may fail, lately.
public struct RiskLimit: Sendable, Hashable {
  /// What is counted.
  public enum Measure: Sendable, Hashable {
    /// More payments than that, this one included, in whatever currency.
    case count(in: RiskWindow, above: Int64)
    /// A sum above that of the payment's currency, this payment included, in minor units; never for other currencies.
    case sum(in: RiskWindow, above: [Currency: Int64])
    /// More payments than that failed in the last ten minutes.
    case failures(above: Int64)
  }

  /// By what.
  public let subject: RiskSubject
  /// How much.
  public let measure: Measure

  /// A limit.
  /// - Parameter subject: for failures one of `RiskRules.blamed`.
  public init(_ subject: RiskSubject, _ measure: Measure) {
    self.subject = subject
    self.measure = measure
  }

  fileprivate func isExceeded(_ facts: RiskFacts, _ features: RiskFeatures) -> Bool {
    switch measure {
    case .failures(let above): return features.failures[subject, default: 0] > above
    case .count(let window, let above):
      // A payment that has no such subject, such as a balance payment no card, is not counted by it.
      guard let usage = features.usage[subject] else { return false }
      return usage[window].count.adding(saturating: 1) > above
    case .sum(let window, let above):
      guard let usage = features.usage[subject] else { return false }
      let sum = usage[window].sum.adding(saturating: facts.amount.minorUnits)
      return RiskRule.isAbove(sum, above[facts.amount.currency])
    }
  }
}
