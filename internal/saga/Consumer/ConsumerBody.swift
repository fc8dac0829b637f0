internal import Admin
internal import ClientSettings
internal import Errors
internal import Inbox
internal import Kafka
internal import Logger
internal import Metrics
internal import Outbox
internal import Postgres
internal import SagaSchema
public import SagaSettings
internal import SagaStore
public import Service
internal import Settings
internal import Values

/// The inside of `payments-consumer`: an inbox for inventory messages, and a notifier that wakes relays.
public final class ConsumerBody: ProgramBody {
  private let settings: ConsumerSettings
  private let database: ProgramDatabase
  private let context: ProgramContext

  /// Keeps the settings that the program uses.
  public init(_ settings: SagaSettings, _ context: ProgramContext) {
    self.settings = ConsumerSettings(settings)
    self.context = context
    database = ProgramDatabase(settings.database, program: context.program.name, metrics: context.metrics)
  }

  /// There is no API.
  public var neededForAPI: Set<String>? { nil }

  /// The one for the brokers.
  public var clientCertificates: [ClientCertificate] { [.kafka(settings.kafka.properties)].compactMap(\.self) }

  /// Nothing can be reloaded.
  public func reload() { context.logger.info("SIGHUP: nothing to reload") }

  /// Waits for the database.
  public func assemble() throws -> ProgramParts {
    let shards = try SagaSchema.wait(
      try database.configuration(role: "start-up"), runsJobs: false, logger: context.logger, stop: context.stop)
    let topics = TopicWait([settings.consumer.topic, settings.consumer.deadLetterTopic, settings.topic])
    let pool = ConnectionPool(
      configuration: try database.configuration(role: "notify"), size: 1, queueLimit: 16, name: "notify",
      logger: context.logger, metrics: context.metrics)
    let notifier = Notifier(channel: SagaSchema.outbox.channel, pool: pool, logger: context.logger)
    let filters = (0..<settings.consumer.parallelism).map { _ in FilterHealth() }
    let inbox = try makeInbox(shards, filters) { notifier.notify() }
    let probe = try database.startWriteProbe(tables: SagaSchema.written, logger: context.logger)
    let consuming = ServiceEntry.part { [context, settings] in
      let isThere = try topics.run(
        settings.kafka, program: context.program.name, logger: context.logger, stop: context.stop)
      guard isThere else { return }
      try inbox.start()
      context.logger.info("consuming", ["topic": .string(settings.consumer.topic)])
    } stop: { deadline in
      inbox.stop(until: deadline)
    }
    return ProgramParts(
      [.part(pool), .part(notifier), .part(probe), consuming],
      checks: makeChecks(topics, inbox, filters))
  }

  private func makeInbox(_ shards: ShardMap, _ filters: [FilterHealth], onCreated: @escaping @Sendable () -> Void)
    throws -> InboxConsumer<InventoryHandler>
  {
    let settings = settings
    let consumer = settings.consumer
    let logger = context.logger.labelled("redis")
    let metrics = context.metrics
    let tracer = context.tracer
    let others = OtherStatuses(logger: context.logger.labelled("consumer"))
    var inventory = PaymentTransactions(
      outbox: OutboxWriter(SagaSchema.outbox, shards: shards), topic: settings.topic, ttl: settings.timeToLive)
    inventory.changes = PaymentChanges(metrics)
    let transactions = inventory
    return InboxConsumer(
      InboxConfiguration(
        name: "inventory", topic: consumer.topic, group: consumer.group, deadLetterTopic: consumer.deadLetterTopic,
        batch: consumer.batch, parallelism: consumer.parallelism),
      kafka: settings.kafka.configuration(clientID: context.program.name),
      database: try database.indexed(role: "inventory", plansOnce: true), logger: context.logger.labelled("consumer"),
      metrics: metrics, stop: context.stop
    ) { lane in
      let filter =
        settings.redis.isEnabled
        ? try DuplicateFilter(
          dsn: settings.redis.dsn, group: consumer.group, timeToLive: settings.redis.timeToLive, logger: logger,
          metrics: metrics) : nil
      return InventoryHandler(
        triggerStatus: consumer.triggerStatus, transactions: transactions, filter: filter, health: filters[lane],
        tracer: tracer, others: others, onCreated: onCreated)
    }
  }

  /// PostgreSQL, Kafka and what keeps messages from coming; Redis for information only.
  private func makeChecks(
    _ topics: TopicWait, _ inbox: InboxConsumer<InventoryHandler>, _ filters: [FilterHealth]
  ) -> @Sendable () -> [ReadinessReport.Check] {
    { [database, settings] in
      // Before the topics are there nothing is asked of the database, and of the brokers only the topics.
      let waiting = topics.problem
      var checks = [
        ReadinessReport.Check(
          "postgres", isReady: waiting != nil || inbox.hasDatabase, problem: database.writes.problem),
        ReadinessReport.Check(
          "kafka", isReady: inbox.isConnected, problem: waiting ?? inbox.connectionProblem,
          detail: settings.kafka.brokers),
        ReadinessReport.Check("consuming", problem: waiting ?? inbox.consumingObstacle),
        ReadinessReport.Check("dead_letters", problem: waiting ?? inbox.buryingObstacle),
      ]
      if settings.redis.isEnabled {
        // Without the filter the program is slower and nothing else.
        let detail = filters.lazy.compactMap(\.problem).first.map { "\($0); the database decides alone" } ?? ""
        checks.append(ReadinessReport.Check("redis", isReady: true, detail: detail))
      }
      return checks
    }
  }
}
