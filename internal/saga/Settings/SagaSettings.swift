public import ClientSettings
internal import FoundationEssentials
public import Logger
public import Settings
public import Values

/// The checked settings of one of the saga's programs; `load` makes them.
public struct SagaSettings: ServiceSettings {
  /// The program that they were loaded for.
  public var program: Program
  /// PostgreSQL.
  public var database = DatabaseSettings()
  /// The filter in front of the database.
  public var redis = Redis()
  /// The brokers.
  public var kafka = KafkaSettings()
  /// The gRPC server.
  public var server = Server()
  /// The reader of the inventory topic.
  public var consumer = Consumer()
  /// The writer of payment events.
  public var producer = Producer()
  /// The cron jobs.
  public var cron = Cron()
  /// Limits of a payment.
  public var payment = Payment()
  /// The keys of calls.
  public var idempotency = Idempotency()
  /// The outbox.
  public var event = Event()
  /// Log, admin endpoint and shutdown.
  public var service = ServiceOptions(shutdownSetting: "SERVER_SHUTDOWN_TIMEOUT")

  public init(program: Program) { self.program = program }

  public mutating func finish() throws(SettingsError) {
    try server.tls.check()
    try server.checkRoles()
    if program == .server { try server.checkExposure() }
    database.finish()
    if server.threads == 0 { server.threads = min(64, ProcessInfo.processInfo.activeProcessorCount) }
  }

  /// Lets libpq and librdkafka parse their settings.
  public func check() throws(SettingsError) {
    try database.check(prefix: Self.databasePrefix)
    try kafka.check()
  }

  /// The filter in front of the database.
  public struct Redis: Sendable {
    /// `REDIS_DSN`; empty for no Redis.
    public var dsn = ""
    /// `REDIS_TTL`: how long a key is remembered.
    public var timeToLive = Duration.zero
    /// Whether there is a Redis.
    public var isEnabled: Bool { !dsn.isEmpty }
  }

  /// The gRPC server.
  public struct Server: Sendable {
    /// `SERVER_GRPC_ADDR`: listen address, and the address that the command line calls.
    public var address = NetworkAddress(host: "127.0.0.1", port: 0)
    /// `SERVER_THREADS`: number of event loops; 0 becomes the number of processors.
    public var threads = 0
    /// Files of the gRPC API's TLS.
    public var tls = TLS()

    /// Files of the gRPC API's TLS; all empty serves in clear.
    public struct TLS: Sendable {
      /// `SERVER_TLS_CERT`; never without `key`.
      public var certificate = ""
      /// `SERVER_TLS_KEY`; never without `certificate`.
      public var key = ""
      /// `SERVER_TLS_CLIENT_CA`: when set, clients need a certificate.
      public var clientAuthorities = ""
      /// `SERVER_TLS_CRL`; never without `clientAuthorities`.
      public var revocations = ""
      /// `SERVER_TLS_WARN_BEFORE` in days: from how long before its end on a certificate is warned of.
      public var warningDays = 0
      /// Whether the API speaks TLS.
      public var isEnabled: Bool { !certificate.isEmpty }
    }
    /// `SERVER_ACCESS_LOG`: the calls that are logged.
    public var accessLog = AccessLog.off
    /// `SERVER_ROLES`: the path of the callers' roles; empty: every caller may do everything.
    public var roles = ""
    /// `SERVER_REFLECTION`: whether callers may ask for the services and their messages.
    public var hasReflection = true
    /// `SERVER_MAX_CONNECTIONS`: on all loops together.
    public var maxConnections = 0
    /// `SERVER_MAX_CALLS`: asynchronous handlers at work, on all loops together.
    public var maxCalls = 0
    /// `SERVER_INSECURE`: whether it may listen beyond loopback without client certificates.
    public var isInsecure = false
    /// `SERVER_MAX_PEER_CONNECTIONS`: connections from one address or network.
    public var maxPeerConnections = 0
    /// `SERVER_MAX_PEER_STREAMS`: open streams from one address or network.
    public var maxPeerStreams = 0
    /// `SERVER_MAX_MESSAGE_SIZE`: maximum size of a request message, bytes.
    public var maxMessageSize = 0
    /// `SERVER_MAX_HELD_BYTES`: maximum memory that all callers together may occupy.
    public var maxHeldBytes = 0
    /// `SERVER_KEEPALIVE_MIN_TIME`: minimum time between PINGs of a caller.
    public var keepaliveMinTime = Duration.zero
    /// `SERVER_MAX_AGE`: age at which a connection is drained; nil for never.
    public var maxAge: Duration?
    /// `SERVER_MAX_IDLE`: time without calls after which a connection is drained; nil for never.
    public var maxIdle: Duration?
    /// `SERVER_KEEPALIVE_INTERVAL`: quiet time after which a caller gets a PING.
    public var keepaliveInterval = Duration.zero
    /// `SERVER_KEEPALIVE_TIMEOUT`: time to answer that PING.
    public var keepaliveTimeout = Duration.zero
    /// `SERVER_HANDSHAKE_TIMEOUT`: time limit for the TLS handshake, the HTTP/2 preface and a call's headers.
    public var handshakeTimeout = Duration.zero
    /// `SERVER_STALL_TIMEOUT`: time limit for a whole request, and for a caller to read its responses.
    public var stallTimeout = Duration.zero
  }

  /// The reader of the inventory topic.
  public struct Consumer: Sendable {
    /// `CONSUMER_TOPIC`.
    public var topic = ""
    /// `CONSUMER_GROUP`.
    public var group = ""
    /// `CONSUMER_TRIGGER_STATUS`: the status that opens a payment.
    public var triggerStatus = ""
    /// `CONSUMER_BATCH`: maximum messages per transaction.
    public var batch = 0
    /// `CONSUMER_PARALLELISM`: number of lanes, each with a thread and some of the partitions.
    public var parallelism = 0
    /// The topic for messages that cannot be read.
    public var deadLetterTopic: String { topic + ".dlq" }
    /// The group whose committed offsets say which dead letters were put back or given up; nobody joins it.
    public static let requeueGroup = "paysaga-requeue"
  }

  /// The writer of payment events.
  public struct Producer: Sendable {
    /// `PRODUCER_TOPIC`.
    public var topic = ""
  }

  /// The cron jobs.
  public struct Cron: Sendable {
    /// `CRON_ENABLED`: whether `payments-server` runs them too.
    public var isEnabled = true
    /// `CRON_FREQUENCY`: poll interval of the jobs when nothing wakes them.
    public var frequency = Duration.zero
    /// `CRON_EVENTS_LIMIT`: maximum events that a relay holds in memory.
    public var eventsLimit = 0
    /// `CRON_RESERVE`: duration of a lease on a shard.
    public var reserve = Duration.zero
  }

  /// Limits of a payment.
  public struct Payment: Sendable {
    /// `PAYMENT_TTL`: age at which an unsettled payment fails; nil for never.
    public var timeToLive: Duration?
    /// `PAYMENT_ARCHIVE_AFTER`: time for which a payment is final before it is archived; nil for never.
    public var archiveAfter: Duration?
  }

  /// The keys of calls.
  public struct Idempotency: Sendable {
    /// `IDEMPOTENCY_RETENTION` in days: how long a key is known.
    public var retentionDays = 0
    /// The same as a duration.
    public var retention: Duration { .seconds(86_400 * retentionDays) }
  }

  /// The outbox.
  public struct Event: Sendable {
    /// `EVENT_RETENTION` in days: how long published events are kept.
    public var retentionDays = 0
    /// The same as a duration.
    public var retention: Duration { .seconds(86_400 * retentionDays) }
    /// `EVENT_ON_DEAD`: what later events of an order do once the broker has refused one.
    public var onDead = OnDead.hold

    /// Whether later events of an order wait for `requeue` or go on.
    public enum OnDead: Sendable { case hold, `continue` }
  }
}

extension SagaSettings.Server.TLS {
  /// - Throws: when one of the files is named without another that it needs.
  func check() throws(SettingsError) {
    let needs: [(name: String, value: String, needed: String, neededValue: String)] = [
      ("SERVER_TLS_CERT", certificate, "SERVER_TLS_KEY", key), ("SERVER_TLS_KEY", key, "SERVER_TLS_CERT", certificate),
      ("SERVER_TLS_CLIENT_CA", clientAuthorities, "SERVER_TLS_CERT", certificate),
      ("SERVER_TLS_CRL", revocations, "SERVER_TLS_CLIENT_CA", clientAuthorities),
    ]
    for need in needs where !need.value.isEmpty && need.neededValue.isEmpty {
      throw SettingsError(
        .missingSetting, setting: need.needed,
        "\(need.needed) is not set, and \(need.name) is: expected both, or neither to serve in clear")
    }
  }
}

extension SagaSettings.Server {
  /// - Throws: when callers would have roles and no names.
  func checkRoles() throws(SettingsError) {
    guard !roles.isEmpty, tls.clientAuthorities.isEmpty else { return }
    throw SettingsError(
      .missingSetting, setting: "SERVER_TLS_CLIENT_CA",
      "SERVER_TLS_CLIENT_CA is not set, and SERVER_ROLES is: roles belong to the names of client certificates")
  }
}

extension SagaSettings.Server {
  /// - Throws: when anybody who reaches this machine could settle payments.
  func checkExposure() throws(SettingsError) {
    guard !address.isLoopback, tls.clientAuthorities.isEmpty, !isInsecure else { return }
    throw SettingsError(
      .missingSetting, setting: "SERVER_TLS_CLIENT_CA",
      "SERVER_GRPC_ADDR=\(address) reaches beyond this machine, where nobody asks who calls: expected"
        + " SERVER_TLS_CLIENT_CA with SERVER_TLS_CERT and SERVER_TLS_KEY, or an address of loopback such as"
        + " 127.0.0.1:\(address.port), or SERVER_INSECURE=true behind something that decides who may call")
  }
}
