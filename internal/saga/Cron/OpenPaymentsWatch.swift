internal import Logger
internal import Metrics
internal import Postgres
internal import Runtime
internal import SagaStore
internal import Synchronization
internal import Values

/// Tells the age of the oldest open payment: the metric `payments_oldest_open_seconds`. On a thread of its own.
final class OpenPaymentsWatch: ServicePart {
  /// What was found, and when.
  private struct Look {
    /// nil when no payment is open.
    let age: Duration?
    let at: Instant
  }

  private static let interval = Duration.seconds(10)
  /// How soon the next payments are looked at while there are more, as after a start.
  private static let busyInterval = Duration.milliseconds(200)
  /// How often it is asked whether this process is the one to look.
  private static let askInterval = Duration.seconds(1)
  /// How long a look is believed: three missed ones.
  private static let lifetime = Duration.seconds(35)

  private let timeToLive: Duration
  private let connection: SerialConnection
  private let isTeller: @Sendable () -> Bool
  private let obstacle: Mutex<ObstacleLog>
  private let payments: Mutex<OpenPayments>
  private let found = Mutex<Look?>(nil)
  private let job = Mutex<PeriodicJob?>(nil)

  /// - Parameters:
  ///   - connection: others may use it, too.
  ///   - isTeller: whether this process is the one to look.
  init(
    _ connection: SerialConnection, timeToLive: Duration, logger: Logger, metrics: MetricsRegistry,
    isTeller: @escaping @Sendable () -> Bool
  ) {
    self.connection = connection
    self.timeToLive = timeToLive
    self.isTeller = isTeller
    payments = Mutex(OpenPayments(timeToLive: timeToLive))
    obstacle = Mutex(ObstacleLog("the oldest open payment is not looked for", logger.labelled("open-payments")))
    metrics.gauge(
      "payments_oldest_open_seconds",
      help:
        "Age of the oldest open payment, 0 while none is older than five minutes; told by one process, and left out "
        + "when older than 35 s."
    ) { [weak self] in self?.age(at: .now()) }
  }

  /// Starts the thread.
  func start() {
    let job = PeriodicJob(name: "open-payments") { [self] in run() }
    self.job.withLock { $0 = job }
    job.start()
  }

  /// Ends the thread.
  func stop(until deadline: Instant) { job.withLock { $0.take() }?.stop(until: deadline) }

  private func age(at now: Instant) -> Double? {
    found.withLock { found in
      guard let found, now - found.at <= Self.lifetime else { return nil }
      // It stays open until the next look.
      return found.age.map { ($0 + (now - found.at)).inSeconds } ?? 0
    }
  }

  private func run() -> Duration {
    guard isTeller() else {
      // Another process goes on from the begin, and this one will.
      found.withLock { $0 = nil }
      payments.withLock { $0 = OpenPayments(timeToLive: timeToLive) }
      return Self.askInterval
    }
    do throws(DatabaseError) {
      let known = payments.withLock(\.self)
      let (next, finding) = try connection.use { connection throws(DatabaseError) in
        var next = known
        let finding = try next.look(on: connection)
        return (next, finding)
      }
      payments.withLock { $0 = next }
      obstacle.withLock { $0.note(nil, at: .now()) }
      switch finding {
      case .unknown: return Self.busyInterval
      case .none: found.withLock { $0 = Look(age: nil, at: .now()) }
      case .oldest(let age): found.withLock { $0 = Look(age: age, at: .now()) }
      }
    } catch {
      obstacle.withLock { $0.note(error: error, at: .now()) }
    }
    return Self.interval
  }
}
