public import Values

/// A payment to decide about.
public struct RiskPayment: Sendable, Hashable {
  /// The payment.
  public let id: UniqueID
  /// What rules look at of it.
  public let facts: RiskFacts
  /// What it is counted and listed by: at most one of each subject.
  public let keys: [RiskKey]
  /// What the same subjects were counted and listed by before, as under an earlier signing key: looked at like `keys`,
  /// and never counted.
  public let earlierKeys: [RiskKey]

  /// A payment.
  public init(id: UniqueID, facts: RiskFacts, keys: [RiskKey], earlierKeys: [RiskKey] = []) {
    self.id = id
    self.facts = facts
    self.keys = keys
    self.earlierKeys = earlierKeys
  }

  /// Who pays.
  var user: RiskKey? { keys.first { $0.subject == .user } }

  /// All that is looked at.
  public var allKeys: [RiskKey] { keys + earlierKeys }
}
