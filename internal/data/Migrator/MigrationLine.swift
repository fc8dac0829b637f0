/// A line of migrations: its steps, the table that says how far a database has come, and the schema of both.
///
/// A context has a line of its own, and one more for each thing that it gets from a library, such as an outbox. Lines
/// are numbered apart.
public struct MigrationLine: Sendable {
  /// In which schema the steps run and the version lies.
  public enum Place: Sendable, Hashable {
    /// In this one, which the first step makes where it is missing.
    case schema(String)
    /// Where a session's `search_path` finds the version's table, or else the table of this name; where neither is
    /// there, in the schema that the session makes new tables in.
    case beside(String)
  }

  /// What people call it, such as `shipping`.
  public let name: String
  /// The steps.
  public let migrations: MigrationSet
  /// The table with the version, as golang-migrate keeps it: `x-migrations-table` there.
  public let versionTable: String
  /// In which schema the steps run.
  public let place: Place
  /// Steps up to this one were made by another line before this one began. They are recorded and never run, nor taken
  /// back; a database where nothing is recorded counts as having them.
  public let inherited: Int64

  /// - Parameter place: nil for where `search_path` finds the version's table.
  public init(
    name: String, migrations: MigrationSet, versionTable: String = "schema_migrations", place: Place? = nil,
    inherited: Int64 = 0
  ) {
    precondition(inherited >= 0 && inherited <= migrations.migrations.count, "a line inherits steps that it has")
    self.name = name
    self.migrations = migrations
    self.versionTable = versionTable
    self.place = place ?? .beside(versionTable)
    self.inherited = inherited
  }

  /// The same line with other steps.
  public func with(_ migrations: MigrationSet) -> MigrationLine {
    MigrationLine(
      name: name, migrations: migrations, versionTable: versionTable, place: place,
      inherited: min(inherited, Int64(migrations.migrations.count)))
  }
}
