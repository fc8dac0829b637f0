package import GatewayAPI
package import GatewayDomain
package import GatewayStore
package import LedgerStore
package import Outbox
package import ProcessingStore
package import RiskStore
package import Values

/// An outbox at one moment.
package struct OutboxReport: Sendable, Hashable {
  /// Whose it is: the schema's name.
  package let name: String
  /// What waits and what the broker has refused.
  package let status: OutboxStatus
  /// Who publishes which part of it.
  package let holdings: [ShardHolding]
  /// Topics that wait on purpose.
  package let paused: [PausedTopic]
  /// The oldest of what waits.
  package let waiting: [EventSummary]
  /// The oldest of what the broker has refused.
  package let dead: [EventSummary]

  /// A report.
  package init(
    name: String, status: OutboxStatus, holdings: [ShardHolding], paused: [PausedTopic], waiting: [EventSummary],
    dead: [EventSummary]
  ) {
    self.name = name
    self.status = status
    self.holdings = holdings
    self.paused = paused
    self.waiting = waiting
    self.dead = dead
  }
}

/// What a person does about a dead letter. The raw values are those of forms.
package enum DeadLetterDecision: String, Sendable, Hashable {
  case requeue, discard
}

/// What operators see beside what `/v1` shows. Callable on any thread.
package protocol OperatorInsight: Sendable {
  /// What risk has decided about payments, and why a decision cannot be read.
  func decisions(_ payments: [UniqueID], deadline: Instant) async throws(StoreTrouble) -> [RiskDecisions.Entry]
  /// What payments and refunds have moved, oldest first.
  func transfers(of payments: [UniqueID], deadline: Instant) async throws(StoreTrouble) -> [WrittenTransfer]
  /// What was or will be told of a payment by webhooks, in the order of the events.
  func deliveries(of payment: UniqueID, deadline: Instant) async throws(StoreTrouble) -> [WebhookDelivery]
  /// What became of a payment's messages: events, dead letters, and what people decided about either. Today's events
  /// are looked for in the hour after `times`.
  /// - Parameter refunds: the payment's.
  func messages(
    of payment: UniqueID, refunds: [UniqueID], near times: [Timestamp], deadline: Instant
  ) async throws(StoreTrouble) -> [Story.Entry]
  /// What contradicts the books and waits for a person, oldest first.
  func exceptions(limit: Int, deadline: Instant) async throws(StoreTrouble) -> [OpenException]
  /// Messages of the pipeline that could not be used and wait for a person, oldest first.
  func deadLetters(limit: Int, deadline: Instant) async throws(StoreTrouble) -> [StoredDeadLetter]
  /// Has the message of a dead letter sent again, or discards it.
  /// - Returns: false when it does not wait any more, or has nothing to be sent.
  func decide(
    _ letter: Int64, _ decision: DeadLetterDecision, by person: String, deadline: Instant
  ) async throws(StoreTrouble) -> Bool
  /// The outboxes of this installation.
  func outboxes(deadline: Instant) async throws(StoreTrouble) -> [OutboxReport]
}

/// What the pages show, and what they do.
package struct PageSources: Sendable {
  let payments: any PaymentKeeping
  let desk: PaymentDesk
  let processor: any PaymentExecuting & RefundExecuting
  let trails: any TrailKeeping
  let accounts: any AccountKeeping
  let insight: any OperatorInsight
  let live: LiveFeed

  /// All of them.
  package init(
    payments: any PaymentKeeping, desk: PaymentDesk, processor: any PaymentExecuting & RefundExecuting,
    trails: any TrailKeeping, accounts: any AccountKeeping, insight: any OperatorInsight, live: LiveFeed
  ) {
    self.payments = payments
    self.desk = desk
    self.processor = processor
    self.trails = trails
    self.accounts = accounts
    self.insight = insight
    self.live = live
  }
}
