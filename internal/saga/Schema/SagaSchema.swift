public import Migrator
internal import OutboxSchema

/// The schema that this build works with: the files of `migrations/saga`, compiled in, so that no file of another
/// origin can take their place.
public enum SagaSchema {
  /// The files, each under its name; a new one is added here, and a test compares the list with the folder.
  package static let files: [(name: String, content: [UInt8])] = [
    // The names of the constants are the package manager's: it makes an underscore of the first digit.
    ("0001_payment.up.sql", PackageResources._001_payment_up_sql),
    ("0001_payment.down.sql", PackageResources._001_payment_down_sql),
    ("0002_event.up.sql", PackageResources._002_event_up_sql),
    ("0002_event.down.sql", PackageResources._002_event_down_sql),
    ("0003_topic_pause.up.sql", PackageResources._003_topic_pause_up_sql),
    ("0003_topic_pause.down.sql", PackageResources._003_topic_pause_down_sql),
    ("0004_idempotency_key.up.sql", PackageResources._004_idempotency_key_up_sql),
    ("0004_idempotency_key.down.sql", PackageResources._004_idempotency_key_down_sql),
    ("0005_row_rules.up.sql", PackageResources._005_row_rules_up_sql),
    ("0005_row_rules.down.sql", PackageResources._005_row_rules_down_sql),
    ("0006_idempotency_answer.up.sql", PackageResources._006_idempotency_answer_up_sql),
    ("0006_idempotency_answer.down.sql", PackageResources._006_idempotency_answer_down_sql),
    ("0007_idempotency_answer_fill.up.sql", PackageResources._007_idempotency_answer_fill_up_sql),
    ("0007_idempotency_answer_fill.down.sql", PackageResources._007_idempotency_answer_fill_down_sql),
    ("0008_idempotency_answer_only.up.sql", PackageResources._008_idempotency_answer_only_up_sql),
    ("0008_idempotency_answer_only.down.sql", PackageResources._008_idempotency_answer_only_down_sql),
    ("0009_callers.up.sql", PackageResources._009_callers_up_sql),
    ("0009_callers.down.sql", PackageResources._009_callers_down_sql),
    ("0010_payment_parts.up.sql", PackageResources._010_payment_parts_up_sql),
    ("0010_payment_parts.down.sql", PackageResources._010_payment_parts_down_sql),
    ("0011_payment_parts_fill.up.sql", PackageResources._011_payment_parts_fill_up_sql),
    ("0011_payment_parts_fill.down.sql", PackageResources._011_payment_parts_fill_down_sql),
    ("0012_payment_archive.up.sql", PackageResources._012_payment_archive_up_sql),
    ("0012_payment_archive.down.sql", PackageResources._012_payment_archive_down_sql),
  ]

  /// The saga's lines in the order in which they run: its own, and its outbox's. The saga's own line has made the
  /// tables of the outbox, up to what is the first step of the outbox's line.
  /// - Throws: never for lists that the tests have seen.
  public static func lines() throws(MigratorError) -> [MigrationLine] { [try line(), try outboxLine()] }

  static func line() throws(MigratorError) -> MigrationLine {
    MigrationLine(name: "saga", migrations: try MigrationSet(files: files))
  }

  static func outboxLine() throws(MigratorError) -> MigrationLine {
    try OutboxSchema.line("saga.outbox", of: outbox, inherited: 1)
  }
}
