internal import GatewayDomain
internal import GatewayStore
internal import Logger
internal import Metrics
internal import Postgres
internal import Runtime
internal import Values

/// Leases, and endpoints that are told of nothing.
extension WebhookDispatcher {
  /// Deliveries that are shown as failed in one transaction.
  private static let closeLimit = 1_000

  /// Takes and renews leases, reads the endpoints, and shows as failed what waits for those that are disabled.
  /// - Returns: false when more is left to be done at once.
  func care() throws(DatabaseError) -> Bool {
    let began = Instant.now()
    let leased = try connection.use { [queue, owner, secrets] connection throws(DatabaseError) in
      try queue.lease(owner, keys: secrets.keyIDs, for: Self.lease, on: connection)
    }
    complain(leased.unreadable, "the row of a webhook endpoint cannot be read; nothing is sent to it")
    complain(leased.unknown, "WEBHOOK_SECRET_KEYS lacks the key of an endpoint; this gateway sends nothing to it")
    take(leased, at: began)
    let isDone = try close(
      leased.endpoints.filter { $0.isDeleted || $0.endpoint.state != .enabled }.map(\.endpoint.id))
    // Of all endpoints: nobody may be sending to some.
    metrics.oldest.set(
      try connection.use { [queue] connection throws(DatabaseError) in
        try queue.oldest(of: leased.enabled, on: connection)
      })
    return isDone
  }

  /// Shows as failed what waits for endpoints that are told of nothing.
  /// - Returns: false when more is left.
  private func close(_ endpoints: [UniqueID]) throws(DatabaseError) -> Bool {
    guard !endpoints.isEmpty else { return true }
    let calling = state.withLock { $0.lanes.underWay(of: endpoints) }
    let closed = try connection.use { [queue] connection throws(DatabaseError) in
      try queue.close(endpoints, but: calling, limit: Self.closeLimit, on: connection)
    }
    metrics.givenUp.add(closed)
    return closed < Self.closeLimit
  }

  private func take(_ leased: WebhookQueue.Leased, at began: Instant) {
    var targets: [UniqueID: Target] = [:]
    var failing: Set<UniqueID> = []
    for stored in leased.endpoints where !stored.isDeleted && stored.endpoint.state == .enabled {
      guard let target = target(stored) else { continue }
      targets[stored.endpoint.id] = target
      if stored.endpoint.failingSince != nil { failing.insert(stored.endpoint.id) }
    }
    state.withLock { state in
      for (id, target) in targets where state.targets[id] != target { state.lanes.restart(id) }
      state.targets = targets
      // What has ended and is not recorded tells more than the table.
      state.failing = failing.union(state.failing.intersection(targets.keys))
      state.failingElsewhere = leased.failing.subtracting(targets.keys).count
      state.lanes.open(Set(targets.keys))
      state.leasedUntil = began + Self.lease
      state.hasOthers = leased.enabled.count > targets.count
    }
    showFailing()
  }

  func showFailing() {
    metrics.failing.set(Double(state.withLock { $0.failing.count + $0.failingElsewhere }))
  }

  /// - Returns: nil where nothing can be signed for it.
  private func target(_ stored: StoredWebhookEndpoint) -> Target? {
    let id = stored.endpoint.id
    guard let secret = secrets.secret(of: id, stored.origin) else { return nil }
    let old = stored.oldOrigin.flatMap { secrets.secret(of: id, $0) }
    return Target(url: stored.endpoint.url, secrets: [secret] + (old.map { [$0] } ?? []))
  }

  private func complain(_ endpoints: [UniqueID], _ words: String) {
    for id in endpoints where told.withLock({ $0.count < 10_000 && $0.insert(id).inserted }) {
      logger.error(words, ["webhook_id": .describing(id)])
    }
  }
}
