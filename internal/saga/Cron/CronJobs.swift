public import Admin
public import ClientSettings
internal import Errors
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
internal import Synchronization
public import Values

/// The cron jobs of one process: the relay, the expiry of payments, and the care of the event tables.
///
/// Any number of processes may run them: leases share out the relay's work, expiry passes over what another process is
/// at, and the relay that holds the first shard takes care of the tables.
public final class CronJobs: ServicePart {
  private let settings: CronSettings
  private let database: ProgramDatabase
  private let context: ProgramContext
  private let logger: Logger
  private let pool: ConnectionPool
  private let publisher: KafkaEventPublisher
  private let relay: Relay
  private let expiry: ExpiryJob
  private let care: TableCareJob
  private let running: Mutex<[PeriodicJob]> = Mutex([])
  private let status: Monitor<OutboxStatus?>

  /// Prepares the jobs; the tables must be there.
  /// - Parameter shards: how keys are spread.
  /// - Throws: `DatabaseError`, `KafkaError` or `OutboxError` for settings that cannot work.
  public init(_ settings: CronSettings, _ database: ProgramDatabase, _ context: ProgramContext, shards: ShardMap) throws
  {
    self.settings = settings
    self.database = database
    self.context = context
    logger = context.logger.labelled("cron")
    let configuration = try RelayConfiguration(
      owner: context.instance, reserve: settings.cron.reserve, window: settings.cron.eventsLimit,
      pollInterval: settings.cron.frequency, onDead: settings.event.onDead == .hold ? .hold : .continue)
    pool = ConnectionPool(
      configuration: try database.indexed(role: "relay"), size: 3, queueLimit: 64, name: "relay",
      logger: context.logger, metrics: context.metrics)
    publisher = try KafkaEventPublisher(
      settings.kafka.configuration(clientID: "\(context.program.name)-relay"),
      deliveryTimeout: configuration.deliveryTimeout, topics: [settings.topic], logger: context.logger)
    let relay = Relay(
      tables: SagaSchema.outbox, configuration: configuration, pool: pool, publisher: publisher, logger: context.logger,
      metrics: context.metrics)
    self.relay = relay
    let connection = { (role: String, configuration: DatabaseConfiguration) in
      SerialConnection(configuration, logger: context.logger.labelled(role), stop: context.stop)
    }
    expiry = ExpiryJob(
      connection("expiry", try database.configuration(role: "expiry")),
      transactions: PaymentTransactions(
        outbox: OutboxWriter(SagaSchema.outbox, shards: shards), topic: settings.topic, ttl: settings.timeToLive),
      logger: context.logger, metrics: context.metrics, onCommit: { relay.wake() })
    let status = Monitor<OutboxStatus?>(nil)
    self.status = status
    let role = TableCareJob.role
    // What the care of the tables is refused says nothing of whether payments can be written.
    var careConfiguration = try database.configuration(role: role, isDirect: true, parameters: TableCareJob.limits)
    careConfiguration.monitor = nil
    care = TableCareJob(
      connection(role, careConfiguration),
      relay: relay, shards: shards, retention: settings.event.retention, keyRetention: settings.keyRetention,
      logger: context.logger, onStatus: { next in status.withLock { $0 = next } })
  }

  /// Waits for the topic, then begins.
  public func start() throws {
    let isThere = try settings.kafka.waitForTopics(
      [settings.topic], program: context.program.name, logger: context.logger,
      stop: context.stop)
    guard isThere else { return }
    publisher.warmUp(topic: settings.topic)
    relay.start()
    exposeStatus()
    running.withLock { [expiry, care] running in
      running = [
        PeriodicJob(name: "expiry") { expiry.run() },
        PeriodicJob(name: "table-care") { care.run() },
      ]
      for job in running { job.start() }
    }
    logger.info("running the cron jobs")
  }

  /// Says that events were committed, in this process or, as the channel of the outbox tells, in another.
  public func wake() { relay.wake() }

  /// Whether every event is published by this process, so that no other need be told of new ones.
  public var ownsAllShards: Bool { relay.ownsAllShards }

  /// Finishes what is under way and gives the leases back; the relay gets a second for that in any case.
  public func stop(until deadline: Instant) {
    // First, so that a job that waits for a lock keeps no lease from being given back.
    relay.stop(until: max(deadline, .now() + .seconds(1)))
    for job in running.withLock({ $0 }) { job.stop(until: deadline) }
    publisher.close()
    pool.stop(until: deadline)
  }

  /// The state of what the jobs depend on.
  public var checks: [ReadinessReport.Check] {
    let isRunning = running.withLock { !$0.isEmpty }
    return [
      ReadinessReport.Check(
        "postgres_relay", isReady: pool.isHealthy, problem: database.writes.problem, detail: pool.stateDescription),
      ReadinessReport.Check(
        "kafka", isReady: publisher.isConnected,
        detail: "\(settings.kafka.brokers), \(relay.ownedShards) shards owned"),
      ReadinessReport.Check(
        "publishing", problem: isRunning ? publisher.obstacle : "waiting for the topic \(settings.topic)"),
    ]
  }

  private func exposeStatus() {
    let metrics = context.metrics
    metrics.gauge("outbox_waiting_events", help: "Events waiting, up to 1,000,000; told by one relay.") { [status] in
      status.withLock { $0.map { Double($0.waiting) } }
    }
    metrics.gauge("outbox_dead_events", help: "Events the broker refused for good; told by one relay.") { [status] in
      status.withLock { $0.map { Double($0.dead) } }
    }
    metrics.gauge("outbox_oldest_waiting_seconds", help: "Age of the oldest waiting event; told by one relay.") {
      [status] in
      status.withLock { $0.map { $0.age.inSeconds } }
    }
  }
}
