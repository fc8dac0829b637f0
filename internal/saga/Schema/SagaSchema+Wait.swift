public import Logger
internal import Migrator
public import Outbox
internal import OutboxSchema
public import Postgres
public import Runtime

/// What the saga's programs need of the tables.
extension SagaSchema {
  /// The newest migration of the saga's own line; all before it have been run where it has been.
  package static let requiredVersion: Int64 = 12

  /// The saga's outbox: beside its other tables, wherever `search_path` finds them.
  public static let outbox: OutboxTables = {
    do {
      return try OutboxTables(channel: "paysaga_outbox")
    } catch {
      preconditionFailure("the name of the channel is no name: \(error)")
    }
  }()

  /// Tables that every program writes to.
  public static let written = ["payment", "event"]

  /// What every program does: it writes payments with their events, and tells how keys are spread.
  static let writing: [SchemaRequirement.Access] =
    [
      .init("payment", ["SELECT", "INSERT", "UPDATE"]), .init("payment_archive", ["SELECT"]),
      .init("all_payment", ["SELECT"]),
      .init("idempotency_key", ["SELECT", "INSERT"]),
    ] + OutboxSchema.writing(outbox)

  /// Waits for the database, however long it is away, checks the tables, and reads how keys are spread.
  /// - Parameters:
  ///   - runsJobs: whether the program runs the cron jobs, which need more of the tables.
  ///   - stop: ends the wait.
  /// - Throws: `MigratorError` or `OutboxError` when the tables are missing or old, or the role may not do on them what
  ///   the program does: waiting would not help. `DatabaseError` `.closed` when stopped meanwhile.
  public static func wait(
    _ configuration: DatabaseConfiguration, runsJobs: Bool, logger: Logger, stop: StopFlag
  ) throws -> ShardMap {
    let requirement = SchemaRequirement(
      lines: [(try line(), requiredVersion), (try outboxLine(), OutboxSchema.requiredVersion)],
      access: writing + (runsJobs ? OutboxSchema.relaying(outbox) : []),
      words: SchemaRequirement.Words(migrate: "paysaga migrate up", setting: "DB_DSN"))
    let database = DatabaseWait(configuration, logger: logger.labelled("start-up"), stop: stop)
    // First, since it says what is missing.
    try requirement.wait(database)
    return try ShardMap.wait(outbox, database)
  }
}
