internal import Errors
public import Logger
public import Postgres
internal import Runtime
public import Values

/// Brings a line of migrations in a database to a version and back, one transaction a step.
///
/// The version lies in the line's table `(version, dirty)` as golang-migrate keeps it: one row with the present
/// version, none before the first step. A step and its row commit together, so a crash leaves the version before or
/// after it.
///
/// Several migrators at once are harmless: each step takes a transaction-level advisory lock, tried again and again
/// rather than waited for (a waiting transaction would hold a snapshot that blocks CREATE INDEX CONCURRENTLY), and
/// reads the version under it. That also works through PgBouncer in transaction mode; prefer a direct DSN all the same.
/// A step that a lock of others ends, by a deadlock or after its own `lock_timeout`, is tried again a bounded number of
/// times. Statements that cannot run in a transaction, such as CREATE INDEX CONCURRENTLY, cannot be migrations.
public struct Migrator: Sendable {
  /// Where a database stands.
  public struct Status: Sendable, Hashable {
    /// The version in force, nil before the first step.
    public let version: Int64?
    /// Whether another tool stopped half way.
    public let isDirty: Bool
    /// The newest version known here.
    public let latest: Int64
    /// What `up` would make; nothing while the line is dirty.
    public let pending: [Migration]
  }

  /// The database; its description names it without the password.
  public let configuration: DatabaseConfiguration
  /// The line that is brought to a version.
  public let line: MigrationLine
  private let logger: Logger

  /// How long one step may take before the connection is given up.
  private let stepTimeout: Duration

  /// Nothing is opened yet.
  /// - Parameters:
  ///   - configuration: the database; better a direct one, see above.
  ///   - migrations: all steps of the schema.
  ///   - stepTimeout: how long one step may take before its connection is given up.
  public init(
    configuration: DatabaseConfiguration, line: MigrationLine, logger: Logger,
    stepTimeout: Duration = .seconds(3_600)
  ) {
    self.configuration = configuration
    self.line = line
    self.logger = logger
    self.stepTimeout = stepTimeout
  }

  /// Makes all steps that are pending; blocks the calling thread.
  /// - Parameter deadline: until when to wait for another migrator's lock.
  /// - Returns: the steps made by this call; another migrator may have made others meanwhile.
  /// - Throws: the first failure that is none of a lock; earlier steps remain.
  @discardableResult
  public func up(until deadline: Instant = .now() + .seconds(60)) throws(MigratorError) -> [Migration] {
    try repeatedly(limit: .max, until: deadline) { session throws(MigratorError) in
      guard let next = try line.migrations.pending(after: session.version).first else { return nil }
      if next.version > line.inherited {
        try session.apply(next, sql: next.up, resulting: next.version)
      } else {
        try session.inherit(next)
      }
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
      guard let last = try line.migrations.newest(at: session.version), last.version > line.inherited else {
        return nil
      }
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
    // A dirty version is the one that another tool began to make, which may be none that is known here.
    let pending = session.isDirty ? [] : try line.migrations.pending(after: session.version)
    return Status(
      version: session.version, isDirty: session.isDirty, latest: line.migrations.migrations.last?.version ?? 0,
      pending: Array(pending))
  }

  private func open() throws(MigratorError) -> MigrationSession {
    do {
      let connection = try Connection.open(configuration, logger: logger)
      return MigrationSession(connection, line: line, stepTimeout: stepTimeout)
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
    var attempts = 0
    while done.count < limit {
      let made: Migration?
      do throws(MigratorError) {
        try session.begin(lockedUntil: deadline)
        made = try step(session)
      } catch {
        attempts += 1
        try requireAnotherAttempt(attempts, after: error, session)
        continue
      }
      guard let migration = made else { break }
      attempts = 0
      logger.info(
        "migrated",
        [
          "line": .string(line.name), "step": .string(migration.name), "version": .number(session.version ?? 0),
          "target": .number(line.migrations.migrations.last?.version ?? 0),
        ])
      done.append(migration)
    }
    return done
  }

  /// How often one step is tried that the locks of others end.
  static let attemptLimit = 10
  /// How long others get to finish before it is tried again.
  private static let lockPause = Duration.milliseconds(500)

  /// Waits before a step is tried again.
  /// - Throws: `error` unless others held a lock that the step needed, or when that was so too often.
  private func requireAnotherAttempt(
    _ attempts: Int, after error: MigratorError, _ session: MigrationSession
  ) throws(MigratorError) {
    guard error.isOfLock, session.abandon() else { throw error }
    guard attempts < Self.attemptLimit else {
      throw MigratorError(
        error.code, "\(error.message), \(attempts) times: others hold what it must lock", cause: error.cause)
    }
    logger.warning(
      "a migration did not get a lock that others hold, and is tried again",
      [
        "line": .string(line.name), "attempt": .number(attempts), "of": .number(Self.attemptLimit),
        "error": .error(error),
      ])
    WakeSignal().wait(until: .now() + Self.lockPause)
  }
}
