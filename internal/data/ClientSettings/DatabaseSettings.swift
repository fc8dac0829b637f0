internal import Errors
internal import Postgres
public import Settings
internal import Values

/// The settings of a program's PostgreSQL: a group, whose rows are `rows`.
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

  /// The rows of `dsn`, `directDSN`, `isPrepared` and `statementTimeout`: `<PREFIX>DSN`, `<PREFIX>DIRECT_DSN`,
  /// `<PREFIX>PREPARED` and `<PREFIX>STATEMENT_TIMEOUT`. Each context has a prefix of its own, since its tables may be
  /// in a database of their own.
  /// - Parameters:
  ///   - prefix: how the names begin, such as `DB_`.
  ///   - users: the programs that use the database.
  ///   - services: those of them that run as services.
  public static func rows(
    prefix: String, dsn: SettingDefault, _ users: [Program], services: [Program]
  ) -> [Setting<DatabaseSettings>] {
    [
      .postgres("\(prefix)DSN", \.dsn, dsn, users, "PostgreSQL, directly or through PgBouncer"),
      .postgres(
        "\(prefix)DIRECT_DSN", \.directDSN, orNothing: true, .value(""), users,
        "PostgreSQL without PgBouncer, for LISTEN and migrations; empty: `\(prefix)DSN`"),
      .boolean(
        "\(prefix)PREPARED", \.isPrepared, .value("true"), users,
        "use prepared statements; false behind a PgBouncer before 1.21 in transaction mode"),
      .duration(
        "\(prefix)STATEMENT_TIMEOUT", \.statementTimeout, .milliseconds(100)...(.seconds(3_600)), .value("10s"),
        services, "time limit for a batch of statements; a slower batch is cancelled and retried"),
    ]
  }

  /// Derives values from others, once every row has been read.
  public mutating func finish() {
    if directDSN.isEmpty { directDSN = dsn }
  }

  /// Lets libpq parse the addresses, so that a mistake in one stops the program as other wrong settings do.
  /// - Parameter prefix: the prefix of the rows.
  /// - Throws: `SettingsError` without the value, which may hold a password.
  public func check(prefix: String) throws(SettingsError) {
    for (name, dsn) in [("\(prefix)DSN", dsn), ("\(prefix)DIRECT_DSN", directDSN)] {
      do throws(DatabaseError) {
        _ = try DatabaseConfiguration(dsn: dsn, applicationName: "check")
      } catch {
        throw SettingsError(.invalidValue, setting: name, "\(name): \(error)")
      }
    }
  }
}
