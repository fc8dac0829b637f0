public import Values

/// A payment to decide about.
public struct RiskPayment: Sendable, Hashable {
  /// The payment.
  public let id: UniqueID
  /// What rules look at of it.
  public let facts: RiskFacts
  /// What it is counted and listed by: at most one of each subject.
  public let keys: [RiskKey]

  /// A payment.
  public init(id: UniqueID, facts: RiskFacts, keys: [RiskKey]) {
    self.id = id
    self.facts = facts
    self.keys = keys
  }
}
