internal import Errors
public import Logger
public import Metrics
public import Postgres
public import Runtime
internal import Synchronization
public import Values

/// Moves finished rows into their archive, on a thread of its own. Several processes may do it at once: what one has
/// locked the others pass over.
public final class ArchiveMover: ServicePart {
  /// How often the table is walked through.
  private static let interval = Duration.seconds(60)
  /// How soon a batch is tried again that had to wait for a lock.
  private static let retryInterval = Duration.seconds(1)
  /// How often old months are looked for.
  private static let dropInterval = Duration.seconds(3_600)
  /// The parameters of its session: nobody is to wait behind a batch that waits itself, and index plans do.
  public static let limits = ["lock_timeout": "50ms", "enable_seqscan": "off"]

  private struct State {
    var steps: any ArchiveSteps
    var pace = ArchivePace()
    var moved = 0
    var nextDrop = Instant.now()
    /// The trouble that was told of.
    var told = ""
  }

  private let connection: SerialConnection
  private let logger: Logger
  private let rows: String
  private let moved: Counter
  private let times: Histogram
  private let state: Mutex<State>
  private let job = Mutex<PeriodicJob?>(nil)

  /// - Parameters:
  ///   - steps: what is moved.
  ///   - connection: its own, past PgBouncer, with `limits`.
  public init(
    _ steps: some ArchiveSteps, _ connection: SerialConnection, logger: Logger, metrics: MetricsRegistry
  ) {
    self.connection = connection
    self.logger = logger.labelled("archive")
    rows = steps.rows
    state = Mutex(State(steps: steps))
    moved = metrics.counter(
      "\(steps.name)_archived_total", help: "Finished \(steps.rows) that were moved into the archive.")
    times = metrics.histogram(
      "\(steps.name)_archive_batch_seconds", help: "Duration of a batch, in which its rows are locked.",
      bounds: Histogram.latencySeconds)
  }

  /// Starts the thread.
  public func start() {
    let job = PeriodicJob(name: "archive") { [self] in run() }
    self.job.withLock { $0 = job }
    job.start()
  }

  /// Ends the thread after the batch that it is at.
  public func stop(until deadline: Instant) {
    job.withLock { $0.take() }?.stop(until: deadline)
    connection.disconnect()
  }

  /// One batch. - Returns: how long to wait before the next one.
  private func run() -> Duration {
    do throws(DatabaseError) {
      // The job's thread alone comes here.
      var state = state.withLock(\.self)
      let start = Instant.now()
      let (steps, batch) = try connection.use {
        [steps = state.steps, size = state.pace.size] connection throws(DatabaseError) in
        var steps = steps
        let batch = try steps.step(size: size, on: connection)
        return (steps, batch)
      }
      let time = Instant.now() - start
      state.steps = steps
      state.told = ""
      moved.add(batch.moved)
      state.moved += batch.moved
      if batch.isOver, state.moved > 0 {
        logger.info("moved finished rows into the archive", ["of": .string(rows), "count": .number(state.moved)])
        state.moved = 0
      }
      if batch.isOver, state.nextDrop <= .now() {
        try drop(steps)
        state.nextDrop = .now() + Self.dropInterval
      }
      if batch.moved > 0 { times.observe(time.inSeconds) }
      let pause = state.pace.note(time)
      self.state.withLock { $0 = state }
      guard batch.isOver else { return pause }
      // Servers have not many connections.
      connection.disconnect()
      return Self.interval
    } catch {
      // Somebody holds a row that belongs to those that were locked.
      if error.isLockTimeout { return Self.retryInterval }
      tell(error)
      return Self.interval
    }
  }

  private func drop(_ steps: any ArchiveSteps) throws(DatabaseError) {
    let dropped = try connection.use { connection throws(DatabaseError) in try steps.dropOld(on: connection) }
    for table in dropped.flatMap(\.tables) { logger.info("dropped a month", ["table": .string(table)]) }
    for trouble in dropped.flatMap(\.troubles) {
      logger.warning(
        "a month could not be dropped and is tried again",
        [
          "table": .string(trouble.table), "error": .error(trouble.error),
          "held_by": .string(trouble.holder ?? "nobody that is known"),
        ])
    }
  }

  /// Says once what is in the way, such as a role that may not make months.
  private func tell(_ error: DatabaseError) {
    let isNew = state.withLock { state in
      defer { state.told = error.description }
      return state.told != error.description
    }
    guard isNew, error.code != .closed else { return }
    logger.warning("finished rows are moved into the archive later", ["of": .string(rows), "error": .error(error)])
  }
}
