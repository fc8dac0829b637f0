public import Admin
internal import Errors
internal import Kafka
internal import Logger
internal import Metrics
public import Outbox
internal import OutboxKafka
internal import Postgres
internal import Runtime
internal import SagaDomain
internal import SagaSettings
internal import SagaStore
public import Service
internal import Settings
internal import Synchronization
internal import Values

/// The cron jobs of one process: the relay, the expiry of payments, and the care of the event tables.
///
/// Any number of processes may run them: leases share out the relay's work, expiry passes over what another process is
/// at, and the relay that holds the first shard takes care of the tables.
public final class CronJobs: Sendable {
  private let context: ProgramContext
  private let logger: Logger
  private let pool: ConnectionPool
  private let publisher: KafkaEventPublisher
  private let relay: Relay
  private let jobs: Mutex<[PeriodicJob]> = Mutex([])
  private let status = Monitor<OutboxStatus?>(nil)

  /// - Throws: `KafkaError` or `OutboxError` for settings that cannot work.
  public init(_ context: ProgramContext) throws {
    self.context = context
    logger = context.logger.labelled("cron")
    let cron = context.settings.cron
    let configuration = try RelayConfiguration(
      owner: context.instance, reserve: cron.reserve, window: cron.eventsLimit, pollInterval: cron.frequency,
      onDead: context.settings.event.onDead == .hold ? .hold : .continue)
    pool = ConnectionPool(
      configuration: try context.indexedDatabase(role: "relay"), size: 3, queueLimit: 64, name: "relay",
      logger: context.logger, metrics: context.metrics)
    publisher = try KafkaEventPublisher(
      context.kafka(role: "relay"), deliveryTimeout: configuration.deliveryTimeout,
      topics: [context.settings.producer.topic], logger: context.logger)
    relay = Relay(
      configuration: configuration, pool: pool, publisher: publisher, logger: context.logger, metrics: context.metrics)
  }

  /// Begins; the tables and the topic must be there.
  /// - Parameter shards: how keys are spread.
  public func start(shards: ShardMap) throws {
    publisher.warmUp(topic: context.settings.producer.topic)
    relay.start()
    let expiry = ExpiryJob(context, shards: shards) { [relay] in relay.wake() }
    let care = TableCareJob(context, relay: relay, shards: shards) { [status] next in status.withLock { $0 = next } }
    exposeStatus()
    jobs.withLock {
      $0 = [
        PeriodicJob(name: "expiry") { expiry.run() },
        PeriodicJob(name: "table-care") { care.run() },
      ]
    }
  }

  /// Says that events were committed, in this process or, as `Relay.channel` tells, in another.
  public func wake() { relay.wake() }

  /// Whether every event is published by this process, so that no other need be told of new ones.
  public var ownsAllShards: Bool { relay.ownsAllShards }

  /// Finishes what is under way and gives the leases back. Blocks the calling thread.
  public func stop(grace: Duration) {
    for job in jobs.withLock({ $0 }) { job.stop() }
    relay.stop(grace: grace)
    publisher.close()
    pool.shutdown()
  }

  /// The state of what the jobs depend on.
  public var checks: [ReadinessReport.Check] {
    [
      context.databaseCheck("postgres_relay", hasSession: pool.isHealthy, detail: pool.stateDescription),
      ReadinessReport.Check(
        "kafka", isReady: publisher.isConnected,
        detail: "\(context.settings.kafka.brokers), \(relay.ownedShards) shards owned"),
      ReadinessReport.Check("publishing", isReady: publisher.obstacle == nil, detail: publisher.obstacle ?? ""),
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
