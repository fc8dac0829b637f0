public import Migrator
internal import OutboxSchema

extension SagaSchema {
  /// The roles of the saga's programs. `payments-cron` makes and drops the days of tables, which only an owner may; a
  /// server whose cron jobs are on publishes and expires, and leaves the days to it.
  public static let roles = ContextRoles(
    context: "saga", owner: "paysaga_saga_owner", schemas: ["public"],
    users: [
      "paysaga_server": .access(writing + OutboxSchema.relaying(outbox)), "paysaga_consumer": .access(writing),
      "paysaga_cron": .asOwner, "paysaga_reader": .reading([], schemas: ["public"]),
    ])
}
