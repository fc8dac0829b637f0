public import Logger
public import Metrics
public import Postgres
internal import ProcessingDomain
public import ProcessingStore
public import Runtime
internal import Synchronization
public import Values

/// Counts the exceptions that wait for a person, for the metrics that somebody is alarmed by, and says in the log when
/// there are more than before.
public final class ExceptionWatch: ServicePart {
  private static let interval = Duration.seconds(10)

  private let connection: SerialConnection
  private let store: ExceptionStore
  private let gauges: [String: Gauge]
  private let others: Gauge
  private let logger: Logger
  private let job: Mutex<PeriodicJob?>
  private let obstacle: Mutex<ObstacleLog>
  /// What was counted the last time.
  private let last = Mutex<[String: Int]>([:])

  /// - Parameter connection: its own, to processing's database.
  public init(
    _ connection: SerialConnection, store: ExceptionStore = ExceptionStore(), logger: Logger, metrics: MetricsRegistry
  ) {
    self.connection = connection
    self.store = store
    self.logger = logger.labelled("exceptions")
    obstacle = Mutex(ObstacleLog("exceptions are not counted, and their metrics are old", self.logger))
    let gauge = { (kind: String) in
      metrics.gauge(
        "direct_exceptions_open", help: "Exceptions that wait for a person, by kind: paysaga exceptions.",
        labels: ["kind": kind])
    }
    gauges = Dictionary(uniqueKeysWithValues: PaymentException.allCases.map { ($0.rawValue, gauge($0.rawValue)) })
    others = gauge("other")
    job = Mutex(nil)
  }

  /// Begins to count.
  public func start() {
    let job = PeriodicJob(name: "exceptions") { [self] in
      run()
      return Self.interval
    }
    self.job.withLock { $0 = job }
    job.start()
  }

  /// Ends the counting.
  public func stop(until deadline: Instant) { job.withLock { $0 }?.stop(until: deadline) }

  /// Counts once.
  func run() {
    do throws(DatabaseError) {
      let counts = try connection.use { [store] (connection) throws(DatabaseError) in
        try store.counts(on: connection)
      }
      for (kind, gauge) in gauges { gauge.set(counts[kind] ?? 0) }
      report(counts)
      others.set(counts.filter { gauges[$0.key] == nil }.values.reduce(0, +))
      obstacle.withLock { $0.note(nil, at: .now()) }
    } catch {
      obstacle.withLock { $0.note(error: error, at: .now()) }
    }
  }

  /// An error line a kind of which there are more: a person has to look.
  private func report(_ counts: [String: Int]) {
    let before = last.withLock { last in
      defer { last = counts }
      return last
    }
    for (kind, count) in counts.sorted(by: { $0.key < $1.key }) where count > before[kind] ?? 0 {
      logger.error(
        "what contradicts the books waits for a person: paysaga exceptions",
        ["kind": .string(kind), "open": .number(Int64(count)), "before": .number(Int64(before[kind] ?? 0))])
    }
  }
}
