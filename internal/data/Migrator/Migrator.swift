internal import Errors
public import Logger
public import Postgres
public import Values

/// Brings a database's schema to a version and back, one transaction a step.
///
/// The version lies in `schema_migrations(version, dirty)` as golang-migrate keeps it: one row with the present
/// version, none before the first step. A step and its row commit together, so a crash leaves the version before or
/// after it.
///
/// Several migrators at once are harmless: each step takes a transaction-level advisory lock, tried again and again
/// rather than waited for (a waiting transaction would hold a snapshot that blocks CREATE INDEX CONCURRENTLY), and
/// reads the version under it. That also works through PgBouncer in transaction mode; prefer a direct DSN all the same.
/// Statements that cannot run in a transaction, such as CREATE INDEX CONCURRENTLY, cannot be migrations.
public struct Migrator: Sendable {
  /// Where a database stands.
  public struct Status: Sendable, Hashable {
    /// The version in force, nil before the first step.
    public let version: Int64?
    /// Whether another tool stopped half way.
    public let isDirty: Bool
    /// The newest version known here.
    public let latest: Int64
    /// What `up` would make.
    public let pending: [Migration]
  }

  private let configuration: DatabaseConfiguration
  private let set: MigrationSet
  private let logger: Logger

  /// How long one step may take before the connection is given up.
  private let stepTimeout: Duration

  /// Nothing is opened yet.
  /// - Parameters:
  ///   - configuration: the database; better a direct one, see above.
  ///   - migrations: all steps of the schema.
  ///   - stepTimeout: how long one step may take before its connection is given up.
  public init(
    configuration: DatabaseConfiguration, migrations: MigrationSet, logger: Logger,
    stepTimeout: Duration = .seconds(3_600)
  ) {
    self.configuration = configuration
    self.set = migrations
    self.logger = logger
    self.stepTimeout = stepTimeout
  }

  /// Makes all steps that are pending; blocks the calling thread.
  /// - Parameter deadline: until when to wait for another migrator's lock.
  /// - Returns: the steps made by this call; another migrator may have made others meanwhile.
  /// - Throws: the first failure; earlier steps remain.
  @discardableResult
  public func up(until deadline: Instant = .now() + .seconds(60)) throws(MigratorError) -> [Migration] {
    try repeatedly(limit: .max, until: deadline) { session throws(MigratorError) in
      guard let next = try set.pending(after: session.version).first else { return nil }
      try session.apply(next, sql: next.up, resulting: next.version)
      return next
    }
  }

  /// Takes back the newest `count` steps, fewer when there are not so many; blocks the calling thread.
  /// - Returns: the steps taken back, newest first.
  @discardableResult
  public func down(
    _ count: Int = 1, until deadline: Instant = .now() + .seconds(60)
  ) throws(MigratorError) -> [Migration] {
    precondition(count > 0, "down takes back at least one step")
    return try repeatedly(limit: count, until: deadline) { session throws(MigratorError) in
      guard let last = try set.newest(at: session.version) else { return nil }
      try session.apply(last, sql: last.down, resulting: last.version > 1 ? last.version - 1 : nil)
      return last
    }
  }

  /// Where the database stands; changes nothing and needs no lock.
  /// - Throws: `.database`, `.unknownVersion`.
  public func status() throws(MigratorError) -> Status {
    let session = try open()
    defer { session.close() }
    try session.readVersion()
    return Status(
      version: session.version, isDirty: session.isDirty, latest: set.migrations.last?.version ?? 0,
      pending: Array(try set.pending(after: session.version)))
  }

  private func open() throws(MigratorError) -> MigrationSession {
    do {
      let connection = try Connection.open(configuration, logger: logger)
      return MigrationSession(connection, stepTimeout: stepTimeout)
    } catch {
      throw MigratorError(.database, "migrations need the database", cause: error)
    }
  }

  /// Does `step` under the lock, a transaction each time, until it gives nil or `limit` is reached.
  private func repeatedly(
    limit: Int, until deadline: Instant, _ step: (MigrationSession) throws(MigratorError) -> Migration?
  ) throws(MigratorError) -> [Migration] {
    let session = try open()
    defer { session.close() }
    var done: [Migration] = []
    while done.count < limit {
      try session.begin(lockedUntil: deadline)
      guard let migration = try step(session) else { break }
      logger.info(
        "migrated",
        [
          "step": .string(migration.name), "version": .number(session.version ?? 0),
          "target": .number(set.migrations.last?.version ?? 0),
        ])
      done.append(migration)
    }
    return done
  }
}
