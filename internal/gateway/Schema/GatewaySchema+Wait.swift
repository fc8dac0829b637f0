public import Logger
internal import Migrator
public import Outbox
internal import OutboxSchema
public import Postgres
public import Runtime

/// What the gateway's program needs of the tables.
extension GatewaySchema {
  /// Tables that the program writes to whatever it does.
  public static let written = ["gateway.payment", "gateway.event"]

  /// Intake, results, lists, and the care of keys.
  private static let access: [SchemaRequirement.Access] =
    [
      .init("gateway.payment", ["SELECT", "INSERT", "UPDATE", "DELETE"]),
      .init("gateway.payment_state", ["SELECT", "INSERT", "DELETE"]),
      .init("gateway.payment_archive", ["SELECT", "INSERT"]),
      .init("gateway.payment_state_archive", ["SELECT", "INSERT"]),
      .init("gateway.all_payment", ["SELECT"]), .init("gateway.all_payment_state", ["SELECT"]),
      .init("gateway.order_claim", ["SELECT", "INSERT", "DELETE"]),
      .init("gateway.card_waiting", ["SELECT", "INSERT", "DELETE"]),
      .init("gateway.idempotency_key", ["SELECT", "INSERT", "UPDATE"]),
      .init("gateway.external_claim", ["SELECT", "INSERT"]),
      .init("gateway.api_key", ["SELECT"]),
      .init("gateway.customer", ["SELECT", "INSERT"]),
      .init("gateway.payment_method", ["SELECT", "INSERT", "DELETE"]),
      .init("gateway.transaction_user", ["SELECT", "INSERT"]), .init("gateway.demo_user", ["SELECT", "INSERT"]),
      .init("gateway.demo_payment_method", ["SELECT", "INSERT"]),
      .init("gateway.demo_payment_request", ["SELECT", "INSERT"]),
      .init("gateway.dead_letter", ["SELECT", "INSERT", "UPDATE"]),
      .init("gateway.webhook_endpoint", ["SELECT", "INSERT", "UPDATE", "DELETE"]),
      .init("gateway.webhook_lease", ["SELECT", "INSERT", "UPDATE", "DELETE"]),
      .init("gateway.webhook_queue", ["SELECT", "INSERT", "UPDATE", "DELETE"]),
      .init("gateway.webhook_delivery", ["SELECT", "INSERT", "DELETE"]),
      .init("gateway.webhook_attempt", ["SELECT", "INSERT"]),
    ] + OutboxSchema.writing(outbox) + OutboxSchema.relaying(outbox)

  /// Waits for the database, however long it is away, checks the tables, and reads how keys are spread.
  /// - Parameter stop: ends the wait.
  /// - Throws: `MigratorError` or `OutboxError` when the tables are missing or old, or the role may not do on them what
  ///   the program does: waiting would not help. `DatabaseError` `.closed` when stopped meanwhile.
  public static func wait(
    _ configuration: DatabaseConfiguration, logger: Logger, stop: StopFlag
  ) throws -> ShardMap {
    let requirement = SchemaRequirement(
      lines: [(try line(name), requiredVersion), (try outboxLine(outbox), OutboxSchema.requiredVersion)],
      access: access, words: SchemaRequirement.Words(migrate: "paysaga migrate up", setting: "GATEWAY_DSN"))
    let database = DatabaseWait(configuration, logger: logger.labelled("start-up"), stop: stop)
    // First, since it says what is missing.
    try requirement.wait(database)
    return try ShardMap.wait(outbox, database)
  }
}
