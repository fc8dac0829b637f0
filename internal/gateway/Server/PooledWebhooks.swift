internal import GatewayAPI
internal import GatewayDomain
internal import GatewayStore
internal import Postgres
internal import Values

/// Webhook endpoints and deliveries in the gateway's database, on the connections of two pools.
struct PooledWebhooks: WebhookKeeping {
  /// How often is looked whether transactions have ended that know an endpoint as it was.
  private static let lookInterval = Duration.milliseconds(5)
  /// How long before the caller's deadline no more deliveries are put into the queue.
  private static let reserve = Duration.seconds(5)

  private let store: WebhookEndpointStore
  private let reader: WebhookReader
  private let readers: ConnectionPool
  private let writers: ConnectionPool
  private let onQueued: @Sendable () -> Void

  /// - Parameter onQueued: called after deliveries were put into the queue again.
  init(
    _ tables: GatewayTables, readers: ConnectionPool, writers: ConnectionPool, onQueued: @escaping @Sendable () -> Void
  ) {
    store = WebhookEndpointStore(tables)
    reader = WebhookReader(tables)
    self.readers = readers
    self.writers = writers
    self.onQueued = onQueued
  }

  // MARK: - Endpoints

  func endpoints(deadline: Instant) async throws(StoreTrouble) -> [StoredWebhookEndpoint] {
    try await readers.ask(deadline) { [store] connection throws(DatabaseError) in try store.all(on: connection) }
  }

  func endpoint(_ id: UniqueID, deadline: Instant) async throws(StoreTrouble) -> StoredWebhookEndpoint? {
    try await readers.ask(deadline) { [store] connection throws(DatabaseError) in
      try store.endpoint(id, on: connection)
    }
  }

  func add(
    _ id: UniqueID, _ request: WebhookEndpointRequest, _ origin: WebhookSecretOrigin, deadline: Instant
  ) async throws(StoreTrouble) -> WebhookEndpointStore.Added {
    let added = try await writers.ask(deadline) { [store] connection throws(DatabaseError) in
      try store.add(id, request, origin, on: connection)
    }
    try await settle(deadline)
    return added
  }

  func change(
    _ id: UniqueID, _ change: WebhookEndpointChange, deadline: Instant
  ) async throws(StoreTrouble) -> StoredWebhookEndpoint? {
    let changed = try await writers.ask(deadline) { [store] connection throws(DatabaseError) in
      try store.change(id, change, on: connection)
    }
    try await settle(deadline)
    return changed
  }

  /// Waits for the transactions that may have read the endpoints before they were changed: what they commit is told
  /// nobody of the change.
  private func settle(_ deadline: Instant) async throws(StoreTrouble) {
    var left = try await readers.ask(deadline) { [store] connection throws(DatabaseError) in
      try store.writers(on: connection)
    }
    while !left.isEmpty {
      guard Instant.now() + Self.lookInterval < deadline else { throw .outcomeUnknown }
      try? await Task.sleep(for: Self.lookInterval)
      left = try await readers.ask(deadline) { [store, left] connection throws(DatabaseError) in
        try store.writers(among: left, on: connection)
      }
    }
  }

  func rotate(
    _ id: UniqueID, _ origin: WebhookSecretOrigin, grace: Duration, deadline: Instant
  ) async throws(StoreTrouble) -> StoredWebhookEndpoint? {
    try await writers.ask(deadline) { [store] connection throws(DatabaseError) in
      try store.rotate(id, origin, grace: grace, on: connection)
    }
  }

  func delete(_ id: UniqueID, deadline: Instant) async throws(StoreTrouble) -> Bool {
    try await writers.ask(deadline) { [store] connection throws(DatabaseError) in
      try store.delete(id, on: connection)
    }
  }

  // MARK: - Deliveries

  func deliveries(
    _ filter: WebhookDeliveryFilter, of endpoint: UniqueID, deadline: Instant
  ) async throws(StoreTrouble) -> [WebhookDelivery] {
    try await readers.ask(deadline) { [reader] connection throws(DatabaseError) in
      try reader.list(filter, of: endpoint, on: connection)
    }
  }

  func delivery(
    _ id: UniqueID, deadline: Instant
  ) async throws(StoreTrouble) -> (delivery: WebhookDelivery, attempts: [WebhookAttempt])? {
    try await readers.ask(deadline) {
      [reader] connection throws(DatabaseError) -> (delivery: WebhookDelivery, attempts: [WebhookAttempt])? in
      guard let delivery = try reader.delivery(id, on: connection) else { return nil }
      return (delivery, try reader.attempts(of: id, on: connection))
    }
  }

  func deliveries(ofPayment id: UniqueID, deadline: Instant) async throws(StoreTrouble) -> [WebhookDelivery] {
    try await readers.ask(deadline) { [reader] connection throws(DatabaseError) in
      try reader.deliveries(ofPayment: id, on: connection)
    }
  }

  func redeliver(_ id: UniqueID, deadline: Instant) async throws(StoreTrouble) -> Bool {
    let isQueued = try await writers.ask(deadline) { [reader] connection throws(DatabaseError) in
      try reader.redeliver(id, on: connection)
    }
    if isQueued { onQueued() }
    return isQueued
  }

  func redeliverFailed(
    of endpoint: UniqueID, since: Timestamp?, deadline: Instant
  ) async throws(StoreTrouble) -> (count: Int, hasMore: Bool) {
    var count = 0
    while true {
      let page = try await writers.ask(deadline) { [reader] connection throws(DatabaseError) in
        try reader.redeliverFailed(of: endpoint, since: since, on: connection)
      }
      count += page
      if page > 0 { onQueued() }
      if page < WebhookReader.pageSize { return (count, false) }
      if Instant.now() + Self.reserve > deadline { return (count, true) }
    }
  }
}
