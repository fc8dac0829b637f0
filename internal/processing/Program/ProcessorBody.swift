internal import Admin
internal import Archive
internal import ClientSettings
internal import DirectPipeline
internal import Errors
internal import Inbox
internal import Kafka
internal import Logger
internal import Metrics
internal import Outbox
internal import OutboxKafka
internal import Postgres
internal import ProcessingOrders
internal import ProcessingSchema
public import ProcessingSettings
internal import ProcessingStore
internal import Processor
internal import Runtime
internal import SagaClient
public import Service
public import Settings
internal import Synchronization
internal import Tracing
internal import Values

/// The inside of `payments-processor`: the reader of payments, their execution, and the relay of results.
public final class ProcessorBody: ProgramBody {
  private let settings: ProcessingSettings
  private let database: ProgramDatabase
  private let context: ProgramContext
  private let saga: SagaClient?
  /// Those of the payments that this process is at.
  private let traces: TraceBook

  /// Keeps the settings, and reads the files of the saga's TLS.
  /// - Throws: `SettingsError` for a file that cannot be used.
  public init(_ settings: ProcessingSettings, _ context: ProgramContext) throws(SettingsError) {
    self.settings = settings
    self.context = context
    traces = TraceBook(context.tracer)
    database = ProgramDatabase(settings.database, program: context.program.name, metrics: context.metrics)
    let client = try settings.saga.client(userAgent: context.program.name)
    saga = client.map { SagaClient($0, metrics: context.metrics, tracer: context.tracer) }
  }

  /// There is no API.
  public var neededForAPI: Set<String>? { nil }

  /// Those for the brokers and for the saga.
  public var clientCertificates: [ClientCertificate] {
    let saga = settings.saga.shownCertificate.map { ClientCertificate(for: "saga", setting: $0.setting, file: $0.file) }
    return [.kafka(settings.kafka.properties), saga].compactMap(\.self)
  }

  /// Nothing can be reloaded.
  public func reload() { context.logger.info("SIGHUP: nothing to reload") }

  /// What writes results stops before their relay does, and whoever reads payments first of all.
  public func assemble() throws -> ProgramParts {
    let shards = try ProcessingSchema.wait(
      try database.configuration(role: "start-up"), runsJobs: true, logger: context.logger, stop: context.stop)
    let pool = ConnectionPool(
      configuration: try database.configuration(role: "notify"), size: 1, queueLimit: 16, name: "notify",
      logger: context.logger, metrics: context.metrics)
    let relay = try makeRelay(shards)
    let notifier = Notifier(channel: ProcessingSchema.outbox.channel, pool: pool, logger: context.logger) {
      !relay.ownsAllShards
    }
    let orders = try makeOrders()
    let onCommit = { @Sendable in
      relay.wake()
      notifier.notify()
    }
    let execution = try ExecutionParts(
      settings.processor, .processor, database: database, shards: shards, topic: settings.topics.results,
      traces: traces, context: context, onCommit: onCommit)
    let debits = try makeDebits(shards, onCommit: onCommit)
    let pipeline = try makePipeline(relay, execution)
    let refunds = AutomaticRefunds(
      try serial("refunds"), policy: settings.deadOrders, processor: execution.processor, logger: context.logger)
    // Gateways complete payments of orders, too.
    let wake = { @Sendable in
      relay.wake()
      orders?.wake()
    }
    let listener = Listener(
      configuration: try database.configuration(role: "listener", isDirect: true),
      channels: [ProcessingSchema.outbox.channel], logger: context.logger,
      onConnect: wake, onNotification: { _, _ in wake() })
    let outputs = OutputTopics(
      settings.debits.isOn ? [settings.debits.results] : [], kafka: settings.kafka, context)
    let probe = try database.startWriteProbe(tables: ProcessingSchema.written, logger: context.logger)
    let exceptions = ExceptionWatch(
      try serial("exceptions"), logger: context.logger, metrics: context.metrics)
    let entries: [ServiceEntry?] = [
      .part(probe), .part(pool), .part(stop: { pipeline.stopRelay(until: $0) }), .part(listener), .part(notifier),
      .part(TableCare(try serial("care"), logger: context.logger)),
      .part(ChainSealing(try serial("chain"), logger: context.logger, metrics: context.metrics)), .part(exceptions),
      .part(try makeArchive()), saga.map { .part($0) }, orders.map { .part($0) }, .part(execution.bank),
      .part(execution.processor), .part(refunds), .late(outputs), .late(pipeline), debits.map { .late($0) },
    ]
    return ProgramParts(entries.compactMap(\.self), checks: makeChecks(execution.processor, pipeline, debits))
  }

  private func serial(_ role: String) throws -> SerialConnection {
    SerialConnection(
      try database.indexed(role: role), logger: context.logger.labelled(role), stop: context.stop)
  }

  private func makeArchive() throws -> ArchiveMover {
    let database = try database.configuration(
      role: "archive", isDirect: true, parameters: ArchiveMover.limits)
    return ArchiveMover(
      ArchiveWalk(
        ProcessingArchive.plan(ProcessingTables()), olderThan: .seconds(86_400 * settings.relay.archiveDays),
        retention: .seconds(86_400 * settings.relay.archiveRetentionDays)),
      SerialConnection(database, logger: context.logger.labelled("archive"), stop: context.stop),
      logger: context.logger, metrics: context.metrics)
  }

  /// Carries out debits; nil where none are read.
  private func makeDebits(_ shards: ShardMap, onCommit: @escaping @Sendable () -> Void) throws -> DebitIntake? {
    guard settings.debits.isOn else { return nil }
    return try DebitIntake(
      settings.debits, kafka: settings.kafka, database: database, shards: shards, batch: settings.consumer.batch,
      context, onCommit: onCommit)
  }

  /// The topics of what is written.
  private var written: [String] { [settings.topics.results] + (settings.debits.isOn ? [settings.debits.results] : []) }

  private func makeRelay(_ shards: ShardMap) throws -> KafkaRelay {
    try KafkaRelay(
      ProcessingSchema.outbox, shards: shards, topics: written,
      try RelayConfiguration(owner: context.instance, reserve: settings.relay.reserve),
      database: try database.indexed(role: "relay"),
      careDatabase: try database.configuration(
        role: OutboxCare.role(of: ProcessingSchema.outbox), isDirect: true, parameters: DayCare.limits),
      kafka: settings.kafka.configuration(clientID: "\(context.program.name)-relay"),
      retention: .seconds(86_400 * settings.relay.retentionDays), logger: context.logger, metrics: context.metrics,
      tracer: context.tracer, stop: context.stop)
  }

  /// Settles orders; nil without a saga.
  private func makeOrders() throws -> OrderSettler? {
    guard let saga else { return nil }
    return OrderSettler(
      try serial("orders"), saga: saga, policy: settings.deadOrders, logger: context.logger, metrics: context.metrics)
  }

  private func makePipeline(
    _ relay: KafkaRelay, _ execution: ExecutionParts
  ) throws -> BrokerPipeline<InstructionHandler> {
    let topics = settings.topics
    let deadLetters = DirectTopics.deadLetters(of: topics.payments)
    let inbox = InboxConsumer(
      InboxConfiguration(
        name: "direct_payments", topic: topics.payments, group: topics.processorGroup,
        deadLetterTopic: deadLetters, batch: settings.consumer.batch, parallelism: settings.consumer.parallelism),
      kafka: settings.kafka.configuration(clientID: context.program.name),
      // As for steps: a row that somebody holds makes the batch come again, and does not keep it for ever.
      database: try database.indexed(role: "claims", lockTimeout: .seconds(5)),
      logger: context.logger.labelled("inbox"), metrics: context.metrics, stop: context.stop
    ) { [traces] _ in InstructionHandler(execution.processor, scoring: execution.scoring, traces: traces) }
    return BrokerPipeline(
      relay, inbox, kafka: settings.kafka,
      topics: [topics.payments, deadLetters, topics.results],
      others: topics.gatewayGroups, context
    ) { [logger = context.logger] in
      logger.info("executing payments", ["topic": .string(topics.payments)])
    }
  }

  private func makeChecks(
    _ processor: PaymentProcessor, _ pipeline: BrokerPipeline<InstructionHandler>, _ debits: DebitIntake?
  ) -> @Sendable () -> [ReadinessReport.Check] {
    { [database, saga] in
      let writing = ReadinessReport.Check("postgres", problem: database.writes.problem)
      // Payments without an order do not need it, and settlements wait.
      let orders = saga.map { ReadinessReport.Check("saga", isReady: true, detail: $0.problem ?? "") }
      return [writing] + processor.checks + pipeline.checks + (debits?.checks ?? []) + [orders].compactMap(\.self)
    }
  }
}
