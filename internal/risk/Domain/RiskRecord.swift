public import Values

/// A decision with all that it was made of, as it is kept.
public struct RiskRecord: Sendable, Hashable {
  /// The payment.
  public let paymentID: UniqueID
  /// What was looked at of the payment.
  public let facts: RiskFacts
  /// The fingerprint by which the payment's card is counted, so that its failure can be counted later; no rule looks at
  /// it.
  public let card: [UInt8]?
  /// What was known beside it.
  public let evidence: RiskEvidence
  /// What was decided.
  public let decision: RiskDecision

  /// A record.
  public init(
    paymentID: UniqueID, facts: RiskFacts, card: [UInt8]? = nil, evidence: RiskEvidence, decision: RiskDecision
  ) {
    self.paymentID = paymentID
    self.facts = facts
    self.card = card
    self.evidence = evidence
    self.decision = decision
  }

  /// Decides once more.
  /// - Returns: nil when the rules come to the same score, reasons and verdict, else what they come to.
  public func replay(_ rules: RiskRules) -> RiskDecision? {
    let again = rules.decide(facts, evidence)
    return again == decision ? nil : again
  }
}
