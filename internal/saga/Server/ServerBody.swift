public import Admin
internal import ClientSettings
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
internal import SagaSchema
public import SagaSettings
internal import SagaStore
public import Service
public import Settings
internal import StandardMessages
internal import TLS
internal import Tracing
internal import Values

/// The inside of `payments-server`: the gRPC API and, unless switched off, the cron jobs.
public final class ServerBody: ProgramBody {
  private let settings: ServerSettings
  private let database: ProgramDatabase
  private let context: ProgramContext
  /// Both nil when the API is served in clear.
  private let tls: TLSServerContext?
  private let certificate: CertificateWatch?
  private let roles: CallerRoleCheck?

  /// Keeps the settings that the program uses, and reads the files of TLS and of the callers' roles.
  /// - Throws: `SettingsError` for a file that cannot be used.
  public init(_ settings: SagaSettings, _ context: ProgramContext) throws(SettingsError) {
    self.settings = ServerSettings(settings)
    self.context = context
    database = ProgramDatabase(settings.database, program: context.program.name, metrics: context.metrics)
    tls = try TLSSettings.context(settings.server.tls)
    roles = try RoleSettings.roles(settings.server.roles).map(CallerRoleCheck.init)
    certificate = tls.map { TLSSettings.watch($0, settings.server.tls, context.logger) }
    certificate?.warn()
  }

  /// Without the broker calls are answered all the same: their events wait.
  public var neededForAPI: Set<String>? { Self.needed }
  private static let needed: Set = ["postgres", "certificate"]

  /// What happened to an order.
  public var pages: [AdminPage] {
    do {
      return [OrderStories(try database.configuration(role: "trace"), logger: context.logger).page]
    } catch {
      // The start-up meets the same error and ends with it.
      return []
    }
  }

  /// The one for the brokers, which the jobs call.
  public var clientCertificates: [ClientCertificate] {
    [settings.jobs.flatMap { .kafka($0.kafka.properties) }].compactMap(\.self)
  }

  /// Reads the files of TLS and of the callers' roles again.
  public func reload() {
    if let certificate {
      certificate.reload()
    } else {
      context.logger.info("SIGHUP: nothing to reload, the API is served in clear")
    }
    if let roles { RoleSettings.reload(roles, settings.api.roles, context.logger) }
  }

  // MARK: - Parts

  /// The connections of calls.
  private struct Pools {
    // Two write connections: a batch can form on one while another commits. Reads never queue behind them.
    let writers: ConnectionPool
    let readers: ConnectionPool
    let scanners: ConnectionPool
    let notify: ConnectionPool
  }

  /// The API, with the cron jobs beside it.
  public func assemble() throws -> ProgramParts {
    let shards = try SagaSchema.wait(
      try database.configuration(role: "start-up"), runsJobs: settings.jobs != nil, logger: context.logger,
      stop: context.stop)
    let pools = Pools(
      writers: try pool("write", size: 2, queue: 1_024),
      readers: try pool("read", size: settings.database.poolSize, queue: 16_384),
      scanners: try pool("list", size: 1, queue: 64), notify: try pool("notify", size: 1, queue: 16))
    let jobs = try settings.jobs.map { try CronJobs($0, database, context, shards: shards) }
    let watches = WatchHub(metrics: context.metrics)
    let relays = Notifier(channel: SagaSchema.outbox.channel, pool: pools.notify, logger: context.logger) {
      !(jobs?.ownsAllShards ?? false)
    }
    // Whether somebody watches in another server is not known here; nobody reads more often than this.
    let watchers = Notifier(
      channel: PaymentRepository.channel, debounce: WatchHub.pause, pool: pools.notify, logger: context.logger)
    let repository = makeRepository(pools, shards) {
      jobs?.wake()
      relays.notify()
      watchers.notify()
      watches.wake()
    }
    let filter = try makeFilter()
    let checks = makeChecks(pools.writers, filter, jobs)
    let healthService = HealthService()
    let grpc = try makeGRPC(repository, filter, watches, healthService)
    let health = ServerHealth(
      healthService, isAccepting: { [context] in !context.stop.isStopped }, needed: Self.needed, checks: checks)
    // Payments can be settled while the broker is away, for which the jobs wait: their events wait, too.
    return ProgramParts(
      [
        .part(pools.writers), .part(pools.readers), .part(pools.scanners), .part(pools.notify),
        .part(try listen(jobs, watches)), .part(relays), .part(watchers),
        jobs.map { .late($0) }, filter.map { .part($0) },
        .part(repository), .part(try database.startWriteProbe(tables: SagaSchema.written, logger: context.logger)),
        certificate.map { .part($0) }, api(grpc), watching(watches, repository), .part(health),
      ].compactMap(\.self), checks: checks)
  }

  private func pool(_ role: String, size: Int, queue: Int) throws -> ConnectionPool {
    // A row that somebody holds for long fails the calls on it, not everybody's.
    var configuration = try database.indexed(role: role, lockTimeout: .seconds(1), plansOnce: true)
    configuration.isFaultOfTables = WriteFault.isOfTables
    return ConnectionPool(
      configuration: configuration, size: size, queueLimit: queue, name: role, logger: context.logger,
      metrics: context.metrics)
  }

  private func makeRepository(
    _ pools: Pools, _ shards: ShardMap, onCommit: @escaping @Sendable () -> Void
  ) -> PaymentRepository {
    var transactions = PaymentTransactions(
      outbox: OutboxWriter(SagaSchema.outbox, shards: shards), topic: settings.topic, ttl: settings.timeToLive,
      keys: PaymentKeys(retention: settings.keyRetention))
    transactions.changes = PaymentChanges(context.metrics)
    return PaymentRepository(
      transactions: transactions, writers: pools.writers, readers: pools.readers, scanners: pools.scanners,
      logger: context.logger, metrics: context.metrics, tracer: context.tracer, onCommit: onCommit)
  }

  private func makeFilter() throws -> ReplayFilter? {
    guard settings.redis.isEnabled else { return nil }
    return try ReplayFilter(
      dsn: settings.redis.dsn, group: settings.group, timeToLive: settings.keyRetention, logger: context.logger,
      metrics: context.metrics)
  }

  /// One connection hears of events for the relay and of payments for those who watch them.
  private func listen(_ jobs: CronJobs?, _ watches: WatchHub) throws -> Listener {
    Listener(
      configuration: try database.configuration(role: "listener", isDirect: true),
      channels: [PaymentRepository.channel] + (jobs == nil ? [] : [SagaSchema.outbox.channel]), logger: context.logger
    ) {
      jobs?.wake()
      watches.wake()
    } onNotification: { channel, _ in
      if channel == SagaSchema.outbox.channel { jobs?.wake() } else { watches.wake() }
    }
  }

  private func makeChecks(
    _ writers: ConnectionPool, _ filter: ReplayFilter?, _ jobs: CronJobs?
  ) -> @Sendable () -> [ReadinessReport.Check] {
    { [database, certificate] in
      let postgres = ReadinessReport.Check(
        "postgres", isReady: writers.isHealthy, problem: database.writes.problem, detail: writers.stateDescription)
      // A filter that is away costs speed only.
      let redis = filter.map { filter in
        ReadinessReport.Check(
          "redis", isReady: true, detail: filter.problem.map { "\($0); the database decides alone" } ?? "")
      }
      return [postgres] + [certificate?.check, redis].compactMap(\.self) + (jobs?.checks ?? [])
    }
  }

  private func makeGRPC(
    _ repository: PaymentRepository, _ filter: ReplayFilter?, _ watches: WatchHub, _ health: HealthService
  ) throws -> GRPCServer {
    let creating = CreateHandler(store: repository, filter: filter, metrics: context.metrics)
    let handlers = PaymentHandlers(store: repository, creating: creating, watches: watches)
    let services = [handlers.service, SmallAPIHandlers(store: repository).service, health.definition]
    let descriptors = try DescriptorSet(base64: PaymentDescriptors.base64)
    let reflection =
      settings.api.hasReflection ? try ReflectionService(describing: services, with: [descriptors]).definitions : []
    var configuration = GRPCServerConfiguration(settings.api, logger: context.logger)
    configuration.tls = tls
    configuration.tracer = context.tracer
    let calls = settings.logsCalls ? CallLog(context.logger, settings.api.accessLog) : nil
    configuration.http2.pingMark = 0x7061_7973_6167_6100  // "paysaga"
    return try GRPCServer(
      configuration: configuration, services: services + reflection,
      // Not even asked when nobody reads it: a call costs little more than an interceptor does.
      interceptors: [roles as (any ServerInterceptor)?, calls]
        .compactMap(\.self), logger: context.logger,
      metrics: context.metrics)
  }

  private func api(_ server: GRPCServer) -> ServiceEntry {
    .part { [context, settings, tls] in
      try server.start()
      context.logger.info(
        "serving gRPC",
        [
          "address": .describing(settings.api.address), "tls": .string(tls == nil ? "off" : "on"),
          "port": .number(server.boundPort),
        ])
    } stop: { deadline in
      server.stop(until: deadline)
    }
  }

  /// Streams end before the server waits for its calls.
  private func watching(_ watches: WatchHub, _ repository: PaymentRepository) -> ServiceEntry {
    .part {
      watches.start { repository.findNow(orderIDs: $0) }
    } stop: { deadline in
      watches.stop(until: deadline)
    }
  }
}
