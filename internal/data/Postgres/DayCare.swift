internal import Errors
public import Logger
internal import Synchronization
internal import Values

/// The care of a context's tables with a partition a day: days made ahead and dropped, each with the replica identity
/// that its kind has.
///
/// Whoever may do it does it, in any number of processes. A role that does not own a table leaves it to others and says
/// so once. Trouble with one table is logged, and the next is cared for. Nothing is waited for without an end: a day
/// that somebody reads, as a backup does, is detached another time.
public final class DayCare: Sendable {
  /// A table with a partition a day, and how its days are kept.
  public struct Table: Sendable {
    let name: String
    let days: DayPartitions
    let daysAhead: Int
    let retention: Duration

    /// - Parameters:
    ///   - name: what lies in it, for the log.
    ///   - daysAhead: how many days are made ahead of today.
    ///   - retention: how long a day is kept after its end.
    public init(_ name: String, _ days: DayPartitions, daysAhead: Int, retention: Duration) {
      self.name = name
      self.days = days
      self.daysAhead = daysAhead
      self.retention = retention
    }
  }

  /// How often the tables are cared for.
  private static let interval = Duration.seconds(600)
  /// How soon they are cared for again when something was in the way.
  private static let retryInterval = Duration.seconds(60)
  /// A statement of an earlier care that has run longer is one that was given up and goes on.
  private static let longest = Duration.seconds(30)
  /// The parameters of the session: the server ends what waits longer for a lock, well before the client gives the
  /// statement up.
  public static let limits = ["lock_timeout": "3s"]

  private struct State {
    var next = Instant.now()
    var missing: [String] = []
  }

  private let tables: [Table]
  private let role: String
  private let logger: Logger
  private let state = Mutex(State())

  /// - Parameters:
  ///   - role: how the application names of the care's sessions end, after a space: of two at once, in this process or
  ///     another, one waits.
  public init(_ tables: [Table], role: String, logger: Logger) {
    self.tables = tables
    self.role = role
    self.logger = logger
  }

  /// Whether it is time to care again.
  public var isDue: Bool { state.withLock { $0.next <= .now() } }

  /// Cares for the tables when it is time.
  /// - Parameter connection: of `role`, with `limits` and not through a pooler: DETACH CONCURRENTLY needs a session of
  ///   its own.
  /// - Throws: whatever ends the connection.
  public func run(on connection: Connection) throws(DatabaseError) {
    guard isDue else { return }
    let isDone = try careForAll(on: connection)
    state.withLock { $0.next = .now() + (isDone ? Self.interval : Self.retryInterval) }
  }

  /// - Returns: false when something is left to do.
  private func careForAll(on connection: Connection) throws(DatabaseError) -> Bool {
    guard try isAlone(on: connection) else { return false }
    var isDone = true
    var missing: [String] = []
    for table in tables {
      let isCared = try logger.isolating(table.name) { () throws(DatabaseError) in
        let lacking = try table.days.missingRights(on: connection)
        missing += lacking
        return lacking.isEmpty ? try care(table, on: connection) : true
      }
      isDone = isDone && isCared
    }
    tell(missing)
    return isDone
  }

  private func tell(_ missing: [String]) {
    let isNew = state.withLock { state in
      defer { state.missing = missing }
      return state.missing != missing
    }
    guard isNew else { return }
    guard !missing.isEmpty else { return logger.info("this program can now make and drop the tables' days") }
    logger.warning(
      "this program cannot make and drop the tables' days; another must, run by their owner",
      ["missing": .string(missing.joined(separator: ", "))])
  }

  private func care(_ table: Table, on connection: Connection) throws(DatabaseError) -> Bool {
    var troubles = try table.days.ensure(daysAhead: table.daysAhead, on: connection)
    troubles += try table.days.identify(on: connection)
    let dropped = try table.days.drop(olderThan: table.retention, on: connection)
    for table in dropped.tables { logger.info("dropped a day", ["table": .string(table)]) }
    troubles += dropped.troubles
    for trouble in troubles {
      logger.warning(
        "a day's table could not be cared for and is tried again",
        [
          "table": .string(trouble.table), "error": .error(trouble.error),
          "held_by": .string(trouble.holder ?? "nobody that is known"),
        ])
    }
    return troubles.isEmpty
  }

  /// One care at a time: what an earlier one has left running is waited for, and cancelled when it takes too long.
  private func isAlone(on connection: Connection) throws(DatabaseError) -> Bool {
    guard let running = try SessionsOfRole.running(suffix: " \(role)", on: connection) else { return true }
    let fields: Logger.Fields = [
      "backend": .number(running.backendID), "seconds": .double(running.duration.inSeconds),
      "waits_for": .string(running.wait ?? ""),
    ]
    if running.duration > Self.longest {
      try SessionsOfRole.cancel(running, on: connection)
      logger.warning("cancelled an earlier care of the tables", fields)
    } else {
      logger.info("another care of the tables is under way", fields)
    }
    return false
  }
}

extension Logger {
  /// Runs a part of the care. What the server refuses of one table is logged and does not keep the next from its care.
  /// - Returns: false when it was refused, otherwise what `body` returns.
  /// - Throws: whatever ends the connection.
  package func isolating(_ what: String, _ body: () throws(DatabaseError) -> Bool) throws(DatabaseError) -> Bool {
    do throws(DatabaseError) {
      return try body()
    } catch  where error.code == .server || error.code == .content || error.code == .schema {
      warning("a table could not be cared for and is tried again", ["of": .string(what), "error": .error(error)])
      return false
    }
  }
}
