import ClientSettings
import Kafka
import Logger
import Migrator
import Postgres
import SagaSettings
import Settings
import Values

/// Settings, output and logger of a running command.
struct Session {
  let settings: SagaSettings
  /// The settings of the other contexts, as far as commands need them.
  let given: GivenSettings
  /// The migrations of all contexts, in their order.
  let migrations: () throws(MigratorError) -> [ContextMigrations]
  let output: Output
  let interruption: Interruption
  /// How long a server may take to answer, where the caller has said so.
  let timeout: Duration?
  /// The databases that the command was given.
  let databases = DatabasesInUse()

  var wantsJSON: Bool { output.wantsJSON }

  /// Warnings of the database client; more when LOG_LEVEL asks for it.
  var logger: Logger { logger(atLeast: .warning) }

  /// librdkafka warns of every lost connection; commands say in their own words what it means.
  var kafkaLogger: Logger { logger(atLeast: .error) }

  private func logger(atLeast level: LogLevel) -> Logger {
    let wanted = settings.service.logLevel
    return Logger(
      label: Program.cli.name, level: wanted == .debug ? .debug : max(wanted, level), format: settings.service.logFormat
    )
  }

  /// The database of a context: where its own settings say, or else where the saga's is.
  /// - Parameters:
  ///   - prefix: how the context's settings of its database begin.
  ///   - direct: past PgBouncer.
  ///   - schema: where names without one are looked up; for a connection past PgBouncer.
  func database(
    of prefix: String = "DB_", direct: Bool = false, schema: String? = nil
  ) throws -> DatabaseConfiguration {
    let own = try given.postgres("\(prefix)DSN").map { dsn in
      direct ? try given.postgres("\(prefix)DIRECT_DSN") ?? dsn : dsn
    }
    var configuration = try DatabaseConfiguration(
      dsn: own ?? (direct ? settings.database.directDSN : settings.database.dsn), prepared: schema != nil,
      applicationName: "paysaga", parameters: schema.map { ["search_path": $0] } ?? [:])
    if let timeout { (configuration.connectTimeout, configuration.statementTimeout) = (timeout, timeout) }
    databases.note("\(configuration)")
    // A standby can be looked at; a command that would write says what it was refused.
    configuration.requiresWriting = false
    return configuration
  }

  /// How long a server may take to answer: as the caller has said, or else as is usual.
  func patience(_ usual: Duration) -> Duration { timeout ?? usual }

  var kafka: KafkaConfiguration {
    settings.kafka.configuration(clientID: "paysaga")
  }
}

/// The databases that a command was given, so that its errors can name them. One thread.
final class DatabasesInUse {
  private(set) var names: [String] = []

  func note(_ name: String) { if !names.contains(name) { names.append(name) } }
}
