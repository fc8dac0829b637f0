public import Migrator

/// Risk's tables: the files of migrations/risk, compiled in, so that no file of another origin can take their place.
public enum RiskSchema {
  /// The files, each under its name; a new one is added here, and a test compares the list with the folder.
  package static let files: [(name: String, content: [UInt8])] = [
    // The names of the constants are the package manager's: it makes an underscore of the first digit.
    ("0001_risk.up.sql", PackageResources._001_risk_up_sql),
    ("0001_risk.down.sql", PackageResources._001_risk_down_sql),
    ("0002_failures.up.sql", PackageResources._002_failures_up_sql),
    ("0002_failures.down.sql", PackageResources._002_failures_down_sql),
    ("0003_scored_requests.up.sql", PackageResources._003_scored_requests_up_sql),
    ("0003_scored_requests.down.sql", PackageResources._003_scored_requests_down_sql),
  ]

  /// Risk's line of migrations.
  /// - Parameter schema: where the tables are; its name as the catalogue has it, not quoted.
  public static func line(schema: String = "risk") throws(MigratorError) -> MigrationLine {
    MigrationLine(name: "risk", migrations: try MigrationSet(files: files), place: .schema(schema))
  }
}
