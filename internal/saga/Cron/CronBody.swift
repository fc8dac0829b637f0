public import Admin
internal import Errors
internal import Logger
internal import Outbox
internal import Postgres
internal import SagaSettings
public import Service
internal import Settings
internal import Synchronization
internal import Values

/// The inside of `payments-cron`: the cron jobs alone.
public final class CronBody: ProgramBody {
  private let context: ProgramContext
  private let jobs = Mutex<CronJobs?>(nil)
  private let listener = Mutex<Listener?>(nil)
  private let probe = Mutex<WriteProbe?>(nil)

  public init(_ context: ProgramContext) { self.context = context }

  public func start() throws {
    let shards = try context.waitForDatabase(runsJobs: true)
    guard try context.ensureTopics([context.settings.producer.topic]) else { return }
    let jobs = try CronJobs(context)
    self.jobs.withLock { $0 = jobs }
    let probe = try context.startWriteProbe()
    self.probe.withLock { $0 = probe }
    try jobs.start(shards: shards)
    let listener = Listener(
      configuration: try context.database(role: "listener", isDirect: true), channels: [Relay.channel],
      logger: context.logger, onConnect: { jobs.wake() }, onNotification: { _, _ in jobs.wake() })
    self.listener.withLock { $0 = listener }
    context.logger.info("running the cron jobs")
  }

  public func stop(grace: Duration) {
    listener.withLock { $0 }?.stop()
    probe.withLock { $0 }?.stop()
    jobs.withLock { $0 }?.stop(grace: grace)
  }

  public func reload() { context.logger.info("SIGHUP: nothing to reload") }

  public var readiness: ReadinessReport {
    ReadinessReport(
      jobs.withLock { $0 }?.checks ?? [], isServing: jobs.withLock { $0 != nil } && !context.stop.isStopped)
  }
}
