public import ClientSettings
public import ProcessingDomain
public import SagaClient
public import Settings
internal import Values

/// The programs of processing.
extension Program {
  /// The one that executes payments.
  public static let processor = Program(
    name: "payments-processor", short: "processor",
    summary: "executes direct payments: risk, hold, bank, posting; asks about those whose outcome is unknown")
}

/// The settings of `payments-processor`.
public struct ProcessingSettings: ServiceSettings {
  /// PostgreSQL with the schemas processing, ledger and risk.
  public var database = DatabaseSettings()
  /// The brokers.
  public var kafka = KafkaSettings()
  /// The topics of the pipeline.
  public var topics = DirectTopics()
  /// How payments are processed.
  public var processor = ProcessorOptions()
  /// The saga, whose payments of orders are settled.
  public var saga = SagaClientSettings()
  /// `ORDER_DEAD`: what becomes of a payment whose order is dead.
  public var deadOrders = OrderDeadPolicy.refund
  /// The reader of the payments' topic.
  public var consumer = Consumer()
  /// The writer of results.
  public var relay = Relay()
  /// Debits that are commanded by message.
  public var debits = DebitOptions()
  /// Log, admin endpoint and shutdown.
  public var service = ServiceOptions(shutdownSetting: "PROCESSING_SHUTDOWN_TIMEOUT")

  /// The reader of the payments' topic.
  public struct Consumer: Sendable {
    /// `PROCESSING_BATCH`: maximum messages per transaction.
    public var batch = 0
    /// `PROCESSING_PARALLELISM`: number of lanes, each with a thread and some of the partitions.
    public var parallelism = 0
  }

  /// The writer of results.
  public struct Relay: Sendable {
    /// `PROCESSING_RELAY_LEASE`: duration of a lease on a shard of the outbox.
    public var reserve = Duration.zero
    /// `PROCESSING_EVENT_RETENTION` in days.
    public var retentionDays = 0
    /// `PROCESSING_ARCHIVE_AFTER` in days.
    public var archiveDays = 0
    /// `PROCESSING_ARCHIVE_RETENTION` in days.
    public var archiveRetentionDays = 0
  }

  /// The values before any row is read.
  public init(program: Program) {}

  /// Derives values from others, and reads the file of rules.
  public mutating func finish() throws(SettingsError) {
    database.finish()
    try processor.finish()
  }

  /// Lets libpq and librdkafka parse their settings.
  public func check() throws(SettingsError) {
    try database.check(prefix: Self.databasePrefix)
    try kafka.check()
    try saga.check()
  }

  /// How the names of the database's settings begin.
  public static let databasePrefix = "PROCESSING_"
  private static let programs: [Program] = [.processor]

  /// `--help`, the table in docs/settings.md and every check come from this table.
  public static let table = SettingsTable<ProcessingSettings>(
    programs: programs,
    prefixes: [
      "PROCESSING_", "DIRECT_", "BANK_", "CARD_", "RISK_", SagaClientSettings.prefix, "ORDER_", "DEBIT_",
      "KAFKA_", "LOG_", "ADMIN_",
    ],
    properties: KafkaSettings.properties(setElsewhere: [
      "group.id": "the group is named by PROCESSING_GROUP",
      "message.timeout.ms": "deliveries must end before their lease does; set PROCESSING_RELAY_LEASE",
      "delivery.timeout.ms": "deliveries must end before their lease does; set PROCESSING_RELAY_LEASE",
    ]).within(\.kafka),
    [
      DatabaseSettings.rows(prefix: databasePrefix, dsn: .byProgram([:]), programs, services: programs)
        .within(\.database),
      KafkaSettings.rows(
        brokers: .byProgram([:]), programs, partitions: "DIRECT_TOPIC_PARTITIONS", standard: 3
      ).within(\.kafka),
      DirectTopics.rows(programs).within(\.topics),
      ProcessorOptions.rows(programs).within(\.processor),
      SagaClientSettings.rows(programs).within(\.saga),
      [
        .choice(
          "ORDER_DEAD", \.deadOrders, ["refund": .refund, "hold": .hold], .value("refund"), programs,
          "what becomes of a payment whose order can no longer be settled: its money goes back, or a person decides"
        )
      ],
      consumerRows,
      DebitOptions.rows(programs).within(\.debits),
      [
        ServiceOptions.shutdownRow(
          "PROCESSING_SHUTDOWN_TIMEOUT", programs, "drain time after SIGTERM for calls to the bank and batches"
        ).within(\.service)
      ],
      ServiceOptions.rows(adminAddress: .value("127.0.0.1:9105"), programs, services: programs).within(\.service),
    ].flatMap { $0 })

  private static let consumerRows: [Setting<ProcessingSettings>] = [
    .integer(
      "PROCESSING_BATCH", \.consumer.batch, 1...256, .value("256"), programs, "maximum payments claimed at once"),
    .integer(
      "PROCESSING_PARALLELISM", \.consumer.parallelism, 1...64, .value("1"), programs,
      "number of lanes that read payments, each with a thread and a connection"),
    .duration(
      "PROCESSING_RELAY_LEASE", \.relay.reserve, .seconds(1)...(.seconds(600)), .value("30s"), programs,
      "duration of the lease under which results are published; after a crash others wait at most this long"),
    .days(
      "PROCESSING_EVENT_RETENTION", \.relay.retentionDays, 1...3_650, .value("7d"), programs,
      "retention of published results"),
    .days(
      "PROCESSING_ARCHIVE_AFTER", \.relay.archiveDays, 2...3_650, .value("30d"), programs,
      "age at which payments that are final for as long, and have nothing left to do, move to the archive"),
    .days(
      "PROCESSING_ARCHIVE_RETENTION", \.relay.archiveRetentionDays, 60...36_500, .value("36500d"), programs,
      "retention of archived payments: months that ended so long ago are dropped, and none of their payments is executed"
        + " again"),
  ]
}
