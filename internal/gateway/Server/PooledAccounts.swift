internal import GatewayAPI
internal import LedgerStore
internal import Money
internal import Postgres
internal import Values

/// Accounts in processing's database, on the connections of a pool.
struct PooledAccounts: AccountKeeping {
  private let store: AccountStore
  private let pool: ConnectionPool

  init(_ store: AccountStore, _ pool: ConnectionPool) {
    self.store = store
    self.pool = pool
  }

  func open(
    owner: UniqueID, _ currency: Currency, deadline: Instant
  ) async throws(StoreTrouble) -> (account: Account, isNew: Bool) {
    let id = UniqueID.random()
    return try await pool.ask(deadline) { [store] connection throws(DatabaseError) in
      try store.open(owner: owner, currency, newID: id, on: connection)
    }
  }

  func find(
    _ id: UniqueID, before moment: Timestamp?, deadline: Instant
  ) async throws(StoreTrouble) -> Account? {
    let found = try await pool.ask(deadline) { [store] connection throws(DatabaseError) in
      try store.find(id, before: moment, on: connection)
    }
    // Our own accounts are nobody's.
    return found?.owner == nil ? nil : found
  }

  func list(owner: UniqueID, deadline: Instant) async throws(StoreTrouble) -> [Account] {
    try await pool.ask(deadline) { [store] connection throws(DatabaseError) in
      try store.list(owner: owner, on: connection)
    }
  }

  func move(_ movement: ExternalMovement, deadline: Instant) async throws(StoreTrouble) -> ExternalMovementResult {
    let results = try await pool.ask(deadline) { [store] connection throws(DatabaseError) in
      try store.move([movement], on: connection)
    }
    return results[0]
  }

  func entries(
    of account: UniqueID, from: Timestamp?, until: Timestamp?, after: EntryCursor?, limit: Int, deadline: Instant
  ) async throws(StoreTrouble) -> [AccountEntry] {
    try await pool.ask(deadline) { [store] connection throws(DatabaseError) in
      try store.entries(of: account, from: from, until: until, after: after, limit: limit, on: connection)
    }
  }
}
