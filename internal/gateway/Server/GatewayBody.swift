public import Admin
internal import Archive
internal import Cards
internal import ClientSettings
internal import DirectDomain
internal import DirectPipeline
internal import Errors
internal import GatewayAPI
internal import GatewayDocuments
internal import GatewayDomain
internal import GatewayLimits
internal import GatewayPage
internal import GatewaySchema
public import GatewaySettings
internal import GatewayStore
internal import HTTPServer
internal import Inbox
internal import LedgerStore
internal import Logger
internal import Metrics
internal import Outbox
internal import OutboxKafka
internal import Postgres
internal import ProcessingDomain
internal import ProcessingSchema
internal import ProcessingSettings
internal import ProcessingStore
internal import Processor
internal import Runtime
internal import SagaClient
public import Service
public import Settings
internal import Tracing
internal import Values

/// The inside of `payments-gateway`: `/v1` over HTTP, the execution of card payments, and the two ends of the pipeline.
public final class GatewayBody: ProgramBody {
  let settings: GatewaySettings
  let context: ProgramContext
  let database: ProgramDatabase
  /// Those of the payments that this process takes in, or hears of.
  private let traces: TraceBook
  private let processingDatabase: ProgramDatabase
  private let saga: SagaClient?
  /// Nil when `/v1` is served in clear.
  let certificate: ServerCertificate?
  private let certificateWatch: CertificateWatch?
  let requestKeys: CardFingerprintKeys
  private let fingerprintKeys: CardFingerprintKeys

  /// Keeps the settings, and reads the files of its own TLS and of the saga's.
  /// - Throws: `SettingsError` for a file that cannot be used.
  public init(_ settings: GatewaySettings, _ context: ProgramContext) throws(SettingsError) {
    self.settings = settings
    self.context = context
    traces = TraceBook(context.tracer)
    database = ProgramDatabase(settings.database, program: context.program.name, metrics: context.metrics)
    processingDatabase = ProgramDatabase(
      settings.processingDatabase, program: context.program.name, metrics: context.metrics)
    guard let requestKeys = settings.intake.requestKeys, let fingerprintKeys = settings.intake.fingerprintKeys else {
      preconditionFailure("settings that are loaded have what is required")
    }
    (self.requestKeys, self.fingerprintKeys) = (requestKeys, fingerprintKeys)
    certificate = try settings.server.readCertificate()
    certificateWatch = certificate.map { settings.server.watch($0, context.logger) }
    certificateWatch?.warn()
    let client = try settings.saga.client(userAgent: context.program.name)
    saga = client.map { SagaClient($0, metrics: context.metrics, tracer: context.tracer) }
  }

  /// Without the brokers payments are taken in all the same: their events wait.
  public var neededForAPI: Set<String>? { ["postgres", "certificate"] }

  /// Those for the brokers and for the saga.
  public var clientCertificates: [ClientCertificate] {
    let saga = settings.saga.shownCertificate.map { ClientCertificate(for: "saga", setting: $0.setting, file: $0.file) }
    return [.kafka(settings.kafka.properties), saga].compactMap(\.self)
  }

  /// What happened to a direct payment.
  public var pages: [AdminPage] {
    do {
      let stories = DirectStories(
        gateway: try database.configuration(role: "trace"),
        processing: try processingDatabase.configuration(role: "trace"), logger: context.logger)
      return [stories.page]
    } catch {
      // The start-up meets the same error and ends with it.
      return []
    }
  }

  /// Reads the files of TLS again.
  public func reload() {
    if let certificateWatch {
      certificateWatch.reload()
    } else {
      context.logger.info("SIGHUP: nothing to reload, /v1 is served in clear")
    }
  }

  // MARK: - Parts

  static let tables = GatewayTables()

  /// The connections.
  struct Pools {
    // Two write connections: a batch can form on one while another commits. Reads never queue behind them. They are the
    // intake's own: it takes payments in however much else there is to write.
    let intake: ConnectionPool
    /// Writes what is no payment.
    let writers: ConnectionPool
    let readers: ConnectionPool
    let scanners: ConnectionPool
    let notify: ConnectionPool
    /// Of processing's database.
    let accounts: ConnectionPool
    let results: ConnectionPool
    let page: ConnectionPool

    var entries: [ServiceEntry] {
      [intake, writers, readers, scanners, notify, accounts, results, page].map { .part($0) }
    }
  }

  /// What concerns processing.
  struct Execution {
    let parts: ExecutionParts
    let accounts: PooledAccounts
    let trails: PooledTrails
    let refunds: PooledRefunds
    /// Tells the relays of processing that results were written.
    let notifier: Notifier
  }

  /// `/v1` last, so that it stops first: then the others finish what it has begun.
  public func assemble() throws -> ProgramParts {
    let shards = try GatewaySchema.wait(
      try database.configuration(role: "start-up"), logger: context.logger, stop: context.stop)
    let processingShards = try ProcessingSchema.wait(
      try processingDatabase.configuration(role: "start-up"), logger: context.logger, stop: context.stop)
    let pools = try makePools()
    let keys = GatewayKeys(Self.tables)
    let execution = try makeExecution(pools, processingShards)
    let reader = PaymentReader(Self.tables, readers: pools.readers, scanners: pools.scanners)
    var http = HTTPServerConfiguration(
      settings.server, outgoing: outgoingConnections, others: settings.surfaces.addresses.count, logger: context.logger)
    http.tracer = context.tracer
    http.tls = certificate
    let places = WaiterPlaces(
      .init(all: http.maxWaiters(settings.server), perPeer: settings.server.maxPeerWaiters), metrics: context.metrics)
    let reads = BlockingReads(reader)
    let waiters = makeWaiters(at: places, reads, execution.refunds)
    let outbox = OutboxWriter(GatewaySchema.outbox, shards: shards)
    let webhooks = try WebhookParts(
      settings.webhooks, database: database, readers: pools.readers, writers: pools.writers, notify: pools.notify,
      refunds: execution.refunds, traces: traces, context)
    let pipeline = try makePipeline(shards, keys, outbox, webhooks) {
      waiters.changed($0)
      webhooks.wake()
    }
    let relays = Notifier(channel: GatewaySchema.outbox.channel, pool: pools.notify, logger: context.logger) {
      !pipeline.ownsAllShards
    }
    let wakeRelays = { @Sendable in
      pipeline.wake()
      relays.notify()
      webhooks.wake()
    }
    let intake = PaymentIntake(
      Self.tables, keys: keys, requestKeys: requestKeys, outbox: outbox, topic: settings.topics.payments,
      output: output, writers: pools.intake, readers: pools.readers, logger: context.logger,
      metrics: context.metrics, traces: traces, onCommit: wakeRelays)
    let apiKeys = try makeAPIKeys()
    let limiter = try RateLimiter(
      dsn: settings.server.redisDSN, logger: context.logger, metrics: context.metrics)
    let handlers = RouteHandlers(
      APIAccess(keys: apiKeys, limiter: limiter, metrics: context.metrics), logger: context.logger.labelled("api"))
    let live = makeLive(at: places, reads, handlers)
    let payments = StoredPayments(intake, reader) { live.changed([PaymentChange($0.id, of: $0.userID)]) }
    let customers = PooledCustomers(CustomerStore(Self.tables), readers: pools.readers, writers: pools.writers)
    let desk = makeDesk(payments, customers, execution, waiters)
    var router = makeRouter(desk, payments, customers, execution, waiters, webhooks, handlers)
    LiveRoutes(live, handlers: handlers).add(to: &router)
    webhooks.addRoutes(to: &router, handlers)
    makePages(payments, desk, execution, live, pools, outbox, apiKeys, limiter)?.add(to: &router)
    let server = HTTPServer(http, router: router, logger: context.logger, metrics: context.metrics)
    let parts = SurfaceParts(
      accounts: execution.accounts, writers: pools.writers, scanners: pools.scanners, outbox: outbox,
      onCommit: wakeRelays)
    let surfaces =
      makeSurfaces(http, desk, handlers, parts) + [makePaymentsPage(http, payments, desk, live)].compactMap(\.self)
    let probe = try database.startWriteProbe(tables: GatewaySchema.written, logger: context.logger)
    let unclaimed = try makeUnclaimed(execution.parts.processor)
    let deadLetters = try makeDeadLetters()
    let checks = makeChecks(pools, execution, pipeline, deadLetters, limiter)
    return ProgramParts(
      pools.entries
        + [
          .part(probe), .part(try makeListener(pipeline, waiters, live, apiKeys, webhooks)), .part(relays),
          .part(execution.notifier),
          .part(stop: { pipeline.stopRelay(until: $0) }),
          .late(OutputTopics(settings.surfaces.topicsInUse, kafka: settings.kafka, context)), .late(pipeline),
          .late(deadLetters),
          .part(try makeKeyCare(keys)),
          .part(try makeArchive()), saga.map { .part($0) }, .part(execution.parts.bank),
          .part(execution.parts.processor),
        ].compactMap(\.self) + unclaimed + webhooks.entries
        + [
          .part(intake), .part(waiters.payments), .part(waiters.refunds), apiKeys.map { .part($0) }, .part(limiter),
          .part(handlers), .part(live), certificateWatch.map { .part($0) },
        ].compactMap(\.self) + surfaces.map { .part($0) } + [.part(server)], checks: checks)
  }

  /// The most calls of banks and webhooks at a time.
  private var outgoingConnections: Int {
    settings.processor.bankCalls + (settings.webhooks.secretKeys == nil ? 0 : settings.webhooks.calls)
  }

  private func makeWaiters(
    at places: WaiterPlaces, _ reads: BlockingReads, _ refunds: PooledRefunds
  ) -> CallWaiters {
    CallWaiters(
      payments: PaymentWaiters(at: places, metrics: context.metrics, isFinal: \.standing.state.isFinal) {
        reads.load($0)
      },
      refunds: RefundWaiters(at: places, metrics: context.metrics, isFinal: \.stored.payment.state.isFinal) {
        refunds.load($0)
      })
  }

  private func makePools() throws -> Pools {
    Pools(
      intake: try pool(database, "write", size: 2, queue: 1_024),
      writers: try pool(database, "others", size: 1, queue: 256),
      readers: try pool(database, "read", size: settings.intake.poolSize, queue: 16_384),
      scanners: try pool(database, "list", size: 1, queue: 64),
      notify: try pool(database, "notify", size: 1, queue: 16),
      accounts: try pool(processingDatabase, "accounts", size: 2, queue: 1_024),
      results: try pool(processingDatabase, "results", size: 1, queue: 16),
      page: try pool(processingDatabase, "page", size: 1, queue: 64))
  }

  private func pool(_ database: ProgramDatabase, _ role: String, size: Int, queue: Int) throws -> ConnectionPool {
    // A row that somebody holds for long fails the calls on it, not everybody's.
    ConnectionPool(
      configuration: try database.indexed(role: role, lockTimeout: .seconds(1)), size: size, queueLimit: queue,
      name: role, logger: context.logger, metrics: context.metrics)
  }

  private func makeExecution(_ pools: Pools, _ shards: ShardMap) throws -> Execution {
    let notifier = Notifier(
      channel: ProcessingSchema.outbox.channel, pool: pools.results, logger: context.logger)
    let parts = try ExecutionParts(
      settings.processor, .gateway, database: processingDatabase, shards: shards, topic: settings.topics.results,
      traces: traces, context: context
    ) { notifier.notify() }
    let accounts = PooledAccounts(AccountStore(ledger: LedgerStore()), pools.accounts)
    return Execution(
      parts: parts, accounts: accounts, trails: PooledTrails(pools.accounts),
      refunds: PooledRefunds(RefundReader(), pools.accounts), notifier: notifier)
  }

  /// The relay with the care of its tables and of the keys' days, and the reader of results.
  private func makePipeline(
    _ shards: ShardMap, _ keys: GatewayKeys, _ outbox: OutboxWriter, _ webhooks: WebhookParts,
    onChange: @escaping @Sendable ([UniqueID]) -> Void
  ) throws -> BrokerPipeline<ResultHandler> {
    let (payments, results) = (settings.topics.payments, settings.topics.results)
    let deadLetters = DirectTopics.deadLetters(of: results)
    let days = DayCare.Table(
      "the keys of calls", keys.days, daysAhead: GatewayKeys.daysAhead, retention: GatewayKeys.daysKept)
    let relay = try KafkaRelay(
      GatewaySchema.outbox, shards: shards, topics: [payments, results] + settings.surfaces.topicsInUse,
      try RelayConfiguration(owner: context.instance, reserve: settings.relay.reserve),
      database: try database.indexed(role: "relay"),
      careDatabase: try database.configuration(
        role: OutboxCare.role(of: GatewaySchema.outbox), isDirect: true, parameters: DayCare.limits),
      kafka: settings.kafka.configuration(clientID: "\(context.program.name)-relay"),
      retention: .seconds(86_400 * settings.relay.retentionDays), others: [days] + webhooks.days,
      logger: context.logger,
      metrics: context.metrics, tracer: context.tracer, stop: context.stop)
    let inbox = InboxConsumer(
      InboxConfiguration(
        name: "results", topic: results, group: settings.topics.gatewayGroup, deadLetterTopic: deadLetters,
        batch: settings.updates.batch),
      kafka: settings.kafka.configuration(clientID: context.program.name),
      database: try database.indexed(role: "results"), logger: context.logger.labelled("updater"),
      metrics: context.metrics, stop: context.stop
    ) { [output, traces] _ in
      ResultHandler(Self.tables, outbox: outbox, output: output, traces: traces, onChange: onChange)
    }
    return BrokerPipeline(
      relay, inbox, kafka: settings.kafka,
      topics: [payments, DirectTopics.deadLetters(of: payments), results, deadLetters],
      others: settings.topics.processorGroups, context
    ) { [logger = context.logger] in
      logger.info("publishing payments and reading results")
    }
  }

  /// One connection hears of payments for those who wait for them, of events for the relay, of API keys and webhooks.
  private func makeListener(
    _ pipeline: BrokerPipeline<ResultHandler>, _ waiters: CallWaiters, _ live: LiveFeed, _ apiKeys: APIKeyWatch?,
    _ webhooks: WebhookParts
  ) throws -> Listener {
    Listener(
      configuration: try database.configuration(role: "listener", isDirect: true),
      channels: [
        GatewayTables.channel, GatewaySchema.outbox.channel, GatewayTables.keyChannel, GatewayTables.webhookChannel,
      ], logger: context.logger
    ) {
      pipeline.wake()
      waiters.changedPerhaps()
      live.changedPerhaps()
      apiKeys?.wake()
      webhooks.heard(nil)
    } onNotification: { channel, payload in
      switch channel {
      case GatewayTables.channel:
        if let changes = PaymentNotice.changes(payload) {
          waiters.changed(changes.map(\.id))
          live.changed(changes)
        } else {
          waiters.changedPerhaps()
          live.changedPerhaps()
        }
      case GatewayTables.keyChannel: apiKeys?.wake()
      case GatewayTables.webhookChannel: webhooks.heard(payload)
      default: pipeline.wake()
      }
    }
  }

  /// - Returns: nil where everybody may call.
  private func makeAPIKeys() throws -> APIKeyWatch? {
    let logger = context.logger.labelled("api-keys")
    guard settings.server.authentication == .keys else {
      logger.warning("GATEWAY_AUTH=open: whoever reaches this address may do everything")
      return nil
    }
    return APIKeyWatch(
      APIKeyStore(Self.tables),
      SerialConnection(try database.indexed(role: "api-keys"), logger: logger, stop: context.stop), logger: logger)
  }

  private func makeKeyCare(_ keys: GatewayKeys) throws -> KeyCare {
    KeyCare(
      Self.tables, keys: keys, configuration: try database.configuration(role: "key-care"), logger: context.logger,
      stop: context.stop)
  }

  private func makeArchive() throws -> ArchiveMover {
    let database = try database.configuration(
      role: "archive", isDirect: true, parameters: ArchiveMover.limits)
    return ArchiveMover(
      ArchiveWalk(
        GatewayArchive.plan(Self.tables), olderThan: .seconds(86_400 * settings.relay.archiveDays),
        retention: .seconds(86_400 * settings.relay.archiveRetentionDays)),
      SerialConnection(database, logger: context.logger.labelled("archive"), stop: context.stop),
      logger: context.logger, metrics: context.metrics)
  }

  /// Who looks after payments that nobody claims. They share a connection: servers have not many.
  private func makeUnclaimed(_ processor: PaymentProcessor) throws -> [ServiceEntry] {
    let logger = context.logger.labelled("card-sweep")
    let connection = SerialConnection(
      try database.indexed(role: "card-sweep"), logger: logger, stop: context.stop)
    return [
      .part(DeadLetterWatch(Self.tables, connection, logger: context.logger, metrics: context.metrics)),
      .part(CreatedWatch(Self.tables, connection, logger: context.logger, metrics: context.metrics)),
      .part(
        CardSweep(
          UnclaimedCards(Self.tables), after: settings.intake.claimTimeout, connection, processor, logger: logger,
          metrics: context.metrics)),
    ]
  }

  private func makeDesk(
    _ payments: StoredPayments, _ customers: PooledCustomers, _ execution: Execution, _ waiters: CallWaiters
  ) -> PaymentDesk {
    PaymentDesk(
      payments, processor: execution.parts.processor, waiters: waiters.payments, accounts: execution.accounts,
      customers: customers, saga: saga, fingerprintKeys: fingerprintKeys, claimTimeout: settings.intake.claimTimeout)
  }

  /// `/v1` with its documents.
  private func makeRouter(
    _ desk: PaymentDesk, _ payments: StoredPayments, _ customers: PooledCustomers, _ execution: Execution,
    _ waiters: CallWaiters, _ webhooks: WebhookParts, _ handlers: RouteHandlers
  ) -> HTTPRouter {
    var router = HTTPRouter()
    PaymentRoutes(
      payments, processor: execution.parts.processor, desk: desk,
      rules: PaymentRequest.Rules(merchant: settings.intake.merchant), handlers: handlers
    ).add(to: &router)
    HistoryRoutes(payments, execution.trails, webhooks.keeping, handlers: handlers).add(to: &router)
    RefundRoutes(
      payments, processor: execution.parts.processor, refunds: execution.refunds, waiters: waiters.refunds,
      handlers: handlers
    ).add(to: &router)
    AccountRoutes(execution.accounts, handlers: handlers).add(to: &router)
    CustomerRoutes(customers, handlers: handlers).add(to: &router)
    DocumentRoutes(.v1).add(to: &router)
    return router
  }

  private func makeChecks(
    _ pools: Pools, _ execution: Execution, _ pipeline: BrokerPipeline<ResultHandler>,
    _ deadLetters: DeadLetterReaders, _ limiter: RateLimiter
  ) -> @Sendable () -> [ReadinessReport.Check] {
    { [database, saga, certificateWatch] in
      let postgres = ReadinessReport.Check(
        "postgres", isReady: pools.intake.isHealthy, problem: database.writes.problem,
        detail: pools.intake.stateDescription)
      // Payments without an order do not need it.
      let orders = saga.map { ReadinessReport.Check("saga", isReady: true, detail: $0.problem ?? "") }
      // Each gateway limits by itself without it.
      let redis =
        limiter.isShared
        ? ReadinessReport.Check(
          "redis", isReady: true, detail: limiter.problem.map { "\($0); rate limits are this gateway's own" } ?? "")
        : nil
      return [postgres] + execution.parts.processor.checks + pipeline.checks + [deadLetters.check]
        + [certificateWatch?.check, orders, redis].compactMap(\.self)
    }
  }
}
