public import Cards
public import ClientSettings
public import Logger
public import ProcessingSettings
public import SagaClient
public import Settings
public import Values

extension Program {
  /// The one that takes payments in.
  public static let gateway = Program(
    name: "payments-gateway", short: "gateway",
    summary: "takes direct payments over HTTP, executes those by card, and answers what became of them")
}

/// The settings of `payments-gateway`; `load` makes them.
public struct GatewaySettings: ServiceSettings {
  /// PostgreSQL with the schema gateway.
  public var database = DatabaseSettings()
  /// PostgreSQL with the schemas processing, ledger and risk.
  public var processingDatabase = DatabaseSettings()
  /// The brokers.
  public var kafka = KafkaSettings()
  /// The topics of the pipeline.
  public var topics = DirectTopics()
  /// How card payments are processed.
  public var processor = ProcessorOptions()
  /// Where payments of orders are asked about.
  public var saga = SagaClientSettings()
  /// The HTTP server.
  public var server = Server()
  /// The pages for people.
  public var page = Page()
  /// What is taken in, and for whom.
  public var intake = Intake()
  /// The surfaces of older systems.
  public var surfaces = Surfaces()
  /// How webhooks are sent.
  public var webhooks = WebhookSettings()
  /// The reader of results.
  public var updates = Updates()
  /// The writer of payments that wait for a processor.
  public var relay = Relay()
  /// Log, admin endpoint and shutdown.
  public var service = ServiceOptions(shutdownSetting: "GATEWAY_SHUTDOWN_TIMEOUT")

  /// The values before any row is read.
  public init(program: Program) {}

  public mutating func finish() throws(SettingsError) {
    database.finish()
    processingDatabase.finish()
    try processor.finish()
    try server.checkTLS()
    try server.checkExposure()
    for (setting, address) in surfaces.addresses { try server.checkExposure(of: address, setting) }
    try surfaces.finishCredentials()
    try saga.check()
  }

  /// Lets libpq and librdkafka parse their settings.
  public func check() throws(SettingsError) {
    try database.check(prefix: Self.databasePrefix)
    try processingDatabase.check(prefix: ProcessingSettings.databasePrefix)
    try kafka.check()
  }

  /// Who may call.
  public enum Authentication: Sendable, Hashable {
    /// Who has an API key.
    case keys
    /// Everybody who reaches the server.
    case open
  }

  /// The HTTP server.
  public struct Server: Sendable {
    /// `GATEWAY_ADDR`.
    public var address = NetworkAddress(host: "127.0.0.1", port: 0)
    /// `GATEWAY_TLS_CERT`; never without `key`.
    public var certificate = ""
    /// `GATEWAY_TLS_KEY`; never without `certificate`.
    public var key = ""
    /// `GATEWAY_ACCESS_LOG`: the requests that are logged.
    public var accessLog = AccessLog.off
    /// `GATEWAY_TLS_WARN_BEFORE` in days: from how long before its end on the certificate is warned of.
    public var warningDays = 0
    /// `GATEWAY_BEHIND_TLS`: whether a proxy in front speaks TLS.
    public var isBehindTLS = false
    /// `GATEWAY_AUTH`: who may call.
    public var authentication = Authentication.keys
    /// `GATEWAY_REDIS_DSN`: where gateways share the rate limits of API keys; empty for none.
    public var redisDSN = ""
    /// `GATEWAY_MAX_CONNECTIONS`.
    public var maxConnections = 0
    /// `GATEWAY_MAX_PEER_CONNECTIONS`: connections from one address or network.
    public var maxPeerConnections = 0
    /// `GATEWAY_MAX_WAITERS`: requests that wait for a payment.
    public var maxWaiters = 0
    /// `GATEWAY_MAX_PEER_WAITERS`: those of one API key, address or network.
    public var maxPeerWaiters = 0
    /// `GATEWAY_MAX_HELD_BYTES`: bytes of bodies whose requests have no answer.
    public var maxHeldBytes = 0
    /// `GATEWAY_IDLE_TIMEOUT`: time for the head of the next request.
    public var idleTimeout = Duration.zero
    /// `GATEWAY_REQUEST_TIMEOUT`: time for a body.
    public var requestTimeout = Duration.zero
    /// `GATEWAY_SEND_TIMEOUT`: time to read an answer.
    public var sendTimeout = Duration.zero

    /// Whether it speaks TLS itself.
    public var hasTLS: Bool { !certificate.isEmpty }
  }

  /// What is taken in, and for whom.
  public struct Intake: Sendable {
    /// `GATEWAY_MERCHANT`: who is paid where a payment names nobody.
    public var merchant = UniqueID(high: 0, low: 0)
    /// `GATEWAY_REQUEST_KEYS`: sign what is kept of a request under its idempotency key.
    public var requestKeys: CardFingerprintKeys?
    /// `CARD_FINGERPRINT_KEYS`: under which cards are known again.
    public var fingerprintKeys: CardFingerprintKeys?
    /// `CARD_CLAIM_TIMEOUT`: after which a card payment that nobody executes ends.
    public var claimTimeout = Duration.zero
    /// `GATEWAY_POOL_SIZE`: connections for reads.
    public var poolSize = 0
  }

  /// The reader of results.
  public struct Updates: Sendable {
    /// `GATEWAY_BATCH`: maximum results per transaction.
    public var batch = 0
  }

  /// The writer of payments.
  public struct Relay: Sendable {
    /// `GATEWAY_RELAY_LEASE`: duration of a lease on a shard of the outbox.
    public var reserve = Duration.zero
    /// `GATEWAY_EVENT_RETENTION` in days.
    public var retentionDays = 0
    /// `GATEWAY_ARCHIVE_AFTER` in days.
    public var archiveDays = 0
    /// `GATEWAY_ARCHIVE_RETENTION` in days.
    public var archiveRetentionDays = 0
  }
}

extension GatewaySettings.Server {
  /// - Throws: when one of the files is named without the other.
  func checkTLS() throws(SettingsError) {
    guard certificate.isEmpty != key.isEmpty else { return }
    let (set, missing) =
      key.isEmpty ? ("GATEWAY_TLS_CERT", "GATEWAY_TLS_KEY") : ("GATEWAY_TLS_KEY", "GATEWAY_TLS_CERT")
    throw SettingsError(
      .missingSetting, setting: missing,
      "\(missing) is not set, and \(set) is: expected both, or neither to serve in clear")
  }

  /// - Throws: when card numbers would travel in clear, or anybody who reaches this machine could pay.
  func checkExposure() throws(SettingsError) {
    try checkExposure(of: address, "GATEWAY_ADDR")
    guard address.isLoopback || authentication == .keys else {
      throw SettingsError(
        .invalidValue, setting: "GATEWAY_AUTH",
        "GATEWAY_ADDR=\(address) reaches beyond this machine, where GATEWAY_AUTH=open lets everybody pay: expected"
          + " GATEWAY_AUTH=keys, or \(Self.loopback(address))")
    }
  }

  /// - Throws: when what callers send would travel in clear.
  func checkExposure(of address: NetworkAddress, _ setting: String) throws(SettingsError) {
    guard address.isLoopback || hasTLS || isBehindTLS else {
      throw SettingsError(
        .missingSetting, setting: "GATEWAY_TLS_CERT",
        "\(setting)=\(address) reaches beyond this machine, where card numbers must not travel in clear: expected"
          + " GATEWAY_TLS_CERT with GATEWAY_TLS_KEY, or GATEWAY_BEHIND_TLS=true behind a proxy that speaks TLS, or"
          + " \(Self.loopback(address))")
    }
  }

  private static func loopback(_ address: NetworkAddress) -> String {
    "an address of loopback such as 127.0.0.1:\(address.port)"
  }
}
