internal import Logger
public import Settings

extension SagaSettings {
  private static let services: [Program] = [.server, .consumer, .cron]
  private static let all = services + [.cli]

  /// Every setting of the saga's programs.
  public static let table = SettingsTable<SagaSettings>(
    programs: all, prefixes: prefixes, properties: \SagaSettings.kafka.properties, rows)

  /// Names that start like this are ours, and wrong when we do not know them.
  private static let prefixes = [
    "DB_", "REDIS_", "KAFKA_", "SERVER_", "CONSUMER_", "PRODUCER_", "CRON_", "PAYMENT_", "IDEMPOTENCY_", "EVENT_",
    "LOG_", "ADMIN_",
  ]

  private static let rows: [Setting<SagaSettings>] = [
    .postgres(
      "DB_DSN", \.database.dsn,
      .byProgram([.cli: "postgres://payments:payments@127.0.0.1:54321/payments?sslmode=disable"]), all,
      "PostgreSQL, directly or through PgBouncer"),
    .postgres(
      "DB_DIRECT_DSN", \.database.directDSN, orNothing: true, .value(""), all,
      "PostgreSQL past PgBouncer, for LISTEN and migrations; `DB_DSN` when empty"),
    .boolean(
      "DB_PREPARED", \.database.isPrepared, .value("true"), all,
      "prepare statements; false behind a PgBouncer before 1.21 in transaction mode"),
    .duration(
      "DB_STATEMENT_TIMEOUT", \.database.statementTimeout, .milliseconds(100)...(.seconds(3_600)), .value("10s"),
      services, "how long PostgreSQL may take for a batch of statements before it is cancelled and tried again"),
    .integer("DB_POOL_SIZE", \.database.poolSize, 1...256, .value("4"), [.server], "connections for calls"),
    .redis(
      "REDIS_DSN", \.redis.dsn, .value(""), [.server, .consumer],
      "the filter for repeated messages and calls in front of PostgreSQL"),
    .duration(
      "REDIS_TTL", \.redis.timeToLive, .seconds(1)...(.seconds(365 * 86_400)), .value("24h"), [.consumer],
      "how long the filter remembers a message"),
    .brokers(
      "KAFKA_BROKERS", \.kafka.brokers, .byProgram([.cli: "127.0.0.1:9095"]), all, "brokers to ask for the others"),
    .integer(
      "KAFKA_TOPIC_PARTITIONS", \.kafka.topicPartitions, 1...10_000, .value("4"), all,
      "partitions of the topics that are absent and made"),
    .listener(
      "SERVER_GRPC_ADDR", \.server.address,
      .byProgram([.server: ":8081", .consumer: ":8081", .cron: ":8081", .cli: "127.0.0.1:8081"]), [.server, .cli],
      "where the gRPC API listens, and where `paysaga` calls it"),
    .duration(
      "SERVER_SHUTDOWN_TIMEOUT", \.server.shutdownTimeout, .zero...(.seconds(600)), .value("10s"), services,
      "how long calls in flight, batches and deliveries may take after SIGTERM"),
    .integer(
      "SERVER_THREADS", \.server.threads, 0...64, .value("0"), [.server], "event loops; 0 for one a processor"),
    .boolean(
      "SERVER_REFLECTION", \.server.hasReflection, .value("true"), [.server],
      "tell callers what is served and how its messages look (gRPC server reflection)"),
    .integer(
      "SERVER_MAX_CONNECTIONS", \.server.maxConnections, 1...1_000_000, .value("10000"), [.server],
      "most connections of callers, and never more than the limit on open files less 256; calls of others get UNAVAILABLE"
    ),
    .integer(
      "SERVER_MAX_CALLS", \.server.maxCalls, 1...1_000_000, .value("20000"), [.server],
      "most calls at work, streams included; further ones get RESOURCE_EXHAUSTED"),
    .durationOrNever(
      "SERVER_MAX_AGE", \.server.maxAge, .milliseconds(100)...(.seconds(365 * 86_400)), .value("0"), [.server],
      "after how long, give or take a tenth, a connection is asked to go once its calls have ended"),
    .durationOrNever(
      "SERVER_MAX_IDLE", \.server.maxIdle, .milliseconds(100)...(.seconds(365 * 86_400)), .value("30m"), [.server],
      "after how long without a call a connection is closed; callers open a new one when they need it"),
    .duration(
      "SERVER_KEEPALIVE_INTERVAL", \.server.keepaliveInterval, .milliseconds(100)...(.seconds(86_400)), .value("2h"),
      [.server], "after how long without a sign of the caller it is sent a PING"),
    .duration(
      "SERVER_KEEPALIVE_TIMEOUT", \.server.keepaliveTimeout, .milliseconds(100)...(.seconds(3_600)), .value("20s"),
      [.server], "how long that PING may stay without an answer before the connection is closed"),
    .duration(
      "SERVER_HANDSHAKE_TIMEOUT", \.server.handshakeTimeout, .milliseconds(100)...(.seconds(600)), .value("10s"),
      [.server],
      "how long a new connection may take for TLS, then for the beginning of HTTP/2, and the headers of a call to come"),
    .duration(
      "SERVER_STALL_TIMEOUT", \.server.stallTimeout, .milliseconds(100)...(.seconds(3_600)), .value("60s"), [.server],
      "how long a request may take to come whole, and a caller to take what waits for it"),
    .file(
      "SERVER_TLS_CERT", \.server.tls.certificate, [.server],
      "certificate chain of the gRPC API, which is served with TLS then; read again at SIGHUP, as are the next two"),
    .file("SERVER_TLS_KEY", \.server.tls.key, [.server], "its private key, not encrypted"),
    .file(
      "SERVER_TLS_CLIENT_CA", \.server.tls.clientAuthorities, [.server],
      "authorities; when set, only clients with a certificate of theirs are let in"),
    .name(
      "CONSUMER_TOPIC", \.consumer.topic, longest: 245, extra: "._-", .value("inventory"), [.consumer, .cli],
      "topic with the inventory messages; what cannot be read goes to the topic of this name with `.dlq` added"),
    .name(
      "CONSUMER_GROUP", \.consumer.group, longest: 249, extra: "._-", .value("payments"), [.server, .consumer],
      "consumer group, and part of the filters' keys"),
    .name(
      "CONSUMER_TRIGGER_STATUS", \.consumer.triggerStatus, longest: 64, extra: "_-", .value("COMPLETED"), [.consumer],
      "the status of an inventory message that opens a payment"),
    .integer(
      "CONSUMER_BATCH", \.consumer.batch, 1...10_000, .value("1000"), [.consumer], "most messages in one transaction"),
    .integer(
      "CONSUMER_PARALLELISM", \.consumer.parallelism, 1...64, .value("1"), [.consumer],
      "batches at work side by side, each on partitions and a connection of its own"),
    .name(
      "PRODUCER_TOPIC", \.producer.topic, longest: 249, extra: "._-", .value("payment"), all,
      "topic for the payment events"),
    .boolean(
      "CRON_ENABLED", \.cron.isEnabled, .value("true"), [.server],
      "run the cron jobs in the server; `payments-cron` always runs them"),
    .duration(
      "CRON_FREQUENCY", \.cron.frequency, .milliseconds(10)...(.seconds(3_600)), .value("1s"), [.server, .cron],
      "how often to look for work when nothing woke the jobs"),
    .integer(
      "CRON_EVENTS_LIMIT", \.cron.eventsLimit, 1...65_536, .value("8192"), [.server, .cron],
      "most events one relay has in flight"),
    .duration(
      "CRON_RESERVE", \.cron.reserve, .seconds(1)...(.seconds(600)), .value("30s"), [.server, .cron],
      "how long a relay's lease on a shard lasts; the most a crashed one holds others up"),
    .durationOrNever(
      "PAYMENT_TTL", \.payment.timeToLive, .seconds(1)...(.seconds(3_650 * 86_400)), .value("24h"),
      [.server, .consumer, .cron], "after how long a payment nobody settled fails as EXPIRED"),
    .days(
      "IDEMPOTENCY_RETENTION", \.idempotency.retentionDays, 1...30, .value("1d"), [.server, .cron],
      "how long the `idempotency-key` of a call is known; the same for all programs"),
    .days(
      "EVENT_RETENTION", \.event.retentionDays, 1...3_650, .value("7d"), [.server, .cron, .cli],
      "how long published events are kept, and how far back `replay` reaches"),
    .choice(
      "EVENT_ON_DEAD", \.event.onDead, ["hold": .hold, "continue": .continue], .value("hold"), [.server, .cron],
      "what happens to an order's later events behind one that the broker refused: they wait for `requeue`, or go on"),
    .choice(
      "LOG_LEVEL", \.log.level, ["debug": .debug, "info": .info, "warning": .warning, "error": .error], .value("info"),
      all, "the least that is logged"),
    .choice("LOG_FORMAT", \.log.format, ["text": .text, "json": .json], .value("text"), all, "how a log line looks"),
    .optionalListener(
      "ADMIN_ADDR", \.admin.address,
      .byProgram([.server: "127.0.0.1:9101", .consumer: "127.0.0.1:9102", .cron: "127.0.0.1:9103", .cli: ""]), services,
      "where `/healthz`, `/readyz` and `/metrics` are served over HTTP"),
  ]
}
