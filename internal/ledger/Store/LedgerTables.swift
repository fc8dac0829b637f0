internal import Postgres

/// The ledger's tables in a schema.
public struct LedgerTables: Sendable, Hashable {
  /// The tables as statements name them.
  let account: String
  let delta: String
  let transfer: String
  let block: String
  let accountDay: String

  /// - Parameter schema: its name as the catalogue has it, not quoted.
  public init(schema: String = "ledger") {
    let prefix = quoteIdentifier(schema)
    account = prefix + ".account"
    delta = prefix + ".account_delta"
    transfer = prefix + ".transfer"
    block = prefix + ".block"
    accountDay = prefix + ".account_day"
  }
}
