internal import Postgres

/// Risk's tables in a schema.
public struct RiskTables: Sendable, Hashable {
  /// The tables as statements name them.
  let usage: String
  let listed: String
  let ruleSet: String
  let decision: String
  let scoredRequest: String

  /// - Parameter schema: its name as the catalogue has it, not quoted.
  public init(schema: String = "risk") {
    let prefix = quoteIdentifier(schema)
    usage = prefix + ".usage"
    listed = prefix + ".listed"
    ruleSet = prefix + ".rule_set"
    decision = prefix + ".decision"
    scoredRequest = prefix + ".scored_request"
  }
}
