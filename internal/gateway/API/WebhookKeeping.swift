package import GatewayDomain
package import GatewayStore
package import Values

/// Webhook endpoints and what was sent to them, as `/v1` needs them. Callable on any thread.
package protocol WebhookKeeping: Sendable {
  /// The endpoints, by age.
  func endpoints(deadline: Instant) async throws(StoreTrouble) -> [StoredWebhookEndpoint]
  /// An endpoint; nil where there is none.
  func endpoint(_ id: UniqueID, deadline: Instant) async throws(StoreTrouble) -> StoredWebhookEndpoint?
  /// Adds an endpoint, unless the id is another's. Whatever commits after this has returned is told to it.
  func add(
    _ id: UniqueID, _ request: WebhookEndpointRequest, _ origin: WebhookSecretOrigin, deadline: Instant
  ) async throws(StoreTrouble) -> WebhookEndpointStore.Added
  /// Changes an endpoint; nil where there is none. Whatever commits after this has returned knows the change.
  func change(
    _ id: UniqueID, _ change: WebhookEndpointChange, deadline: Instant
  ) async throws(StoreTrouble) -> StoredWebhookEndpoint?
  /// Gives an endpoint another secret, unless it has had it as the last one or the one before; nil where there is no
  /// such endpoint.
  func rotate(
    _ id: UniqueID, _ origin: WebhookSecretOrigin, grace: Duration, deadline: Instant
  ) async throws(StoreTrouble) -> StoredWebhookEndpoint?
  /// Deletes an endpoint.
  /// - Returns: whether there was one.
  func delete(_ id: UniqueID, deadline: Instant) async throws(StoreTrouble) -> Bool
  /// Deliveries of an endpoint by descending id, one more than the limit when there are more.
  func deliveries(
    _ filter: WebhookDeliveryFilter, of endpoint: UniqueID, deadline: Instant
  ) async throws(StoreTrouble) -> [WebhookDelivery]
  /// A delivery with its attempts, the last one first; nil where there is none.
  func delivery(
    _ id: UniqueID, deadline: Instant
  ) async throws(StoreTrouble) -> (delivery: WebhookDelivery, attempts: [WebhookAttempt])?
  /// What was or will be sent of a payment and its refunds, in the order of their events.
  func deliveries(ofPayment id: UniqueID, deadline: Instant) async throws(StoreTrouble) -> [WebhookDelivery]
  /// Has a delivery sent again; false when it is not there, or its endpoint is not enabled.
  func redeliver(_ id: UniqueID, deadline: Instant) async throws(StoreTrouble) -> Bool
  /// Has failed deliveries of an endpoint sent again, as many as the time allows.
  func redeliverFailed(
    of endpoint: UniqueID, since: Timestamp?, deadline: Instant
  ) async throws(StoreTrouble) -> (count: Int, hasMore: Bool)
}
