import Logger
import Migrator
import Outbox
import OutboxSchema
import Postgres
import Runtime

/// The tables of shipping: in a schema of their own, which may be in the database of other contexts.
enum ShippingSchema {
  static let name = "shipping"

  /// The outbox in that schema, with a channel of its own.
  static let outbox: OutboxTables = {
    do {
      return try OutboxTables(schema: name, channel: "shipping_outbox")
    } catch {
      preconditionFailure("the outbox has no name: \(error)")
    }
  }()

  /// The files of the folder migrations, compiled in; a new one is added here.
  private static let files: [(name: String, content: [UInt8])] = [
    // The names of the constants are the package manager's: it makes an underscore of the first digit.
    ("0001_shipment.up.sql", PackageResources._001_shipment_up_sql),
    ("0001_shipment.down.sql", PackageResources._001_shipment_down_sql),
  ]

  /// Two lines of migrations: the tables of shipping, and those of its outbox.
  static func migrations() throws(MigratorError) -> [ContextMigrations] {
    [ContextMigrations(settingPrefix: ShippingSettings.databasePrefix, lines: [try line(), try outboxLine()])]
  }

  private static func line() throws(MigratorError) -> MigrationLine {
    MigrationLine(name: name, migrations: try MigrationSet(files: files), place: .schema(name))
  }

  private static func outboxLine() throws(MigratorError) -> MigrationLine {
    try OutboxSchema.line("\(name).outbox", of: outbox)
  }

  /// Tables that the program writes to.
  static let written = ["\(name).shipment", outbox.event]

  /// Waits for the database, however long it is away, checks the tables, and reads how keys are spread.
  static func wait(_ configuration: DatabaseConfiguration, logger: Logger, stop: StopFlag) throws -> ShardMap {
    let requirement = SchemaRequirement(
      lines: [(try line(), 1), (try outboxLine(), OutboxSchema.requiredVersion)],
      access: [.init("\(name).shipment", ["SELECT", "INSERT"])] + OutboxSchema.writing(outbox)
        + OutboxSchema.relaying(outbox),
      words: SchemaRequirement.Words(migrate: "context-example migrate up", setting: "SHIPPING_DB_DSN"))
    let database = DatabaseWait(configuration, logger: logger.labelled("start-up"), stop: stop)
    try requirement.wait(database)
    return try ShardMap.wait(outbox, database)
  }
}
