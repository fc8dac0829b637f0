internal import Cards
internal import ClientSettings
internal import Logger
internal import ProcessingSettings
internal import SagaClient
public import Settings
internal import Values

extension GatewaySettings {
  static let programs: [Program] = [.gateway]

  /// How the names of the database's settings begin.
  public static let databasePrefix = "GATEWAY_"

  /// `--help`, the table in docs/settings.md and every check come from this table.
  public static let table = SettingsTable<GatewaySettings>(
    programs: programs,
    prefixes: [
      "GATEWAY_", "PROCESSING_", "DIRECT_", "BANK_", "CARD_", "RISK_", "SAGA_", "WEBHOOK_", "KAFKA_", "LOG_",
      "ADMIN_",
    ],
    properties: KafkaSettings.properties(setElsewhere: [
      "group.id": "the group is named by GATEWAY_GROUP",
      "message.timeout.ms": "deliveries must end before their lease does; set GATEWAY_RELAY_LEASE",
      "delivery.timeout.ms": "deliveries must end before their lease does; set GATEWAY_RELAY_LEASE",
    ]).within(\.kafka),
    [
      DatabaseSettings.rows(prefix: databasePrefix, dsn: .byProgram([:]), programs, services: programs)
        .within(\.database),
      DatabaseSettings.rows(
        prefix: ProcessingSettings.databasePrefix, dsn: .byProgram([:]), programs, services: programs
      ).within(\.processingDatabase),
      KafkaSettings.rows(
        brokers: .byProgram([:]), programs, partitions: "DIRECT_TOPIC_PARTITIONS", standard: 3
      ).within(\.kafka),
      DirectTopics.rows(programs).within(\.topics),
      serverRows,
      pageRows,
      [
        ServiceOptions.shutdownRow(
          "GATEWAY_SHUTDOWN_TIMEOUT", programs, "drain time after SIGTERM for requests, cards and batches"
        ).within(\.service)
      ],
      intakeRows,
      surfaceRows,
      ProcessorOptions.rows(programs).within(\.processor),
      SagaClientSettings.rows(programs).within(\.saga),
      pipelineRows,
      WebhookSettings.rows(programs).within(\.webhooks),
      ServiceOptions.rows(adminAddress: .value("127.0.0.1:9104"), programs, services: programs).within(\.service),
    ].flatMap { $0 })

  private static let serverRows: [Setting<GatewaySettings>] = [
    .listener(
      "GATEWAY_ADDR", \.server.address, .value("127.0.0.1:8090"), programs,
      "listen address of `/v1` (HTTP); beyond loopback it needs TLS and `GATEWAY_AUTH=keys`"),
    .file(
      "GATEWAY_TLS_CERT", \.server.certificate, programs,
      "certificate chain of that address and of the surfaces; setting it enables TLS; SIGHUP or a change reads this file and"
        + " the next again"),
    .keyFile("GATEWAY_TLS_KEY", \.server.key, programs, "private key of the certificate, not encrypted"),
    .choice(
      "GATEWAY_ACCESS_LOG", \.server.accessLog, .value("off"), programs,
      "which requests are logged, with peer, method, route, code, duration and bytes"),
    .days(
      "GATEWAY_TLS_WARN_BEFORE", \.server.warningDays, 0...365, .value("14d"), programs,
      "how long before the certificate's end a start and a reload warn of it"),
    .boolean(
      "GATEWAY_BEHIND_TLS", \.server.isBehindTLS, .value("false"), programs,
      "allow a listen address beyond loopback in clear: a proxy in front speaks TLS"),
    .choice(
      "GATEWAY_AUTH", \.server.authentication, ["keys": .keys, "open": .open], .value("keys"), programs,
      "who may call: `keys` asks for an API key, `open` lets everybody in, which needs a listen address of loopback"),
    .redis(
      "GATEWAY_REDIS_DSN", \.server.redisDSN, .value(""), programs,
      "where gateways share the rate limits of API keys; without it, and while it is away, each has its own"),
    .integer(
      "GATEWAY_MAX_CONNECTIONS", \.server.maxConnections, 1...1_000_000, .value("30000"), programs,
      "maximum connections of each listen address, and of all together never more than the limit on open files less 256,"
        + " `BANK_MAX_CALLS` and `WEBHOOK_MAX_CALLS`, or half of it"),
    .integer(
      "GATEWAY_MAX_PEER_CONNECTIONS", \.server.maxPeerConnections, 1...1_000_000, .value("1000"), programs,
      "maximum connections per IPv4 address or IPv6 network (/64); raise it behind a proxy"),
    .integer(
      "GATEWAY_MAX_WAITERS", \.server.maxWaiters, 0...1_000_000, .value("20000"), programs,
      "maximum requests that wait for a payment (`?wait=`) or follow payments (`…/events`), and never more than three"
        + " quarters of the connections; further ones get 503"),
    .integer(
      "GATEWAY_MAX_PEER_WAITERS", \.server.maxPeerWaiters, 0...1_000_000, .value("2000"), programs,
      "maximum requests that wait or follow payments per API key; where callers have none, per IPv4 address or IPv6 network"
        + " (/64): raise it behind a proxy; further ones get 503"),
    .integer(
      "GATEWAY_MAX_HELD_BYTES", \.server.maxHeldBytes, 1_048_576...1_099_511_627_776, .value("67108864"), programs,
      "maximum bytes of bodies whose requests have no answer; further requests get 503"),
    .duration(
      "GATEWAY_IDLE_TIMEOUT", \.server.idleTimeout, .seconds(1)...(.seconds(3_600)), .value("60s"), programs,
      "time limit for the header fields of a connection's next request"),
    .duration(
      "GATEWAY_REQUEST_TIMEOUT", \.server.requestTimeout, .milliseconds(100)...(.seconds(600)), .value("10s"),
      programs, "time limit for the body of a request"),
    .duration(
      "GATEWAY_SEND_TIMEOUT", \.server.sendTimeout, .milliseconds(100)...(.seconds(600)), .value("30s"), programs,
      "time limit for a caller to read an answer"),
  ]

  private static let intakeRows: [Setting<GatewaySettings>] = [
    .integer(
      "GATEWAY_POOL_SIZE", \.intake.poolSize, 1...256, .value("2"), programs, "number of connections for reads"),
    .parsed(
      "GATEWAY_MERCHANT", \.intake.merchant, rule: "a UUID", { UniqueID($0) }, .byProgram([:]), programs,
      "who is paid where a payment names no `payee_id`"),
    .parsed(
      "GATEWAY_REQUEST_KEYS", \.intake.requestKeys, rule: CardFingerprintKeys.rule, isSecret: true,
      { try? CardFingerprintKeys($0) }, .byProgram([:]), programs,
      "keys that sign what is kept of a request under its `Idempotency-Key`; the same for all gateways"),
    .parsed(
      "CARD_FINGERPRINT_KEYS", \.intake.fingerprintKeys, rule: CardFingerprintKeys.rule, isSecret: true,
      { try? CardFingerprintKeys($0) }, .byProgram([:]), programs,
      "keys by which a card is known again without its number; the same for all gateways"),
    .duration(
      "CARD_CLAIM_TIMEOUT", \.intake.claimTimeout, .seconds(1)...(.seconds(3_600)), .value("30s"), programs,
      "age at which a card payment that no gateway executes ends as ERROR `card_data_lost`"),
  ]

  private static let pipelineRows: [Setting<GatewaySettings>] = [
    .integer(
      "GATEWAY_BATCH", \.updates.batch, 1...10_000, .value("500"), programs, "maximum results per transaction"),
    .duration(
      "GATEWAY_RELAY_LEASE", \.relay.reserve, .seconds(1)...(.seconds(600)), .value("30s"), programs,
      "duration of the lease under which payments are published; after a crash others wait at most this long"),
    .days(
      "GATEWAY_EVENT_RETENTION", \.relay.retentionDays, 1...3_650, .value("7d"), programs,
      "retention of published payments"),
    .days(
      "GATEWAY_ARCHIVE_AFTER", \.relay.archiveDays, 2...3_650, .value("30d"), programs,
      "age at which payments that are final for as long move to the archive, with their states"),
    .days(
      "GATEWAY_ARCHIVE_RETENTION", \.relay.archiveRetentionDays, 60...36_500, .value("36500d"), programs,
      "retention of archived payments: months that ended so long ago are dropped"),
  ]
}
