public import Admin
internal import Errors
public import Kafka
public import Logger
public import Metrics
public import Postgres
public import SagaSettings
internal import Settings
internal import Values

/// What every part of a program is given.
public struct ProgramContext: Sendable {
  public let settings: SagaSettings
  public let logger: Logger
  public let metrics: MetricsRegistry
  /// Set when the program is asked to stop; ends waits during start-up.
  public let stop: StopFlag
  /// Unique to this run of the process: host, process id and a random part.
  public let instance: String
  /// Whether the database takes writes, as all sessions of the program see it.
  public let writes = WriteMonitor()

  public init(settings: SagaSettings, logger: Logger, metrics: MetricsRegistry, stop: StopFlag, instance: String) {
    self.settings = settings
    self.logger = logger
    self.metrics = metrics
    self.stop = stop
    self.instance = instance
  }

  /// Connections as the settings say.
  /// - Parameters:
  ///   - role: what they are for; shows in `pg_stat_activity`.
  ///   - isDirect: past PgBouncer, for LISTEN and partitions.
  public func database(role: String, isDirect: Bool = false, parameters: [String: String] = [:]) throws(DatabaseError)
    -> DatabaseConfiguration
  {
    let database = settings.database
    // Without an address of its own the direct one is the pooler's too.
    let isPastPooler = isDirect && database.directDSN != database.dsn
    // Our own limit comes first, as what it ends is known; the server's is for what we cannot reach any more.
    let limit = database.statementTimeout
    let parameters = ["statement_timeout": "\((limit + .seconds(2)).inMilliseconds)ms"].merging(parameters) { $1 }
    var configuration = try DatabaseConfiguration(
      dsn: isDirect ? database.directDSN : database.dsn, prepared: database.isPrepared || isPastPooler,
      applicationName: "\(settings.program.name) \(role)", statementTimeout: limit, parameters: parameters)
    configuration.monitor = writes
    return configuration
  }

  /// Begins to ask whether writing works, which `databaseCheck` tells; to be stopped by whoever started it.
  public func startWriteProbe() throws(DatabaseError) -> WriteProbe {
    WriteProbe(
      configuration: try database(role: "write-probe"), tables: ["payment", "event_wait"], monitor: writes,
      logger: logger)
  }

  /// The state of a part that needs the database: it has a session, and writing works.
  public func databaseCheck(_ name: String, hasSession: Bool, detail: String = "") -> ReadinessReport.Check {
    let problem = writes.problem
    return ReadinessReport.Check(name, isReady: hasSession && problem == nil, detail: problem ?? detail)
  }

  /// Connections for statements whose tables may be empty when a plan is made: index plans only, since the plan for an
  /// empty table (a sequential scan) is ruinous once the table has grown.
  /// - Parameter lockTimeout: how long a statement may wait for a row that somebody else holds; nil for as long as
  ///   the statement may take.
  public func indexedDatabase(role: String, lockTimeout: Duration? = nil) throws(DatabaseError)
    -> DatabaseConfiguration
  {
    var parameters = ["enable_seqscan": "off"]
    if let lockTimeout { parameters["lock_timeout"] = "\(lockTimeout.inMilliseconds)ms" }
    return try database(role: role, parameters: parameters)
  }

  /// The broker as the settings say.
  public func kafka(role: String) -> KafkaConfiguration {
    KafkaConfiguration(
      brokers: settings.kafka.brokers, clientID: "\(settings.program.name)-\(role)",
      properties: settings.kafka.properties)
  }
}
