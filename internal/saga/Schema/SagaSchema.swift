public import Migrator

/// The schema that this build works with: the files of `migrations/`, compiled in, so that no file of another origin
/// can take their place.
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
    ("0007_idempotency_answer_only.up.sql", PackageResources._007_idempotency_answer_only_up_sql),
    ("0007_idempotency_answer_only.down.sql", PackageResources._007_idempotency_answer_only_down_sql),
  ]

  /// - Throws: never for a list that the tests have seen.
  public static func migrations() throws(MigratorError) -> MigrationSet { try MigrationSet(files: files) }
}
