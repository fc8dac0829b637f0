internal import GatewayAPI
internal import GatewayDomain
internal import GatewayStore
internal import GatewaySurfaces
internal import Postgres
internal import UserNames
internal import Values

/// What the transactions surface keeps, on the connections of two pools.
struct PooledTransactions: TransactionKeeping {
  let store: TransactionStore
  /// For what is a row or two.
  let writers: ConnectionPool
  /// For lists.
  let scanners: ConnectionPool

  func number(of user: UserName, deadline: Instant) async throws(StoreTrouble) -> Int64 {
    try await writers.ask(deadline) { [store] connection throws(DatabaseError) in
      try store.number(of: user, on: connection)
    }
  }

  func payments(
    of user: UserName, before: UniqueID?, limit: Int, deadline: Instant
  ) async throws(StoreTrouble) -> [GatewayPayment] {
    try await scanners.ask(deadline) { [store] connection throws(DatabaseError) in
      try store.payments(of: user, before: before, limit: limit, on: connection)
    }
  }
}

/// What the demo surface keeps, on the connections of two pools.
struct PooledDemo: DemoKeeping {
  let store: DemoStore
  let writers: ConnectionPool
  /// For lists.
  let scanners: ConnectionPool
  /// Called after commits that wrote messages.
  let onCommit: @Sendable () -> Void

  func add(_ user: DemoUser, deadline: Instant) async throws(StoreTrouble) -> DemoAdded {
    try await writers.ask(deadline) { [store] connection throws(DatabaseError) in
      try store.add(user, on: connection)
    }
  }

  func add(_ method: DemoMethod, deadline: Instant) async throws(StoreTrouble) -> DemoAdded {
    try await writers.ask(deadline) { [store] connection throws(DatabaseError) in
      try store.add(method, on: connection)
    }
  }

  func add(
    _ request: DemoRequest, checksIDs: Bool, traceparent: String?, deadline: Instant
  ) async throws(StoreTrouble) -> DemoAdded {
    let added = try await writers.ask(deadline) { [store] connection throws(DatabaseError) in
      try store.add(request, checksIDs: checksIDs, traceparent: traceparent, on: connection)
    }
    if added == .new { onCommit() }
    return added
  }

  func users(_ page: DemoPage, deadline: Instant) async throws(StoreTrouble) -> [DemoRow<DemoUser>] {
    try await scanners.ask(deadline) { [store] connection throws(DatabaseError) in
      try store.users(page, on: connection)
    }
  }

  func methods(_ page: DemoPage, deadline: Instant) async throws(StoreTrouble) -> [DemoRow<DemoMethod>] {
    try await scanners.ask(deadline) { [store] connection throws(DatabaseError) in
      try store.methods(page, on: connection)
    }
  }

  func requests(_ page: DemoPage, deadline: Instant) async throws(StoreTrouble) -> [DemoRow<DemoRequest>] {
    try await scanners.ask(deadline) { [store] connection throws(DatabaseError) in
      try store.requests(page, on: connection)
    }
  }
}
