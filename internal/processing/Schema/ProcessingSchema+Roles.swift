public import Migrator

extension ProcessingSchema {
  /// The roles of `PROCESSING_DSN`: the processor makes and drops days and months of tables and so acts as their owner;
  /// the gateway executes card payments, cancels, and shows accounts, scores and exceptions.
  public static let roles = ContextRoles(
    context: "processing", owner: "paysaga_processing_owner", schemas: ["processing", "ledger", "risk"],
    users: [
      "paysaga_processor": .asOwner, "paysaga_cards": .reading(executing, schemas: ["processing", "ledger", "risk"]),
      // Nothing with account numbers or tokens in it.
      "paysaga_reader": .reading([], schemas: ["ledger", "risk"]),
    ])
}
