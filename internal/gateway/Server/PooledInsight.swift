internal import GatewayAPI
internal import GatewayDomain
internal import GatewayPage
internal import GatewaySchema
internal import GatewayStore
internal import LedgerStore
internal import Outbox
internal import Postgres
internal import ProcessingSchema
internal import ProcessingStore
internal import RiskStore
internal import Values

/// What operators look at, on connections that no call waits for.
struct PooledInsight: OperatorInsight {
  /// The most events of an outbox that are shown.
  private static let mostEvents = 20
  /// How long after a change today's events are looked for: a page that is looked at again and again reads no whole
  /// day.
  private static let longestDelay = Duration.seconds(3_600)

  private let gateway: ConnectionPool
  private let writers: ConnectionPool
  private let processing: ConnectionPool
  private let outbox: OutboxWriter
  private let risk = RiskDecisions()
  private let ledger = PaymentTransfers()
  private let books = ExceptionStore()
  private let letters = DeadLetterStore(GatewayTables())
  private let webhooks = WebhookReader(GatewayTables())
  private let intakeStories = GatewayStories(GatewayTables(), outbox: GatewaySchema.outbox)
  private let processingStories = ProcessingStories(outbox: ProcessingSchema.outbox)
  private let gatewayOutbox = OutboxInspection(GatewaySchema.outbox)
  private let processingOutbox = OutboxInspection(ProcessingSchema.outbox)

  /// - Parameters:
  ///   - gateway: reads.
  ///   - writers: carry out what people decide about dead letters.
  ///   - outbox: the gateway's.
  init(gateway: ConnectionPool, writers: ConnectionPool, processing: ConnectionPool, outbox: OutboxWriter) {
    self.gateway = gateway
    self.writers = writers
    self.outbox = outbox
    self.processing = processing
  }

  func decisions(_ payments: [UniqueID], deadline: Instant) async throws(StoreTrouble) -> [RiskDecisions.Entry] {
    try await processing.ask(deadline) { [risk] connection throws(DatabaseError) in
      try risk.find(payments, on: connection)
    }
  }

  func transfers(of payments: [UniqueID], deadline: Instant) async throws(StoreTrouble) -> [WrittenTransfer] {
    try await processing.ask(deadline) { [ledger] connection throws(DatabaseError) in
      try ledger.find(payments, on: connection)
    }
  }

  func deliveries(of payment: UniqueID, deadline: Instant) async throws(StoreTrouble) -> [WebhookDelivery] {
    try await gateway.ask(deadline) { [webhooks] connection throws(DatabaseError) in
      try webhooks.deliveries(ofPayment: payment, on: connection)
    }
  }

  func messages(
    of payment: UniqueID, refunds: [UniqueID], near times: [Timestamp], deadline: Instant
  ) async throws(StoreTrouble) -> [Story.Entry] {
    let sent = try await gateway.ask(deadline) { [intakeStories] connection throws(DatabaseError) in
      try intakeStories.messages(of: payment, near: times, within: Self.longestDelay, on: connection)
    }
    return try await processing.ask(deadline) { [processingStories] connection throws(DatabaseError) in
      sent
        + (try processingStories.messages(
          of: [payment] + refunds, near: times, within: Self.longestDelay, on: connection))
    }
  }

  func exceptions(limit: Int, deadline: Instant) async throws(StoreTrouble) -> [OpenException] {
    try await processing.ask(deadline) { [books] connection throws(DatabaseError) in
      try books.list(limit: limit, on: connection)
    }
  }

  func deadLetters(limit: Int, deadline: Instant) async throws(StoreTrouble) -> [StoredDeadLetter] {
    try await gateway.ask(deadline) { [letters] connection throws(DatabaseError) in
      try letters.letters(limit: limit, on: connection)
    }
  }

  func decide(
    _ letter: Int64, _ decision: DeadLetterDecision, by person: String, deadline: Instant
  ) async throws(StoreTrouble) -> Bool {
    try await writers.ask(deadline) { [letters, outbox] connection throws(DatabaseError) in
      switch decision {
      case .requeue: try !letters.requeue(.one(letter), by: person, outbox: outbox, on: connection).isEmpty
      case .discard: try !letters.discard(.one(letter), by: person, on: connection).isEmpty
      }
    }
  }

  func outboxes(deadline: Instant) async throws(StoreTrouble) -> [OutboxReport] {
    [
      try await report(GatewaySchema.name, gatewayOutbox, gateway, deadline),
      try await report("processing", processingOutbox, processing, deadline),
    ]
  }

  private func report(
    _ name: String, _ outbox: OutboxInspection, _ pool: ConnectionPool, _ deadline: Instant
  ) async throws(StoreTrouble) -> OutboxReport {
    try await pool.ask(deadline) { connection throws(DatabaseError) in
      OutboxReport(
        name: name, status: try outbox.status(on: connection), holdings: try outbox.holdings(on: connection),
        paused: try outbox.pausedTopics(on: connection),
        waiting: try outbox.events(EventFilter(.waiting, limit: Self.mostEvents), on: connection),
        dead: try outbox.events(EventFilter(.dead, limit: Self.mostEvents), on: connection))
    }
  }
}
