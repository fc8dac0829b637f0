internal import LedgerSchema
public import Migrator
public import Outbox
internal import OutboxSchema
internal import RiskSchema

/// Processing's tables: the files of migrations/processing, compiled in, so that no file of another origin can take
/// their place.
public enum ProcessingSchema {
  /// The files, each under its name; a new one is added here, and a test compares the list with the folder.
  package static let files: [(name: String, content: [UInt8])] = [
    // The names of the constants are the package manager's: it makes an underscore of the first digit.
    ("0001_processing.up.sql", PackageResources._001_processing_up_sql),
    ("0001_processing.down.sql", PackageResources._001_processing_down_sql),
    ("0002_refunds.up.sql", PackageResources._002_refunds_up_sql),
    ("0002_refunds.down.sql", PackageResources._002_refunds_down_sql),
    ("0003_archive.up.sql", PackageResources._003_archive_up_sql),
    ("0003_archive.down.sql", PackageResources._003_archive_down_sql),
    ("0004_tokens.up.sql", PackageResources._004_tokens_up_sql),
    ("0004_tokens.down.sql", PackageResources._004_tokens_down_sql),
    ("0005_statements.up.sql", PackageResources._005_statements_up_sql),
    ("0005_statements.down.sql", PackageResources._005_statements_down_sql),
    ("0006_debits.up.sql", PackageResources._006_debits_up_sql),
    ("0006_debits.down.sql", PackageResources._006_debits_down_sql),
    ("0007_traces.up.sql", PackageResources._007_traces_up_sql),
    ("0007_traces.down.sql", PackageResources._007_traces_down_sql),
    ("0008_requesters.up.sql", PackageResources._008_requesters_up_sql),
    ("0008_requesters.down.sql", PackageResources._008_requesters_down_sql),
  ]

  /// The outbox of processing, with a channel of its own.
  public static let outbox: OutboxTables = {
    do {
      return try OutboxTables(schema: "processing", channel: "processing_outbox")
    } catch {
      preconditionFailure("the outbox has no name: \(error)")
    }
  }()

  static let outboxLine = "processing.outbox"

  /// Processing's lines of migrations, in the order in which they run: the ledger's, risk's, its own, and its outbox's.
  /// - Parameters:
  ///   - schema: where the payments are; its name as the catalogue has it, not quoted.
  ///   - outbox: which is in the same schema.
  public static func lines(
    schema: String = "processing", ledger: String = "ledger", risk: String = "risk",
    outbox: OutboxTables = ProcessingSchema.outbox
  ) throws(MigratorError) -> [MigrationLine] {
    [
      try LedgerSchema.line(schema: ledger),
      try RiskSchema.line(schema: risk),
      MigrationLine(name: "processing", migrations: try MigrationSet(files: files), place: .schema(schema)),
      try OutboxSchema.line(outboxLine, of: outbox),
    ]
  }
}
