internal import Postgres
internal import Runtime
internal import Values

/// A connection that changes the schema: the lock, the version and one step, in one transaction. One thread at a time.
final class MigrationSession {
  /// The schema is that of the tables that are there, wherever a `search_path` would make new ones: `"$user", public`
  /// points elsewhere once somebody makes a schema named like the user.
  private static let keyParts = Statement(
    """
    SELECT current_database()::text AS database, coalesce(
      (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.oid = to_regclass('schema_migrations')), current_schema())::text AS schema
    """, isReadOnly: true)
  private enum KeyPart: Int, AnswerColumn { case database, schema }
  private static let setSchema = Statement("SELECT set_config('search_path', quote_ident($1), true)")
  private static let lock = Statement("SELECT pg_try_advisory_xact_lock($1)")
  private static let exists = Statement("SELECT to_regclass('schema_migrations') IS NOT NULL", isReadOnly: true)
  private static let create = Statement(
    "CREATE TABLE IF NOT EXISTS schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)")
  private static let read = Statement("SELECT version, dirty FROM schema_migrations LIMIT 2", isReadOnly: true)
  private enum Column: Int, AnswerColumn { case version, dirty }
  private static let clear = Statement("DELETE FROM schema_migrations")
  private static let write = Statement("INSERT INTO schema_migrations (version, dirty) VALUES ($1, false)")

  /// How soon a lock that another migrator holds is tried again.
  private static let retryInterval = Duration.milliseconds(50)

  private let connection: Connection
  private let stepTimeout: Duration
  private var lockKey: Int64?
  private var schema = "public"

  /// The version in force when it was last read, nil before the first step.
  private(set) var version: Int64?
  private(set) var isDirty = false

  init(_ connection: Connection, stepTimeout: Duration) {
    self.connection = connection
    self.stepTimeout = stepTimeout
  }

  func close() { connection.close() }

  /// Opens a transaction that holds the lock, and reads the version.
  /// - Throws: `.locked` after `deadline`, `.dirty`, `.database`.
  func begin(lockedUntil deadline: Instant) throws(MigratorError) {
    let pause = WakeSignal()
    while try !tryLock() {
      guard Instant.now() < deadline else {
        throw MigratorError(.locked, "another migrator holds the lock; try again once it is done")
      }
      pause.wait(until: Instant.now() + Self.retryInterval)
    }
    _ = try database { () throws(DatabaseError) in
      try connection.run([Command(Self.setSchema, [.text(schema)]), Command(Self.create)])
    }
    try readVersion()
    guard !isDirty else {
      throw MigratorError(
        .dirty,
        "the schema is marked dirty at version \(version ?? 0): a migration by another tool stopped half way; repair "
          + "the schema by hand, then set dirty to false in schema_migrations")
    }
  }

  private func tryLock() throws(MigratorError) -> Bool {
    try database { () throws(DatabaseError) in
      if lockKey == nil { lockKey = try findLockKey() }
      let key = lockKey ?? 0
      let isLocked = try connection.run([.begin, Command(Self.lock, [.int64(key)])])[1].only.bool(0)
      if !isLocked { try connection.run(.rollback) }
      return isLocked
    }
  }

  private func findLockKey() throws(DatabaseError) -> Int64 {
    let row = try connection.run(Command(Self.keyParts)).only
    schema = try row.optionalText(KeyPart.schema) ?? schema
    return AdvisoryLock.key(database: try row.text(KeyPart.database), schema: schema, table: "schema_migrations")
  }

  /// Reads `version` and `isDirty`; without a table there is no version.
  func readVersion() throws(MigratorError) {
    let rows = try database { () throws(DatabaseError) -> Rows? in
      guard try connection.run(Command(Self.exists)).only.bool(0) else { return nil }
      return try connection.run(Command(Self.read))
    }
    guard let rows, rows.count > 0 else {
      version = nil
      isDirty = false
      return
    }
    guard rows.count == 1 else {
      throw MigratorError(
        .inconsistent, "schema_migrations has more than one row; it must hold the present version only")
    }
    (version, isDirty) = try database { () throws(DatabaseError) in
      (try rows[0].int64(Column.version), try rows[0].bool(Column.dirty))
    }
  }

  /// Runs `sql`, writes the resulting version and commits both.
  func apply(_ migration: Migration, sql: String, resulting: Int64?) throws(MigratorError) {
    let title = "migration \(migration.version) (\(migration.name))"
    do {
      try connection.script(sql, timeout: stepTimeout)
    } catch {
      throw MigratorError(.migrationFailed, "\(title) failed and was rolled back", cause: error)
    }
    guard connection.isInTransaction else {
      throw MigratorError(
        .migrationFailed,
        "\(title) ended the transaction it runs in; take COMMIT and ROLLBACK out of its file, and look "
          + "at what of it is in the schema now: its version was not recorded")
    }
    let row = resulting.map { [Command(Self.write, [.int64($0)])] } ?? []
    do {
      try connection.run([Command(Self.clear)] + row + [.commit], timeout: stepTimeout)
    } catch {
      throw MigratorError(.migrationFailed, "\(title) could not be committed", cause: error)
    }
    version = resulting
  }

  private func database<T>(_ body: () throws(DatabaseError) -> T) throws(MigratorError) -> T {
    do {
      return try body()
    } catch {
      throw MigratorError(.database, "the migrator's own statements failed", cause: error)
    }
  }
}
