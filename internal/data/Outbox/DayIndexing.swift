internal import Errors
internal import Logger
internal import Postgres
internal import Runtime
internal import Synchronization
internal import Values

/// Builds the indexes that days of published events have, on a thread and a session of its own: one takes minutes for
/// a day of many millions, and the care of the tables does not wait for it. Every process whose role owns the tables
/// does it; of two that begin with the same one the second finds it built.
final class DayIndexing: Sendable {
  /// How often to look for indexes to build.
  private static let interval = Duration.seconds(60)
  /// How long to leave them after one could not be built: each try reads a day's table.
  private static let retryInterval = Duration.seconds(900)
  /// What one may take: it waits for every older transaction of the database.
  private static let limit = Duration.seconds(3_600)

  private let configuration: DatabaseConfiguration
  private let connection: SerialConnection
  private let partitions: OutboxPartitions
  private let retention: Duration
  private let logger: Logger
  private let building = Mutex(false)
  private let job = Mutex<PeriodicJob?>(nil)

  /// - Parameters:
  ///   - retention: how long published events are kept.
  ///   - configuration: of the care's session; its limits on locks and statements do not hold here.
  ///   - stop: ends waits for the database.
  init(
    _ partitions: OutboxPartitions, retention: Duration, configuration: DatabaseConfiguration, logger: Logger,
    stop: StopFlag
  ) {
    self.partitions = partitions
    self.retention = retention
    self.logger = logger
    var configuration = configuration
    // Not the care's name: what goes by that name for longer than half a minute is cancelled.
    configuration.applicationName += Self.suffix
    configuration.statementTimeout = Self.limit
    for name in ["lock_timeout", "statement_timeout"] { configuration.parameters[name] = "0" }
    self.configuration = configuration
    connection = SerialConnection(configuration, logger: logger, stop: stop)
  }

  private static let suffix = "-indexes"

  func start() {
    let made = PeriodicJob(name: "day-indexes") { [self] in run() }
    job.withLock { $0 = made }
    made.start()
  }

  /// Ends the statement in flight: what is half-built is built anew another time.
  /// - Parameter other: a connection that can tell the server so.
  func stop(until deadline: Instant, through other: SerialConnection) {
    // Let go: it holds us.
    let ended = job.withLock { $0.take() }
    if building.withLock({ $0 }) {
      do {
        let name = configuration.applicationName
        try other.use { connection throws(DatabaseError) in
          guard let running = try SessionsOfRole.running(suffix: name, on: connection) else { return }
          try SessionsOfRole.cancel(running, on: connection)
        }
      } catch {
        logger.warning("the build of an index could not be ended and is waited for", ["error": .error(error)])
      }
    }
    ended?.stop(until: deadline)
  }

  /// Builds what is missing, on the calling thread.
  /// - Returns: when to look again.
  func run() -> Duration {
    do {
      try connection.use { [self] connection throws(DatabaseError) in
        guard try partitions.days.missingRights(on: connection).isEmpty else { return }
        for index in try partitions.indexes.missing(keptFor: retention, on: connection) {
          let start = Instant.now()
          building.withLock { $0 = true }
          defer { building.withLock { $0 = false } }
          try partitions.indexes.build(index, limit: Self.limit, on: connection)
          let fields: Logger.Fields = [
            "index": .string(index.name), "seconds": .double((Instant.now() - start).inSeconds),
          ]
          logger.info("built an index of a day", fields)
        }
      }
    } catch {
      logger.warning("an index of a day could not be built and is tried again", ["error": .error(error)])
      connection.disconnect()
      return Self.retryInterval
    }
    connection.disconnect()
    return Self.interval
  }
}
