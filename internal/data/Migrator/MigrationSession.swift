internal import Postgres
internal import Runtime
internal import Values

/// A connection that changes the schema: the lock, the version and one step, in one transaction. One thread at a time.
final class MigrationSession {
  private static let setSchema = Statement("SELECT set_config('search_path', quote_ident($1), true)")
  private static let lock = Statement("SELECT pg_try_advisory_xact_lock($1)")

  /// How soon a lock that another migrator holds is tried again.
  private static let retryInterval = Duration.milliseconds(50)

  private let connection: Connection
  private let line: MigrationLine
  private let lineVersion: LineVersion
  private let stepTimeout: Duration
  private var place: LineVersion.Place?
  private var state = LineVersion.State()

  /// The version in force when it was last read, nil before the first step.
  var version: Int64? { state.version }
  var isDirty: Bool { state.isDirty }

  init(_ connection: Connection, line: MigrationLine, stepTimeout: Duration) {
    self.connection = connection
    self.line = line
    self.stepTimeout = stepTimeout
    lineVersion = LineVersion(line)
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
    // Under the lock: what another migrator has made is seen.
    let place = try locate()
    try database { () throws(DatabaseError) in
      if !place.hasSchema { try connection.script("CREATE SCHEMA \(quoteIdentifier(place.schema))") }
      _ = try connection.run([Command(Self.setSchema, [.text(place.schema)]), Command(create(at: place))])
    }
    try readVersion()
    guard !isDirty else { throw lineVersion.dirty(state) }
  }

  private func create(at place: LineVersion.Place) -> Statement {
    Statement(
      "CREATE TABLE IF NOT EXISTS \(lineVersion.name(at: place)) "
        + "(version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)")
  }

  private func tryLock() throws(MigratorError) -> Bool {
    if place == nil { try locate() }
    guard let place else { preconditionFailure("what is located is known") }
    let key = AdvisoryLock.key(database: place.database, schema: place.schema, table: line.versionTable)
    return try database { () throws(DatabaseError) in
      let isLocked = try connection.run([.begin, Command(Self.lock, [.int64(key)])])[1].only.bool(0)
      if !isLocked { try connection.run(.rollback) }
      return isLocked
    }
  }

  @discardableResult
  private func locate() throws(MigratorError) -> LineVersion.Place {
    let found = try database { () throws(DatabaseError) in try lineVersion.place(on: connection) }
    place = found
    return found
  }

  /// Reads `version` and `isDirty`; without a table there is no version.
  func readVersion() throws(MigratorError) {
    state = try lineVersion.state(at: try locate(), on: connection, Self.failure)
  }

  /// Ends the transaction that a failed step has left.
  /// - Returns: false when the connection was lost with it.
  func abandon() -> Bool {
    guard connection.isUsable else { return false }
    do {
      if connection.isInTransaction { try connection.run(.rollback) }
      return true
    } catch {
      return false
    }
  }

  /// Runs `sql`, writes the resulting version and commits both.
  func apply(_ migration: Migration, sql: String, resulting: Int64?) throws(MigratorError) {
    let title = "migration \(migration.version) (\(migration.name)) of the line \(line.name)"
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
    try record(resulting, title)
  }

  /// Writes down a step that another line has made, and commits.
  /// - Throws: `.inconsistent` when it has not.
  func inherit(_ migration: Migration) throws(MigratorError) {
    guard place?.hasNeighbour == true else {
      throw MigratorError(
        .inconsistent,
        "migration \(migration.version) (\(migration.name)) of the line \(line.name) is made by another line, which comes "
          + "first")
    }
    try record(migration.version, "migration \(migration.version) (\(migration.name)) of the line \(line.name)")
  }

  private func record(_ version: Int64?, _ title: String) throws(MigratorError) {
    guard let place else { preconditionFailure("begin has located the version") }
    let table = lineVersion.name(at: place)
    var commands = [Command(Statement("DELETE FROM \(table)"))]
    if let version {
      commands.append(Command(Statement("INSERT INTO \(table) (version, dirty) VALUES ($1, false)"), [.int64(version)]))
    }
    do {
      try connection.run(commands + [.commit], timeout: stepTimeout)
    } catch {
      throw MigratorError(.migrationFailed, "\(title) could not be committed", cause: error)
    }
    state.version = version
  }

  private func database<T>(_ body: () throws(DatabaseError) -> T) throws(MigratorError) -> T {
    do {
      return try body()
    } catch {
      throw Self.failure(error)
    }
  }

  private static func failure(_ error: DatabaseError) -> MigratorError {
    MigratorError(.database, "the migrator's own statements failed", cause: error)
  }
}
