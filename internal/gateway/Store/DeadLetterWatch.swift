internal import Errors
public import Logger
public import Metrics
public import Postgres
public import Runtime
internal import Synchronization
public import Values

/// Counts the dead letters that wait for a person, for the metrics `gateway_dead_letters` and
/// `gateway_oldest_dead_letter_seconds`. On a thread of its own.
public final class DeadLetterWatch: ServicePart {
  private static let interval = Duration.seconds(10)

  private let store: DeadLetterStore
  private let connection: SerialConnection
  private let obstacle: Mutex<ObstacleLog>
  private let waiting = Mutex<(count: Int64, oldest: Double)>((0, 0))
  private let job = Mutex<PeriodicJob?>(nil)

  /// - Parameter connection: others may use it, too.
  public init(_ t: GatewayTables, _ connection: SerialConnection, logger: Logger, metrics: MetricsRegistry) {
    store = DeadLetterStore(t)
    self.connection = connection
    obstacle = Mutex(ObstacleLog("dead letters are not counted", logger.labelled("dead-letters")))
    metrics.gauge("gateway_dead_letters", help: "Dead letters of the pipeline that wait for a person.") { [weak self] in
      self.map { Double($0.waiting.withLock(\.count)) }
    }
    metrics.gauge(
      "gateway_oldest_dead_letter_seconds", help: "How long the oldest dead letter has waited; 0 without any."
    ) { [weak self] in self?.waiting.withLock(\.oldest) }
  }

  /// Starts the thread.
  public func start() {
    let job = PeriodicJob(name: "dead-letters") { [self] in run() }
    self.job.withLock { $0 = job }
    job.start()
  }

  /// Ends the thread.
  public func stop(until deadline: Instant) { job.withLock { $0.take() }?.stop(until: deadline) }

  private func run() -> Duration {
    do throws(DatabaseError) {
      let found = try connection.use { [store] connection throws(DatabaseError) in try store.waiting(on: connection) }
      waiting.withLock { $0 = found }
      obstacle.withLock { $0.note(nil, at: .now()) }
    } catch {
      obstacle.withLock { $0.note(error: error, at: .now()) }
    }
    return Self.interval
  }
}
