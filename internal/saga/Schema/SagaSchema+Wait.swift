public import Logger
internal import Migrator
public import Outbox
public import Postgres
public import Runtime

/// What the saga's programs need of the tables.
extension SagaSchema {
  /// The newest migration; all before it have been run where it has been.
  package static let requiredVersion: Int64 = 7

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
  private static let writing: [SchemaRequirement.Access] = [
    .init("payment", ["SELECT", "INSERT", "UPDATE"]),
    .init("event", ["INSERT"]),
    .init("event_shard", ["SELECT"]),
    .init("event_topic_pause", ["SELECT"]),
    .init("idempotency_key", ["SELECT", "INSERT"]),
  ]

  /// What the cron jobs do besides.
  private static let jobs: [SchemaRequirement.Access] = [
    .init("event_wait", ["SELECT", "DELETE"]),
    .init("event_done", ["SELECT", "INSERT"]),
    .init("event_dead", ["SELECT", "INSERT"]),
    .init("event_shard", ["UPDATE"]),
    .init("event_relay", ["SELECT", "INSERT", "UPDATE", "DELETE"]),
    .init("event_id_seq", ["SELECT"]),
  ]

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
      version: requiredVersion, access: writing + (runsJobs ? jobs : []),
      words: SchemaRequirement.Words(migrate: "paysaga migrate up", setting: "DB_DSN"))
    let database = DatabaseWait(configuration, logger: logger.labelled("start-up"), stop: stop)
    // First, since it says what is missing.
    try requirement.wait(database)
    return try ShardMap.wait(outbox, database)
  }
}
