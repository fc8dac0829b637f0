/// Risk's tables in a schema.
public struct RiskTables: Sendable, Hashable {
  /// - Parameter schema: its name as the catalogue has it, not quoted.
  public init(schema: String = "risk") {}
}
