public import Admin
internal import Errors
internal import GRPC
internal import HTTP2
internal import Logger
internal import Metrics
internal import Outbox
internal import Postgres
internal import Runtime
internal import SagaAPI
internal import SagaCron
internal import SagaDomain
internal import SagaSettings
internal import SagaStore
public import Service
internal import Settings
internal import StandardMessages
internal import Synchronization
internal import TLS
internal import Values

/// The inside of `payments-server`: the gRPC API and, unless switched off, the cron jobs.
public final class ServerBody: ProgramBody {
  private struct Parts: Sendable {
    var writers: ConnectionPool
    var readers: ConnectionPool
    var scanners: ConnectionPool
    var notifyPool: ConnectionPool
    var repository: PaymentRepository
    var notifiers: [Notifier]
    var watches: WatchHub
    var filter: ReplayFilter?
    var listener: Listener
    var grpc: GRPCServer
    var health: HealthService
    var healthJob: PeriodicJob
    var jobs: CronJobs?
    var probe: WriteProbe
  }

  private let context: ProgramContext
  private let tls: TLSServerContext?
  private let parts = Mutex<Parts?>(nil)

  /// - Throws: `WrongSetting` for a file of TLS that cannot be used.
  public init(_ context: ProgramContext) throws {
    self.context = context
    tls = try TLSSettings.context(context.settings.server.tls)
  }

  // MARK: - Start

  public func start() throws {
    let shards = try context.waitForDatabase(runsJobs: context.settings.cron.isEnabled)
    let jobs = context.settings.cron.isEnabled ? try CronJobs(context) : nil
    let made = try assemble(shards, jobs)
    parts.withLock { $0 = made }
    try made.grpc.start()
    context.logger.info(
      "serving gRPC",
      [
        "address": .describing(context.settings.server.address), "tls": .string(tls == nil ? "off" : "on"),
        "port": .number(made.grpc.boundPort),
      ])
    // Payments can be settled while the broker is away: their events wait.
    guard try context.ensureTopics([context.settings.producer.topic]) else { return }
    try jobs?.start(shards: shards)
  }

  private func assemble(_ shards: ShardMap, _ jobs: CronJobs?) throws -> Parts {
    let settings = context.settings
    let pool = { [context] (role: String, size: Int, queue: Int) throws in
      var configuration = try context.indexedDatabase(role: role, lockTimeout: .seconds(1))
      configuration.isFaultOfTables = WriteFault.isOfTables
      return ConnectionPool(
        configuration: configuration, size: size, queueLimit: queue, name: role, logger: context.logger,
        metrics: context.metrics)
    }
    // Two write connections: a batch can form on one while another commits. Reads never queue behind them. A row
    // that somebody holds for long fails the calls on it, not everybody's.
    let writers = try pool("write", 2, 1_024)
    let readers = try pool("read", settings.database.poolSize, 16_384)
    let scanners = try pool("list", 1, 64)
    let notifyPool = try pool("notify", 1, 16)
    let watches = WatchHub(metrics: context.metrics)
    let relays = Notifier(channel: Relay.channel, pool: notifyPool, logger: context.logger) {
      !(jobs?.ownsAllShards ?? false)
    }
    // Whether somebody watches in another server is not known here; nobody reads more often than this.
    let watchers = Notifier(
      channel: PaymentRepository.channel, debounce: WatchHub.pause, pool: notifyPool, logger: context.logger)
    let transactions = PaymentTransactions(
      outbox: OutboxWriter(shards: shards), topic: settings.producer.topic, ttl: settings.payment.timeToLive,
      keys: IdempotencyKeyTable(retention: settings.idempotency.retention))
    let repository = PaymentRepository(
      transactions: transactions, writers: writers, readers: readers, scanners: scanners, logger: context.logger,
      metrics: context.metrics
    ) {
      jobs?.wake()
      relays.notify()
      watchers.notify()
      watches.wake()
    }
    let listener = try listen(jobs, watches)
    repository.start()
    for notifier in [relays, watchers] { notifier.start() }
    watches.start { repository.findNow(orderIDs: $0) }
    let filter = settings.redis.isEnabled ? try ReplayFilter(context) : nil
    filter?.start()
    let health = HealthService()
    let creating = CreateHandler(store: repository, filter: filter, metrics: context.metrics)
    let handlers = PaymentHandlers(store: repository, creating: creating, watches: watches)
    let grpc = try makeGRPC([handlers.service, SmallAPIHandlers(store: repository).service, health.definition])
    let healthJob = PeriodicJob(name: "health") { [context] in
      let checks = Self.checks(context, writers, filter, jobs)
      let hasDatabase = checks.allSatisfy { $0.isReady || !Self.neededForAPI.contains($0.name) }
      Self.tell(health, ServingState(isAccepting: !context.stop.isStopped, hasDatabase: hasDatabase), checks)
      return .milliseconds(500)
    }
    return Parts(
      writers: writers, readers: readers, scanners: scanners, notifyPool: notifyPool, repository: repository,
      notifiers: [relays, watchers],
      watches: watches, filter: filter, listener: listener, grpc: grpc, health: health, healthJob: healthJob,
      jobs: jobs,
      probe: try context.startWriteProbe())
  }

  /// One connection hears of events for the relay and of payments for those who watch them.
  private func listen(_ jobs: CronJobs?, _ watches: WatchHub) throws -> Listener {
    Listener(
      configuration: try context.database(role: "listener", isDirect: true),
      channels: [PaymentRepository.channel] + (jobs == nil ? [] : [Relay.channel]), logger: context.logger
    ) {
      jobs?.wake()
      watches.wake()
    } onNotification: { channel, _ in
      if channel == Relay.channel { jobs?.wake() } else { watches.wake() }
    }
  }

  private func makeGRPC(_ services: [ServiceDefinition]) throws -> GRPCServer {
    let settings = context.settings.server
    let descriptors = try DescriptorSet(base64: PaymentDescriptors.base64)
    let reflection =
      settings.hasReflection ? try ReflectionService(describing: services, with: [descriptors]).definitions : []
    var configuration = GRPCServerConfiguration(settings, logger: context.logger)
    configuration.tls = tls
    return try GRPCServer(
      configuration: configuration, services: services + reflection,
      // Not even asked when nobody reads it: a call costs little more than an interceptor does.
      interceptors: context.settings.log.level == .debug ? [CallLog(context.logger)] : [], logger: context.logger,
      metrics: context.metrics)
  }

  /// Without the broker calls are answered all the same: their events wait.
  private static let neededForAPI: Set = ["postgres"]

  private static func checks(
    _ context: ProgramContext, _ writers: ConnectionPool, _ filter: ReplayFilter?, _ jobs: CronJobs?
  ) -> [ReadinessReport.Check] {
    let postgres = context.databaseCheck("postgres", hasSession: writers.isHealthy, detail: writers.stateDescription)
    // A filter that is away costs speed only.
    let redis = filter.map { filter in
      ReadinessReport.Check(
        "redis", isReady: true, detail: filter.isReachable ? "" : "away; the database decides alone")
    }
    return [postgres] + [redis].compactMap(\.self) + (jobs?.checks ?? [])
  }

  /// What the server serves is told by whether calls can be answered; what it depends on is told by its own name.
  private static func tell(_ health: HealthService, _ state: ServingState, _ checks: [ReadinessReport.Check] = []) {
    for check in checks { health.set(service: check.name, status: check.isReady ? .serving : .notServing) }
    for service in ["", "payments.v1.PaymentService", "paymentsapi.PaymentsApi"] {
      health.set(service: service, status: state.isServing ? .serving : .notServing)
    }
  }

  // MARK: - Reload

  public func reload() { TLSSettings.reload(tls, context.settings.server.tls, context.logger) }

  // MARK: - Stop

  public func stop(grace: Duration) {
    guard let parts = parts.withLock({ $0 }) else { return }
    let deadline = Instant.now() + grace
    Self.tell(parts.health, ServingState(isAccepting: false, hasDatabase: true))
    parts.watches.end()
    parts.grpc.shutdown(grace: grace)
    parts.watches.stop()
    parts.healthJob.stop()
    parts.probe.stop()
    parts.repository.stop()
    parts.filter?.stop()
    parts.jobs?.stop(grace: max(.seconds(1), deadline - Instant.now()))
    for notifier in parts.notifiers { notifier.stop() }
    parts.listener.stop()
    for pool in [parts.writers, parts.readers, parts.scanners, parts.notifyPool] { pool.shutdown() }
  }

  public var readiness: ReadinessReport {
    guard let parts = parts.withLock({ $0 }) else {
      return ReadinessReport([], isServing: false, neededForAPI: Self.neededForAPI)
    }
    return ReadinessReport(
      Self.checks(context, parts.writers, parts.filter, parts.jobs), isServing: !context.stop.isStopped,
      neededForAPI: Self.neededForAPI)
  }
}
