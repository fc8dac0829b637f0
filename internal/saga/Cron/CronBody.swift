internal import Admin
internal import ClientSettings
internal import Errors
internal import Logger
internal import Outbox
internal import Postgres
internal import SagaSchema
public import SagaSettings
public import Service
internal import Settings
internal import Values

/// The inside of `payments-cron`: the cron jobs alone.
public final class CronBody: ProgramBody {
  private let settings: CronSettings
  private let database: ProgramDatabase
  private let context: ProgramContext

  /// Keeps the settings that the program uses.
  public init(_ settings: SagaSettings, _ context: ProgramContext) {
    self.settings = CronSettings(settings)
    self.context = context
    database = ProgramDatabase(settings.database, program: context.program.name, metrics: context.metrics)
  }

  /// The jobs, and a listener that wakes them.
  public func assemble() throws -> ProgramParts {
    let shards = try SagaSchema.wait(
      try database.configuration(role: "start-up"), runsJobs: true, logger: context.logger, stop: context.stop)
    let jobs = try CronJobs(settings, database, context, shards: shards)
    let listener = Listener(
      configuration: try database.configuration(role: "listener", isDirect: true),
      channels: [SagaSchema.outbox.channel],
      logger: context.logger, onConnect: { jobs.wake() }, onNotification: { _, _ in jobs.wake() })
    let probe = try database.startWriteProbe(tables: SagaSchema.written, logger: context.logger)
    return ProgramParts([.part(jobs), .part(probe), .part(listener)]) { jobs.checks }
  }

  /// There is no API.
  public var neededForAPI: Set<String>? { nil }

  /// The one for the brokers.
  public var clientCertificates: [ClientCertificate] { [.kafka(settings.kafka.properties)].compactMap(\.self) }

  /// Nothing can be reloaded.
  public func reload() { context.logger.info("SIGHUP: nothing to reload") }
}
