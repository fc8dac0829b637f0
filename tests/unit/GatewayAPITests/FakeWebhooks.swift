import DirectDomain
import GatewayDomain
import Runtime
import Values

@testable import GatewayAPI
@testable import GatewayStore

/// Webhook endpoints and deliveries in memory.
final class FakeWebhooks: WebhookKeeping {
  struct State {
    var endpoints: [UniqueID: StoredWebhookEndpoint] = [:]
    var deliveries: [WebhookDelivery] = []
    var attempts: [WebhookAttempt] = []
  }
  let state = Monitor(State())
  static let moment = Timestamp(microseconds: 0)

  func endpoints(deadline: Instant) async throws(StoreTrouble) -> [StoredWebhookEndpoint] {
    state.withLock { $0.endpoints.values.sorted { $0.endpoint.id < $1.endpoint.id } }
  }

  func endpoint(_ id: UniqueID, deadline: Instant) async throws(StoreTrouble) -> StoredWebhookEndpoint? {
    state.withLock { $0.endpoints[id] }
  }

  func add(
    _ id: UniqueID, _ request: WebhookEndpointRequest, _ origin: WebhookSecretOrigin, deadline: Instant
  ) async throws(StoreTrouble) -> WebhookEndpointStore.Added {
    state.update { state in
      if let there = state.endpoints[id] { return there.endpoint.url == request.url ? .same(there) : .differs }
      guard state.endpoints.count < 3 else { return .tooMany }
      let made = Self.stored(
        WebhookEndpoint(
          id: id, url: request.url, events: request.events, description: request.description, state: .enabled,
          failingSince: nil, createdAt: Self.moment), origin)
      state.endpoints[id] = made
      return .new(made)
    }
  }

  private static func stored(_ endpoint: WebhookEndpoint, _ origin: WebhookSecretOrigin) -> StoredWebhookEndpoint {
    StoredWebhookEndpoint(endpoint: endpoint, origin: origin, oldOrigin: nil, oldUntil: nil, isDeleted: false)
  }

  func change(
    _ id: UniqueID, _ change: WebhookEndpointChange, deadline: Instant
  ) async throws(StoreTrouble) -> StoredWebhookEndpoint? {
    state.update { state in
      guard let there = state.endpoints[id] else { return nil }
      let old = there.endpoint
      let made = Self.stored(
        WebhookEndpoint(
          id: id, url: change.url ?? old.url, events: change.events ?? old.events,
          description: change.description ?? old.description,
          state: change.isEnabled == false ? .disabled(.asked, since: Self.moment) : .enabled, failingSince: nil,
          createdAt: old.createdAt), there.origin)
      state.endpoints[id] = made
      return made
    }
  }

  func rotate(
    _ id: UniqueID, _ origin: WebhookSecretOrigin, grace: Duration, deadline: Instant
  ) async throws(StoreTrouble) -> StoredWebhookEndpoint? {
    state.update { state in
      guard let there = state.endpoints[id] else { return nil }
      if there.origin == origin { return there }
      let made = StoredWebhookEndpoint(
        endpoint: there.endpoint, origin: origin, oldOrigin: there.origin, oldUntil: Self.moment + grace,
        isDeleted: false)
      state.endpoints[id] = made
      return made
    }
  }

  func delete(_ id: UniqueID, deadline: Instant) async throws(StoreTrouble) -> Bool {
    state.update { $0.endpoints.removeValue(forKey: id) } != nil
  }

  func deliveries(
    _ filter: WebhookDeliveryFilter, of endpoint: UniqueID, deadline: Instant
  ) async throws(StoreTrouble) -> [WebhookDelivery] {
    let found = state.withLock { $0.deliveries }.filter { delivery in
      delivery.endpointID == endpoint && (filter.status.map { $0 == delivery.outcome.word } ?? true)
        && (filter.after.map { delivery.id < $0.id } ?? true)
    }
    return Array(found.sorted { $0.id > $1.id }.prefix(filter.limit + 1))
  }

  func delivery(
    _ id: UniqueID, deadline: Instant
  ) async throws(StoreTrouble) -> (delivery: WebhookDelivery, attempts: [WebhookAttempt])? {
    state.withLock { state in state.deliveries.first { $0.id == id }.map { ($0, state.attempts) } }
  }

  func deliveries(ofPayment id: UniqueID, deadline: Instant) async throws(StoreTrouble) -> [WebhookDelivery] {
    state.withLock { $0.deliveries.filter { $0.event.paymentID == id } }
  }

  func redeliver(_ id: UniqueID, deadline: Instant) async throws(StoreTrouble) -> Bool {
    state.withLock { state in
      state.deliveries.first { $0.id == id }.map { state.endpoints[$0.endpointID]?.endpoint.state == .enabled } ?? false
    }
  }

  func redeliverFailed(
    of endpoint: UniqueID, since: Timestamp?, deadline: Instant
  ) async throws(StoreTrouble) -> (count: Int, hasMore: Bool) {
    (state.withLock { $0.deliveries.count }, false)
  }
}
