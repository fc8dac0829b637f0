public import Admin
internal import Archive
public import ClientSettings
internal import Errors
internal import Inbox
internal import Kafka
internal import Logger
internal import Metrics
public import Outbox
internal import OutboxKafka
internal import Postgres
public import Runtime
internal import SagaDomain
internal import SagaSchema
internal import SagaSettings
internal import SagaStore
public import Service
internal import Settings
internal import Tracing
public import Values

/// The cron jobs of one process: the relay and the care of its outbox, and the expiry of payments.
///
/// Any number of processes may run them: leases share out the relay's work, expiry passes over what another process is
/// at, and whoever owns the tables takes care of their days.
public final class CronJobs: ServicePart {
  private let settings: CronSettings
  private let database: ProgramDatabase
  private let context: ProgramContext
  private let logger: Logger
  private let relay: KafkaRelay
  private let expiring: PeriodicJob
  private let archive: ArchiveMover?
  private let groups: GroupWatch
  private let openPayments: OpenPaymentsWatch?
  private let topic: TopicWait

  /// Prepares the jobs; the tables must be there.
  /// - Parameter shards: how keys are spread.
  /// - Throws: `DatabaseError`, `KafkaError` or `OutboxError` for settings that cannot work.
  public init(_ settings: CronSettings, _ database: ProgramDatabase, _ context: ProgramContext, shards: ShardMap) throws
  {
    self.settings = settings
    topic = TopicWait([settings.topic])
    self.database = database
    self.context = context
    logger = context.logger.labelled("cron")
    let configuration = try RelayConfiguration(
      owner: context.instance, reserve: settings.cron.reserve, window: settings.cron.eventsLimit,
      pollInterval: settings.cron.frequency, onDead: settings.event.onDead == .hold ? .hold : .continue,
      keyField: "order_id")
    let keys = DayCare.Table(
      "the keys of calls", PaymentKeys.days, daysAhead: PaymentKeys.daysAhead, retention: settings.keyRetention)
    let relay = try KafkaRelay(
      SagaSchema.outbox, shards: shards, topics: [settings.topic], configuration,
      database: try database.indexed(role: "relay"),
      careDatabase: try database.configuration(
        role: OutboxCare.role(of: SagaSchema.outbox), isDirect: true, parameters: DayCare.limits),
      kafka: settings.kafka.configuration(clientID: "\(context.program.name)-relay"),
      retention: settings.event.retention, others: [keys], logger: context.logger, metrics: context.metrics,
      tracer: context.tracer, stop: context.stop)
    self.relay = relay
    var transactions = PaymentTransactions(
      outbox: OutboxWriter(SagaSchema.outbox, shards: shards), topic: settings.topic, ttl: settings.timeToLive)
    transactions.changes = PaymentChanges(context.metrics)
    let expiryConnection = SerialConnection(
      try database.configuration(role: "expiry"), logger: context.logger.labelled("expiry"), stop: context.stop)
    let expiry = ExpiryJob(
      expiryConnection, transactions: transactions, logger: context.logger, metrics: context.metrics,
      tracer: context.tracer,
      onCommit: { relay.wake() })
    expiring = PeriodicJob(name: "expiry") { expiry.run() }
    archive = try settings.archiveAfter.map { (age) throws(DatabaseError) in
      ArchiveMover(
        PaymentArchive(olderThan: age),
        SerialConnection(
          try database.configuration(role: "archive", isDirect: true, parameters: ArchiveMover.limits),
          logger: context.logger.labelled("archive"), stop: context.stop),
        logger: context.logger, metrics: context.metrics)
    }
    // Those that live for ever are in no index.
    openPayments = settings.timeToLive.map { time in
      OpenPaymentsWatch(
        expiryConnection, timeToLive: time, logger: context.logger, metrics: context.metrics
      ) { [weak relay] in relay?.isHousekeeper ?? false }
    }
    groups = Self.watchGroups(settings, context, relay)
  }

  /// How far the consumer is behind, told by those who live when it does not.
  private static func watchGroups(_ settings: CronSettings, _ context: ProgramContext, _ relay: KafkaRelay)
    -> GroupWatch
  {
    let (inventory, letters) = (settings.inventoryGroup, settings.requeueGroup)
    let groups = GroupWatch(
      [inventory, letters], kafka: settings.kafka.configuration(clientID: "\(context.program.name)-groups"),
      logger: context.logger
    ) { [weak relay] in relay?.isHousekeeper ?? false && relay?.isConnected ?? false }
    groups.register(context.metrics, [inventory])
    context.metrics.gauge(
      "inventory_dead_letters",
      help: "Dead letters of the inventory topic that wait for a person; told by one process, and left out when older "
        + "than 95 s."
    ) { [weak groups] in groups?.lag(of: letters).map { Double(RequeueLedger.waiting($0)) } }
    return groups
  }

  /// Waits for the topic, then begins.
  public func start() throws {
    let isThere = try topic.run(
      settings.kafka, program: context.program.name, logger: context.logger, stop: context.stop)
    guard isThere else { return }
    relay.start()
    expiring.start()
    archive?.start()
    openPayments?.start()
    groups.start()
    logger.info("running the cron jobs")
  }

  /// Says that events were committed, in this process or, as the channel of the outbox tells, in another.
  public func wake() { relay.wake() }

  /// Whether every event is published by this process, so that no other need be told of new ones.
  public var ownsAllShards: Bool { relay.ownsAllShards }

  /// Finishes what is under way and gives the leases back; the relay gets a second for that in any case.
  public func stop(until deadline: Instant) {
    // First, so that a job that waits for a lock keeps no lease from being given back.
    relay.stop(until: deadline)
    expiring.stop(until: deadline)
    archive?.stop(until: deadline)
    openPayments?.stop(until: deadline)
    groups.stop(until: deadline)
  }

  /// The state of what the jobs depend on.
  public var checks: [ReadinessReport.Check] {
    [
      ReadinessReport.Check(
        "postgres_relay", isReady: relay.hasDatabase, problem: database.writes.problem,
        detail: relay.databaseDescription),
      ReadinessReport.Check(
        "kafka", isReady: relay.isConnected, problem: relay.connectionProblem,
        detail: "\(settings.kafka.brokers), \(relay.ownedShards) shards owned"),
      ReadinessReport.Check(
        "publishing", problem: topic.problem ?? relay.obstacle),
    ]
  }
}
