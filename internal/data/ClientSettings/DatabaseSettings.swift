internal import Errors
internal import Postgres
public import Settings
internal import Values

/// The settings of a program's PostgreSQL.
public struct DatabaseSettings: Sendable {
  /// The address, which may lead through PgBouncer.
  public var dsn = ""
  /// The address past PgBouncer, for LISTEN and migrations.
  public var directDSN = ""
  /// Whether statements are prepared; off behind a PgBouncer that cannot keep them.
  public var isPrepared = true
  /// The time limit for statements that are sent at once.
  public var statementTimeout = Duration.seconds(10)
  /// The number of connections, and threads, for calls.
  public var poolSize = 0

  /// The values before any row of a table is read.
  public init() {}

  /// Has libpq read the addresses, so that a mistake in one stops the program as other wrong settings do.
  /// - Parameters:
  ///   - name: the setting of `dsn`.
  ///   - directName: the setting of `directDSN`.
  /// - Throws: `SettingsError` without the value, which may hold a password.
  public func check(name: String, directName: String) throws(SettingsError) {
    for (name, dsn) in [(name, dsn), (directName, directDSN)] {
      do throws(DatabaseError) {
        _ = try DatabaseConfiguration(dsn: dsn, applicationName: "check")
      } catch {
        throw SettingsError(.invalidValue, setting: name, "\(name): \(error)")
      }
    }
  }
}
