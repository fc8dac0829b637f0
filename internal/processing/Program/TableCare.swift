internal import Errors
internal import LedgerStore
internal import Logger
internal import Postgres
internal import RiskStore
internal import Runtime
internal import Synchronization
internal import Values

/// Keeps the tables small: folds the ledger's deltas into their accounts, and deletes what risk counts no more. Any
/// number of processes may do it.
final class TableCare: ServicePart {
  private static let pause = Duration.seconds(2)
  private static let riskPause = Duration.seconds(3_600)

  private let connection: SerialConnection
  private let ledger = LedgerStore()
  private let risk = RiskCare()
  private let logger: Logger
  private let nextRisk = Mutex(Instant.now())
  private let job = Mutex<PeriodicJob?>(nil)

  /// - Parameter connection: its own.
  init(_ connection: SerialConnection, logger: Logger) {
    self.connection = connection
    self.logger = logger.labelled("care")
  }

  func start() {
    let job = PeriodicJob(name: "care") { [self] in run() }
    self.job.withLock { $0 = job }
    job.start()
  }

  func stop(until deadline: Instant) {
    job.withLock { $0 }?.stop(until: deadline)
    connection.disconnect()
  }

  private func run() -> Duration {
    do {
      try connection.use { [ledger] connection throws(DatabaseError) in _ = try connection.run(ledger.fold()) }
      guard nextRisk.withLock({ $0 <= .now() }) else { return Self.pause }
      let gone = try connection.use { [risk] connection throws(DatabaseError) in try risk.run(on: connection) }
      if gone > 0 { logger.info("deleted what risk counts no more", ["rows": .number(gone)]) }
      if gone < RiskCare.limit { nextRisk.withLock { $0 = .now() + Self.riskPause } }
    } catch {
      if error.code == .server { logger.warning("the tables could not be cared for", ["error": .error(error)]) }
    }
    return Self.pause
  }
}
