public import RiskDomain
public import Values

/// A decision as its row has it.
public struct StoredDecision: Sendable, Hashable {
  /// The decision and what it was made of.
  public let record: RiskRecord
  /// The version of the rules.
  public let rules: String
  /// When it was made, by the database's clock.
  public let at: Timestamp
}
