public import Logger
internal import Migrator
public import Outbox
internal import OutboxSchema
public import Postgres
public import Runtime

/// What programs need of the tables.
extension ProcessingSchema {
  /// Tables that every program writes to.
  public static let written = ["processing.payment", "processing.event"]

  /// What every program does that executes payments.
  static let executing: [SchemaRequirement.Access] =
    [
      .init("processing.owner", ["SELECT", "INSERT", "UPDATE", "DELETE"]),
      .init("processing.payment", ["SELECT", "INSERT", "UPDATE", "DELETE"]),
      .init("processing.payment_archive", ["SELECT", "UPDATE", "DELETE"]),
      .init("processing.refund_archive", ["SELECT", "DELETE"]), .init("processing.archive_floor", ["SELECT"]),
      .init("processing.due", ["SELECT", "INSERT", "UPDATE", "DELETE"]),
      .init("processing.claim", ["SELECT", "INSERT", "DELETE"]),
      .init("processing.attempt", ["SELECT", "INSERT", "UPDATE"]),
      .init("processing.exception", ["SELECT", "INSERT", "UPDATE"]), .init("processing.settlement", ["INSERT"]),
      .init("ledger.account", ["SELECT", "INSERT", "UPDATE"]), .init("ledger.account_delta", ["SELECT", "INSERT"]),
      .init("ledger.transfer", ["SELECT", "INSERT"]), .init("ledger.block", ["SELECT"]),
      .init("ledger.account_day", ["SELECT"]), .init("risk.usage", ["SELECT", "INSERT", "UPDATE"]),
      .init("risk.listed", ["SELECT"]), .init("risk.rule_set", ["INSERT"]),
      .init("risk.decision", ["SELECT", "INSERT"]),
    ] + OutboxSchema.writing(outbox)

  /// What `payments-processor` does besides.
  private static let caring: [SchemaRequirement.Access] =
    [
      .init("processing.settlement", ["SELECT", "UPDATE", "DELETE"]), .init("ledger.account_delta", ["DELETE"]),
      .init("ledger.block", ["INSERT"]), .init("ledger.account_day", ["INSERT", "UPDATE"]),
      .init("risk.usage", ["DELETE"]), .init("risk.scored_request", ["SELECT", "INSERT"]),
      .init("processing.attempt", ["DELETE"]),
      .init("processing.payment_archive", ["INSERT"]), .init("processing.refund_archive", ["INSERT"]),
      .init("processing.attempt_archive", ["INSERT"]), .init("processing.debit", ["SELECT", "INSERT", "UPDATE"]),
    ] + OutboxSchema.relaying(outbox)

  /// Waits for the database, however long it is away, checks the tables, and reads how keys are spread.
  /// - Parameters:
  ///   - runsJobs: whether the program publishes results and cares for the tables.
  ///   - stop: ends the wait.
  /// - Throws: `MigratorError` or `OutboxError` when the tables are missing or old, or the role may not do on them what
  ///   the program does: waiting would not help. `DatabaseError` `.closed` when stopped meanwhile.
  public static func wait(
    _ configuration: DatabaseConfiguration, runsJobs: Bool = false, logger: Logger, stop: StopFlag
  ) throws -> ShardMap {
    // The newest migration of each line that is compiled in.
    let requirement = SchemaRequirement(
      lines: try lines().map { ($0, $0.migrations.migrations.last?.version ?? 0) },
      access: executing + (runsJobs ? caring : []),
      words: SchemaRequirement.Words(migrate: "paysaga migrate up", setting: "PROCESSING_DSN"))
    let database = DatabaseWait(configuration, logger: logger.labelled("start-up"), stop: stop)
    // First, since it says what is missing.
    try requirement.wait(database)
    return try ShardMap.wait(outbox, database)
  }
}
