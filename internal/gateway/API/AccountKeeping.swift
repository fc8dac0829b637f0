package import LedgerStore
package import Money
package import Values

/// The accounts of users, as `/v1/accounts` needs them. Callable on any thread.
package protocol AccountKeeping: Sendable {
  /// Opens the account of a user in a currency, unless there is one.
  func open(
    owner: UniqueID, _ currency: Currency, deadline: Instant
  ) async throws(StoreTrouble) -> (account: Account, isNew: Bool)
  /// An account of a user, with what it had just before a moment or, without one, with what it has now; nil where there
  /// is none.
  func find(_ id: UniqueID, before moment: Timestamp?, deadline: Instant) async throws(StoreTrouble) -> Account?
  /// The accounts of a user, by currency.
  func list(owner: UniqueID, deadline: Instant) async throws(StoreTrouble) -> [Account]
  /// Moves money from outside onto an account or back, once for each id.
  func move(_ movement: ExternalMovement, deadline: Instant) async throws(StoreTrouble) -> ExternalMovementResult
  /// What happened on an account, newest first.
  func entries(
    of account: UniqueID, from: Timestamp?, until: Timestamp?, after: EntryCursor?, limit: Int, deadline: Instant
  ) async throws(StoreTrouble) -> [AccountEntry]
}
