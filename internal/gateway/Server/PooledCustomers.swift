internal import GatewayAPI
internal import GatewayDomain
internal import GatewayStore
internal import Postgres
internal import Values

/// Users and payment methods in the gateway's database, on the connections of two pools.
struct PooledCustomers: CustomerKeeping {
  private let store: CustomerStore
  private let readers: ConnectionPool
  private let writers: ConnectionPool

  init(_ store: CustomerStore, readers: ConnectionPool, writers: ConnectionPool) {
    self.store = store
    self.readers = readers
    self.writers = writers
  }

  func add(_ user: GatewayUser, deadline: Instant) async throws(StoreTrouble) -> CustomerStore.Added {
    try await writers.ask(deadline) { [store] connection throws(DatabaseError) in
      try store.add(user, on: connection)
    }
  }

  func user(_ id: UniqueID, deadline: Instant) async throws(StoreTrouble) -> (user: GatewayUser, createdAt: Timestamp)?
  {
    try await readers.ask(deadline) { [store] connection throws(DatabaseError) in try store.user(id, on: connection) }
  }

  func users(
    _ filter: OwnedFilter, deadline: Instant
  ) async throws(StoreTrouble) -> [(user: GatewayUser, createdAt: Timestamp)] {
    try await readers.ask(deadline) { [store] connection throws(DatabaseError) in
      try store.users(filter, on: connection)
    }
  }

  func add(_ method: SavedMethod, deadline: Instant) async throws(StoreTrouble) -> CustomerStore.Added {
    try await writers.ask(deadline) { [store] connection throws(DatabaseError) in
      try store.add(method, on: connection)
    }
  }

  func method(
    _ id: UniqueID, deadline: Instant
  ) async throws(StoreTrouble) -> (method: SavedMethod, createdAt: Timestamp)? {
    try await readers.ask(deadline) { [store] connection throws(DatabaseError) in
      try store.method(id, on: connection)
    }
  }

  func methods(
    _ filter: OwnedFilter, deadline: Instant
  ) async throws(StoreTrouble) -> [(method: SavedMethod, createdAt: Timestamp)] {
    try await readers.ask(deadline) { [store] connection throws(DatabaseError) in
      try store.methods(filter, on: connection)
    }
  }

  func deleteMethod(_ id: UniqueID, deadline: Instant) async throws(StoreTrouble) -> Bool {
    try await writers.ask(deadline) { [store] connection throws(DatabaseError) in
      try store.deleteMethod(id, on: connection)
    }
  }
}
