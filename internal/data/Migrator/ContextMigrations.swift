/// The lines of migrations of a context, and which settings name the database that they belong to.
public struct ContextMigrations: Sendable {
  /// How the settings of the database begin, such as `DB_` for `DB_DSN` and `DB_DIRECT_DSN`.
  public let settingPrefix: String
  /// In the order in which they run.
  public let lines: [MigrationLine]
  /// The roles that log in to the database; nil where the context names none.
  public let roles: ContextRoles?

  /// - Parameters:
  ///   - settingPrefix: such as `DB_`, as in `DatabaseSettings.rows`.
  ///   - roles: the roles that log in to the database; nil where the context names none.
  public init(settingPrefix: String, lines: [MigrationLine], roles: ContextRoles? = nil) {
    self.settingPrefix = settingPrefix
    self.lines = lines
    self.roles = roles
  }
}
