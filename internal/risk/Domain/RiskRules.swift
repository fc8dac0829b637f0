/// A set of rules and the scores from which on they hold a payment up.
public struct RiskRules: Sendable, Hashable {
  /// The rules, in the order of their file.
  public let rules: [RiskRule]
  /// The score from which on a person decides.
  public let review: Int
  /// The score from which on a payment is blocked.
  public let block: Int

  /// The rules that are in force unless a file names others.
  public static let standard = RiskRules(rules: [])

  /// A set of rules.
  public init(rules: [RiskRule], review: Int = 65, block: Int = 75) {
    self.rules = rules
    self.review = review
    self.block = block
  }

  /// Decides about a payment: the same for the same arguments, bit for bit.
  public func decide(_ facts: RiskFacts) -> RiskDecision {
    let matching = rules.enumerated().filter { $0.element.matches(facts) }
    let score = min(RiskDecision.maximumScore, matching.reduce(0) { $0 + $1.element.points })
    let reasons = matching.sorted { (-$0.element.points, $0.offset) < (-$1.element.points, $1.offset) }
    return RiskDecision(
      verdict: score >= block ? .block : score >= review ? .review : .allow, score: score,
      reasons: reasons.prefix(RiskDecision.maximumReasons).map(\.element.name))
  }
}
