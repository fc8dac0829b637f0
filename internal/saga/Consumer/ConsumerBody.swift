public import Admin
internal import Errors
internal import Logger
internal import Metrics
internal import Outbox
internal import Postgres
internal import SagaSettings
public import Service
internal import Settings
internal import Synchronization
internal import Values

/// The inside of `payments-consumer`.
public final class ConsumerBody: ProgramBody {
  private struct Parts {
    var consumer: InventoryConsumer
    var pool: ConnectionPool
    var notifier: Notifier
    var probe: WriteProbe
  }

  private let context: ProgramContext
  private let parts = Mutex<Parts?>(nil)

  public init(_ context: ProgramContext) { self.context = context }

  public func start() throws {
    let settings = context.settings
    let shards = try context.waitForDatabase(runsJobs: false)
    let topics = [settings.consumer.topic, settings.consumer.deadLetterTopic, settings.producer.topic]
    guard try context.ensureTopics(topics) else { return }
    let pool = ConnectionPool(
      configuration: try context.database(role: "notify"), size: 1, queueLimit: 16, name: "notify",
      logger: context.logger, metrics: context.metrics)
    let notifier = Notifier(channel: Relay.channel, pool: pool, logger: context.logger)
    let consumer = try InventoryConsumer(context, shards: shards) { notifier.notify() }
    let probe = try context.startWriteProbe()
    parts.withLock { $0 = Parts(consumer: consumer, pool: pool, notifier: notifier, probe: probe) }
    notifier.start()
    try consumer.start()
    context.logger.info("consuming", ["topic": .string(settings.consumer.topic)])
  }

  public func stop(grace: Duration) {
    guard let parts = parts.withLock({ $0 }) else { return }
    parts.consumer.join()
    parts.probe.stop()
    parts.notifier.stop()
    parts.pool.shutdown()
  }

  public func reload() { context.logger.info("SIGHUP: nothing to reload") }

  private func check(_ name: String, _ obstacle: String?) -> ReadinessReport.Check {
    ReadinessReport.Check(name, isReady: obstacle == nil, detail: obstacle ?? "")
  }

  public var readiness: ReadinessReport {
    guard let consumer = parts.withLock({ $0?.consumer }) else {
      return ReadinessReport([], isServing: false)
    }
    let brokers = context.settings.kafka.brokers
    var checks = [
      context.databaseCheck("postgres", hasSession: consumer.hasDatabase),
      ReadinessReport.Check("kafka", isReady: consumer.isConnected, detail: brokers),
      check("consuming", consumer.consumingObstacle), check("dead_letters", consumer.buryingObstacle),
    ]
    if context.settings.redis.isEnabled {
      // A filter that is away costs speed only.
      let detail = consumer.hasRedis ? "" : "away; the database decides alone"
      checks.append(ReadinessReport.Check("redis", isReady: true, detail: detail))
    }
    return ReadinessReport(checks, isServing: !context.stop.isStopped)
  }
}
