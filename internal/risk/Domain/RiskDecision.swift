/// A decision about a payment.
public struct RiskDecision: Sendable, Hashable {
  /// How many reasons a decision has at most.
  public static let maximumReasons = 5
  /// The highest score.
  public static let maximumScore = 99

  /// What becomes of the payment.
  public let verdict: RiskVerdict
  /// How suspicious it is, from 0 to 99.
  public let score: Int
  /// Names of the rules that matched, those with most points first; or the list that the payment is on.
  public let reasons: [String]

  /// A decision.
  public init(verdict: RiskVerdict, score: Int, reasons: [String]) {
    self.verdict = verdict
    self.score = score
    self.reasons = reasons
  }
}
