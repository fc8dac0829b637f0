public import Logger
public import Metrics
public import Postgres
internal import Values

/// A program's database: makes the configurations of its sessions, and knows whether writing works.
public struct ProgramDatabase: Sendable {
  private let settings: DatabaseSettings
  private let program: String
  private let metrics: MetricsRegistry
  /// Whether the database takes writes, as all sessions of the program see it.
  public let writes = WriteMonitor()

  /// - Parameter program: the program's name; shows in `pg_stat_activity`.
  public init(_ settings: DatabaseSettings, program: String, metrics: MetricsRegistry) {
    self.settings = settings
    self.program = program
    self.metrics = metrics
  }

  /// The configuration of sessions.
  /// - Parameters:
  ///   - role: what they are for; shows in `pg_stat_activity`.
  ///   - isDirect: past PgBouncer, for LISTEN and partitions.
  ///   - parameters: server settings of the sessions.
  public func configuration(
    role: String, isDirect: Bool = false, parameters: [String: String] = [:]
  ) throws(DatabaseError) -> DatabaseConfiguration {
    // Without an address of its own the direct one is the pooler's too.
    let isPastPooler = isDirect && settings.directDSN != settings.dsn
    // Our own limit comes first, as what it ends is known; the server's is for what we cannot reach any more.
    let limit = settings.statementTimeout
    let parameters = ["statement_timeout": "\((limit + .seconds(2)).inMilliseconds)ms"].merging(parameters) { $1 }
    var configuration = try DatabaseConfiguration(
      dsn: isDirect ? settings.directDSN : settings.dsn, prepared: settings.isPrepared || isPastPooler,
      applicationName: "\(program) \(role)", statementTimeout: limit, parameters: parameters)
    configuration.monitor = writes
    configuration.runSeconds = metrics.histogram(
      "db_run_seconds", help: "Time of statements that are sent at once, from the first byte to the last answer.",
      labels: ["session": role])
    return configuration
  }

  /// The configuration of sessions for statements whose tables may be empty when a plan is made: index plans only,
  /// since the plan for an empty table (a sequential scan) is ruinous once the table has grown.
  /// - Parameters:
  ///   - lockTimeout: how long a statement may wait for a row that somebody else holds; nil for as long as the
  ///     statement may take.
  ///   - plansOnce: plans each statement once for all values; planning for a table of many parts costs more than the
  ///     statement does.
  public func indexed(
    role: String, lockTimeout: Duration? = nil, plansOnce: Bool = false
  ) throws(DatabaseError) -> DatabaseConfiguration {
    var parameters = ["enable_seqscan": "off"]
    if plansOnce { parameters["plan_cache_mode"] = "force_generic_plan" }
    if let lockTimeout { parameters["lock_timeout"] = "\(lockTimeout.inMilliseconds)ms" }
    return try configuration(role: role, parameters: parameters)
  }

  /// Begins to ask whether writing works, which `writes` then knows; whoever calls it stops the probe.
  /// - Parameter tables: tables that the program writes to.
  public func startWriteProbe(tables: [String], logger: Logger) throws(DatabaseError) -> WriteProbe {
    WriteProbe(
      configuration: try configuration(role: "write-probe"), tables: tables, monitor: writes, logger: logger)
  }
}
