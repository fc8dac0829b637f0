internal import Errors
internal import GRPC
package import Metrics
package import SagaDomain
internal import SagaMessages

/// CreatePayment, with an idempotency key or without.
package struct CreateHandler: Sendable {
  /// Says in the trailers that an answer was given before, to a call with the same key.
  static let replayed: Metadata = ["idempotency-replayed": "true"]

  private let store: any PaymentStore
  private let filter: ReplayFilter?
  private let fromRedis: Counter
  private let fromDatabase: Counter

  /// - Parameter filter: what may know a repeated call, which is then read instead of written; nil for none.
  package init(store: any PaymentStore, filter: ReplayFilter?, metrics: MetricsRegistry) {
    self.store = store
    self.filter = filter
    let replays = { (source: String) in
      metrics.counter(
        "idempotency_replays_total", help: "Calls answered with what their key was answered before.",
        labels: ["from": source])
    }
    fromRedis = replays("redis")
    fromDatabase = replays("postgres")
  }

  func create(_ request: PaymentsV1.CreatePaymentRequest, _ context: ServerContext) async throws -> PaymentsV1.Payment {
    try await answering { () throws(PaymentError) in
      let key = try IdempotencyKey.only(of: context.metadata.all(IdempotencyKey.field))
      let command = try CreateCommand(
        orderID: request.orderID, amountMinor: request.amountMinor, currency: request.currency, callKey: key,
        trace: context.trace, caller: context.caller)
      context.setDeadlineStatus(StatusMapping.openFate)
      guard let key else {
        return PaymentsV1.Payment(try await store.create(command, deadline: context.deadline).payment)
      }
      return try await create(command, under: key, context)
    }
  }

  private func create(_ command: CreateCommand, under key: IdempotencyKey, _ context: ServerContext)
    async throws(PaymentError) -> PaymentsV1.Payment
  {
    if let filter, await filter.hasSeen(key, fingerprint: command.fingerprint),
      let outcome = try await store.replay(command, deadline: context.deadline)
    {
      fromRedis.add()
      context.setTrailers(Self.replayed)
      return PaymentsV1.Payment(outcome.payment)
    }
    let outcome = try await store.create(command, deadline: context.deadline)
    if case .replayed = outcome {
      fromDatabase.add()
      context.setTrailers(Self.replayed)
    } else {
      filter?.remember(key, fingerprint: command.fingerprint)
    }
    return PaymentsV1.Payment(outcome.payment)
  }
}
