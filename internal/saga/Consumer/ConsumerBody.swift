public import Admin
internal import Errors
internal import Inbox
internal import Kafka
internal import Logger
internal import Metrics
internal import Outbox
internal import Postgres
internal import SagaSettings
internal import SagaStore
public import Service
internal import Settings
internal import Synchronization
internal import Values

/// The inside of `payments-consumer`: an inbox for inventory messages, and a notifier that wakes relays.
public final class ConsumerBody: ProgramBody {
  private struct Parts {
    var inbox: InboxConsumer<InventoryHandler>
    var filters: [FilterHealth]
    var pool: ConnectionPool
    var notifier: Notifier
    var probe: WriteProbe
  }

  private let context: ProgramContext
  private let parts = Mutex<Parts?>(nil)

  /// Prepares the program; it connects to nothing before `start`.
  public init(_ context: ProgramContext) { self.context = context }

  /// Waits for the database and the topics, then joins the consumer group.
  public func start() throws {
    let settings = context.settings
    let shards = try context.waitForDatabase(runsJobs: false)
    let topics = [settings.consumer.topic, settings.consumer.deadLetterTopic, settings.producer.topic]
    guard try context.ensureTopics(topics) else { return }
    let pool = ConnectionPool(
      configuration: try context.database(role: "notify"), size: 1, queueLimit: 16, name: "notify",
      logger: context.logger, metrics: context.metrics)
    let notifier = Notifier(channel: Relay.channel, pool: pool, logger: context.logger)
    let filters = (0..<settings.consumer.parallelism).map { _ in FilterHealth() }
    let inbox = try makeInbox(shards, filters) { notifier.notify() }
    let probe = try context.startWriteProbe()
    parts.withLock { $0 = Parts(inbox: inbox, filters: filters, pool: pool, notifier: notifier, probe: probe) }
    notifier.start()
    try inbox.start()
    context.logger.info("consuming", ["topic": .string(settings.consumer.topic)])
  }

  private func makeInbox(_ shards: ShardMap, _ filters: [FilterHealth], onCreated: @escaping @Sendable () -> Void)
    throws -> InboxConsumer<InventoryHandler>
  {
    let settings = context.settings
    let consumer = settings.consumer
    let logger = context.logger.labelled("redis")
    let metrics = context.metrics
    let transactions = PaymentTransactions(
      outbox: OutboxWriter(shards: shards), topic: settings.producer.topic, ttl: settings.payment.timeToLive)
    return InboxConsumer(
      InboxConfiguration(
        name: "inventory", topic: consumer.topic, group: consumer.group, deadLetterTopic: consumer.deadLetterTopic,
        batch: consumer.batch, parallelism: consumer.parallelism),
      kafka: KafkaConfiguration(
        brokers: settings.kafka.brokers, clientID: settings.program.name, properties: settings.kafka.properties),
      database: try context.indexedDatabase(role: "inventory"), logger: context.logger.labelled("consumer"),
      metrics: metrics, stop: context.stop
    ) { lane in
      let filter =
        settings.redis.isEnabled
        ? try DuplicateFilter(
          dsn: settings.redis.dsn, group: consumer.group, timeToLive: settings.redis.timeToLive, logger: logger,
          metrics: metrics) : nil
      return InventoryHandler(
        triggerStatus: consumer.triggerStatus, transactions: transactions, filter: filter, health: filters[lane],
        onCreated: onCreated)
    }
  }

  /// Finishes the batches in flight and leaves the group.
  public func stop(grace: Duration) {
    guard let parts = parts.withLock({ $0 }) else { return }
    parts.inbox.stop(until: .now() + grace)
    parts.probe.stop()
    parts.notifier.stop()
    parts.pool.shutdown()
  }

  /// Nothing can be reloaded.
  public func reload() { context.logger.info("SIGHUP: nothing to reload") }

  private func check(_ name: String, _ obstacle: String?) -> ReadinessReport.Check {
    ReadinessReport.Check(name, isReady: obstacle == nil, detail: obstacle ?? "")
  }

  /// PostgreSQL, Kafka and what keeps messages from coming; Redis for information only.
  public var readiness: ReadinessReport {
    guard let parts = parts.withLock({ $0 }) else { return ReadinessReport([], isServing: false) }
    let inbox = parts.inbox
    var checks = [
      context.databaseCheck("postgres", hasSession: inbox.hasDatabase),
      ReadinessReport.Check("kafka", isReady: inbox.isConnected, detail: context.settings.kafka.brokers),
      check("consuming", inbox.consumingObstacle), check("dead_letters", inbox.buryingObstacle),
    ]
    if context.settings.redis.isEnabled {
      // Without the filter the program is slower and nothing else.
      let detail = parts.filters.allSatisfy(\.isReachable) ? "" : "away; the database decides alone"
      checks.append(ReadinessReport.Check("redis", isReady: true, detail: detail))
    }
    return ReadinessReport(checks, isServing: !context.stop.isStopped)
  }
}
