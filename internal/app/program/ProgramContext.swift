public import Config
public import Database
internal import Errs
public import Kafka
public import Logger
public import Metrics
internal import Runtime

/// What every part of a program is given.
public struct ProgramContext: Sendable {
  public let settings: Settings
  public let logger: Logger
  public let metrics: MetricsRegistry
  /// Set when the program is asked to stop; ends waits during start-up.
  public let stop: StopFlag
  /// Unique to this run of the process: host, process id and a random part.
  public let instance: String

  public init(settings: Settings, logger: Logger, metrics: MetricsRegistry, stop: StopFlag, instance: String) {
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
    return try DatabaseConfiguration(
      dsn: isDirect ? database.directDSN : database.dsn, prepared: isDirect || database.isPrepared,
      applicationName: "\(settings.program.name) \(role)", parameters: parameters)
  }

  /// Connections for statements whose tables may be empty when a plan is made: index plans only, since the plan for an
  /// empty table (a sequential scan) is ruinous once the table has grown.
  public func indexedDatabase(role: String) throws(DatabaseError) -> DatabaseConfiguration {
    try database(role: role, parameters: ["enable_seqscan": "off"])
  }

  /// The broker as the settings say.
  public func kafka(role: String) -> KafkaConfiguration {
    KafkaConfiguration(
      brokers: settings.kafka.brokers, clientID: "\(settings.program.name)-\(role)",
      properties: settings.kafka.properties)
  }
}
