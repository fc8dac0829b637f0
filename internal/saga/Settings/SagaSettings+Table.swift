internal import ClientSettings
internal import Logger
public import Settings

extension SagaSettings {
  private static let services: [Program] = [.server, .consumer, .cron]
  private static let all = services + [.cli]

  /// Every setting of the saga's programs.
  public static let table = SettingsTable<SagaSettings>(
    programs: all, prefixes: prefixes,
    properties: KafkaSettings.properties(setElsewhere: [
      "group.id": "the group is named by CONSUMER_GROUP",
      "message.timeout.ms": "deliveries must end before their lease does; set CRON_RESERVE",
      "delivery.timeout.ms": "deliveries must end before their lease does; set CRON_RESERVE",
    ]).within(\.kafka), rows)

  /// Names that start like this are ours, and wrong when we do not know them.
  private static let prefixes = [
    "DB_", "REDIS_", "KAFKA_", "SERVER_", "CONSUMER_", "PRODUCER_", "CRON_", "PAYMENT_", "IDEMPOTENCY_", "EVENT_",
    "LOG_", "ADMIN_",
  ]

  static let databasePrefix = "DB_"

  private static let rows: [Setting<SagaSettings>] = [
    DatabaseSettings.rows(
      prefix: databasePrefix,
      dsn: .byProgram([.cli: "postgres://payments:payments@127.0.0.1:54321/payments?sslmode=disable"]), all,
      services: services
    ).within(\.database),
    storeRows,
    KafkaSettings.rows(brokers: .byProgram([.cli: "127.0.0.1:9095"]), all).within(\.kafka),
    addressRows,
    [
      ServiceOptions.shutdownRow(
        "SERVER_SHUTDOWN_TIMEOUT", services, "drain time after SIGTERM for calls in flight, batches and deliveries"
      ).within(\.service)
    ],
    serverRows,
    jobRows,
    ServiceOptions.rows(
      adminAddress: .byProgram([
        .server: "127.0.0.1:9101", .consumer: "127.0.0.1:9102", .cron: "127.0.0.1:9103", .cli: "",
      ]), all, services: services
    ).within(\.service),
  ].flatMap { $0 }

  private static let storeRows: [Setting<SagaSettings>] = [
    .integer("DB_POOL_SIZE", \.database.poolSize, 1...256, .value("4"), [.server], "number of connections for calls"),
    .redis(
      "REDIS_DSN", \.redis.dsn, .value(""), [.server, .consumer],
      "filter for repeated messages and calls, in front of PostgreSQL"),
    .duration(
      "REDIS_TTL", \.redis.timeToLive, .seconds(1)...(.seconds(365 * 86_400)), .value("24h"), [.consumer],
      "how long the filter remembers a message"),
  ]

  private static let addressRows: [Setting<SagaSettings>] = [
    .listener(
      "SERVER_GRPC_ADDR", \.server.address,
      .value("127.0.0.1:8081"), [.server, .cli],
      "listen address of the gRPC API, and where `paysaga` calls it; beyond loopback it needs `SERVER_TLS_CLIENT_CA` or"
        + " `SERVER_INSECURE`"),
    .boolean(
      "SERVER_INSECURE", \.server.isInsecure, .value("false"), [.server],
      "allow a listen address beyond loopback without client certificates: something in front decides who may call"),
  ]

  private static let serverRows: [Setting<SagaSettings>] = [
    .integer(
      "SERVER_THREADS", \.server.threads, 0...64, .value("0"), [.server], "number of event loops; 0: one per processor"),
    .boolean(
      "SERVER_REFLECTION", \.server.hasReflection, .value("true"), [.server],
      "serve gRPC server reflection"),
    .integer(
      "SERVER_MAX_CONNECTIONS", \.server.maxConnections, 1...1_000_000, .value("10000"), [.server],
      "maximum connections, and never more than the limit on open files less 256; calls beyond it get UNAVAILABLE"
    ),
    .integer(
      "SERVER_MAX_CALLS", \.server.maxCalls, 1...1_000_000, .value("20000"), [.server],
      "maximum concurrent calls, streams included; calls beyond it get RESOURCE_EXHAUSTED"),
    .integer(
      "SERVER_MAX_PEER_CONNECTIONS", \.server.maxPeerConnections, 1...1_000_000, .value("1000"), [.server],
      "maximum connections per IPv4 address or IPv6 network (/64); raise it behind a proxy"),
    .integer(
      "SERVER_MAX_PEER_STREAMS", \.server.maxPeerStreams, 1...1_000_000, .value("2000"), [.server],
      "maximum open streams, such as watches, per address or network; streams beyond it get RESOURCE_EXHAUSTED"),
    .integer(
      "SERVER_MAX_MESSAGE_SIZE", \.server.maxMessageSize, 4_096...67_108_864, .value("65536"), [.server],
      "maximum size of a request message in bytes, before and after decompression; 16384 at most for payments"),
    .integer(
      "SERVER_MAX_HELD_BYTES", \.server.maxHeldBytes, 1_048_576...1_099_511_627_776, .value("67108864"), [.server],
      "maximum bytes of unfinished requests and unread answers of all callers; beyond it the largest holders are refused"
    ),
    .durationOrNever(
      "SERVER_MAX_AGE", \.server.maxAge, .milliseconds(100)...(.seconds(365 * 86_400)), .value("0"), [.server],
      "maximum age of a connection, give or take a tenth; it then drains and closes"),
    .durationOrNever(
      "SERVER_MAX_IDLE", \.server.maxIdle, .milliseconds(100)...(.seconds(365 * 86_400)), .value("30m"), [.server],
      "idle time without calls after which a connection is closed"),
    .duration(
      "SERVER_KEEPALIVE_INTERVAL", \.server.keepaliveInterval, .milliseconds(100)...(.seconds(86_400)), .value("2h"),
      [.server], "time without data from a caller after which it gets a PING"),
    .duration(
      "SERVER_KEEPALIVE_TIMEOUT", \.server.keepaliveTimeout, .milliseconds(100)...(.seconds(3_600)), .value("20s"),
      [.server], "time to answer that PING before the connection is closed"),
    .duration(
      "SERVER_KEEPALIVE_MIN_TIME", \.server.keepaliveMinTime, .zero...(.seconds(86_400)), .value("5s"), [.server],
      "minimum time between PINGs of a caller; the third one too early ends the connection"),
    .duration(
      "SERVER_HANDSHAKE_TIMEOUT", \.server.handshakeTimeout, .milliseconds(100)...(.seconds(600)), .value("10s"),
      [.server],
      "time limit for the TLS handshake, then for the HTTP/2 preface, and for the headers of a call"),
    .duration(
      "SERVER_STALL_TIMEOUT", \.server.stallTimeout, .milliseconds(100)...(.seconds(3_600)), .value("60s"), [.server],
      "time limit for a complete request, and for a caller to read pending responses"),
    .choice(
      "SERVER_ACCESS_LOG", \.server.accessLog, .value("off"), [.server],
      "which calls are logged, with peer, method, code, duration and bytes"),
    .days(
      "SERVER_TLS_WARN_BEFORE", \.server.tls.warningDays, 0...365, .value("14d"), [.server],
      "how long before the certificate's end a start and a reload warn of it"),
    .file(
      "SERVER_TLS_CERT", \.server.tls.certificate, [.server],
      "certificate chain of the gRPC API; setting it enables TLS; SIGHUP reads this file and the next four again, a change"
        + " this one and the next three"),
    .keyFile("SERVER_TLS_KEY", \.server.tls.key, [.server], "private key of the certificate, not encrypted"),
    .file(
      "SERVER_TLS_CLIENT_CA", \.server.tls.clientAuthorities, [.server],
      "client certificate authorities; setting it makes client certificates mandatory"),
    .file(
      "SERVER_TLS_CRL", \.server.tls.revocations, [.server],
      "revocation lists of those authorities; a client certificate that is on one, or whose authority has none, is refused"
    ),
    .file(
      "SERVER_ROLES", \.server.roles, kind: "a file with lines `ROLE NAME`", [.server],
      "what each name in a client certificate may do (read, settle or admin), others nothing; without it every client may"
        + " do everything"),
  ]

  private static let jobRows: [Setting<SagaSettings>] = [
    .name(
      "CONSUMER_TOPIC", \.consumer.topic, longest: 245, extra: "._-", .value("inventory"), all,
      "topic of the inventory messages; unreadable messages go to the topic with `.dlq` appended"),
    .name(
      "CONSUMER_GROUP", \.consumer.group, longest: 249, extra: "._-", .value("payments"), services,
      "consumer group, and part of the filter's keys"),
    .text(
      "CONSUMER_TRIGGER_STATUS", \.consumer.triggerStatus, rule: InventoryStatus.rule,
      { InventoryStatus.isValid($0) }, .value("COMPLETED"), [.consumer],
      "status of an inventory message that opens a payment"),
    .integer(
      "CONSUMER_BATCH", \.consumer.batch, 1...10_000, .value("1000"), [.consumer], "maximum messages per transaction"),
    .integer(
      "CONSUMER_PARALLELISM", \.consumer.parallelism, 1...64, .value("1"), [.consumer],
      "number of lanes: batches in parallel, each with its own partitions and connection"),
    .name(
      "PRODUCER_TOPIC", \.producer.topic, longest: 249, extra: "._-", .value("payment"), all,
      "topic of the payment events"),
    .boolean(
      "CRON_ENABLED", \.cron.isEnabled, .value("true"), [.server],
      "run the cron jobs in the server; `payments-cron` always runs them"),
    .duration(
      "CRON_FREQUENCY", \.cron.frequency, .milliseconds(10)...(.seconds(3_600)), .value("1s"), [.server, .cron],
      "poll interval of the jobs when nothing wakes them"),
    .integer(
      "CRON_EVENTS_LIMIT", \.cron.eventsLimit, 1...65_536, .value("8192"), [.server, .cron],
      "maximum events that a relay holds in memory"),
    .duration(
      "CRON_RESERVE", \.cron.reserve, .seconds(1)...(.seconds(600)), .value("30s"), [.server, .cron],
      "duration of a relay's lease on a shard; after a crash other relays wait at most this long"),
    .durationOrNever(
      "PAYMENT_TTL", \.payment.timeToLive, .seconds(1)...(.seconds(3_650 * 86_400)), .value("24h"),
      [.server, .consumer, .cron], "age at which an unsettled payment fails as EXPIRED"),
    .durationOrNever(
      "PAYMENT_ARCHIVE_AFTER", \.payment.archiveAfter, .seconds(3_600)...(.seconds(3_650 * 86_400)), .value("0"),
      [.server, .cron],
      "time after which a final payment moves to the archive; set it only when all programs know the archive"),
    .days(
      "IDEMPOTENCY_RETENTION", \.idempotency.retentionDays, 1...30, .value("1d"), [.server, .cron],
      "how long the `idempotency-key` of a call is remembered; use the same value for all programs"),
    .days(
      "EVENT_RETENTION", \.event.retentionDays, 1...3_650, .value("7d"), [.server, .cron, .cli],
      "retention of published events, and the reach of `replay`"),
    .choice(
      "EVENT_ON_DEAD", \.event.onDead, ["hold": .hold, "continue": .continue], .value("hold"), [.server, .cron],
      "after the broker refused an event, later events of its order wait for `requeue` (hold) or go on (continue)"),
  ]
}
