public import Migrator

/// The ledger's tables: the files of migrations/ledger, compiled in, so that no file of another origin can take their
/// place.
public enum LedgerSchema {
  /// The files, each under its name; a new one is added here, and a test compares the list with the folder.
  package static let files: [(name: String, content: [UInt8])] = [
    // The names of the constants are the package manager's: it makes an underscore of the first digit.
    ("0001_ledger.up.sql", PackageResources._001_ledger_up_sql),
    ("0001_ledger.down.sql", PackageResources._001_ledger_down_sql),
    ("0002_chain.up.sql", PackageResources._002_chain_up_sql),
    ("0002_chain.down.sql", PackageResources._002_chain_down_sql),
  ]

  /// The ledger's line of migrations.
  /// - Parameter schema: where the tables are; its name as the catalogue has it, not quoted.
  public static func line(schema: String = "ledger") throws(MigratorError) -> MigrationLine {
    MigrationLine(name: "ledger", migrations: try MigrationSet(files: files), place: .schema(schema))
  }
}
