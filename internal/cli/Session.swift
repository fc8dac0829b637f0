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
  /// The migrations of all contexts, in their order.
  let lines: () throws(MigratorError) -> [MigrationLine]
  let output: Output
  let interruption: Interruption

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

  /// - Parameter direct: past PgBouncer.
  func database(direct: Bool = false) throws -> DatabaseConfiguration {
    var configuration = try DatabaseConfiguration(
      dsn: direct ? settings.database.directDSN : settings.database.dsn, prepared: false, applicationName: "paysaga")
    // A standby can be looked at; a command that would write says what it was refused.
    configuration.requiresWriting = false
    return configuration
  }

  var kafka: KafkaConfiguration {
    settings.kafka.configuration(clientID: "paysaga")
  }
}
