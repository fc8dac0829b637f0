internal import Errors
internal import LedgerStore
internal import Logger
internal import Metrics
internal import Postgres
internal import Runtime
internal import Synchronization
internal import Values

/// Seals the ledger's transfers in blocks. Any number of processes may do it: one at a time does.
final class ChainSealing: ServicePart {
  private static let pause = Duration.seconds(5)

  private let connection: SerialConnection
  private let sealer = ChainSealer()
  private let logger: Logger
  private let blocks: Counter
  private let transfers: Counter
  private let lag: Gauge
  private let job = Mutex<PeriodicJob?>(nil)

  /// - Parameter connection: its own.
  init(_ connection: SerialConnection, logger: Logger, metrics: MetricsRegistry) {
    self.connection = connection
    self.logger = logger.labelled("chain")
    blocks = metrics.counter("ledger_blocks_sealed_total", help: "Blocks of the ledger's chain that were sealed.")
    transfers = metrics.counter("ledger_transfers_sealed_total", help: "Transfers in blocks that were sealed.")
    lag = metrics.gauge(
      "ledger_unsealed_seconds", help: "Age of the oldest transfer that is in no block; 0 when there is none.")
  }

  func start() {
    let job = PeriodicJob(name: "chain") { [self] in run() }
    self.job.withLock { $0 = job }
    job.start()
  }

  func stop(until deadline: Instant) {
    job.withLock { $0 }?.stop(until: deadline)
    connection.disconnect()
  }

  private func run() -> Duration {
    do throws(DatabaseError) {
      let (report, age) = try connection.use { [sealer] (connection) throws(DatabaseError) in
        (try sealer.seal(on: connection), try sealer.lag(on: connection))
      }
      blocks.add(report.blocks)
      transfers.add(Int(report.transfers))
      lag.set((age ?? .zero).inSeconds)
      if report.isAfresh, report.blocks > 0 {
        logger.warning(
          "the server numbers transactions anew; the chain goes on after it", ["blocks": .number(report.blocks)])
      }
      return report.isBehind ? .zero : Self.pause
    } catch {
      if error.code == .server || error.code == .content || error.code == .schema {
        logger.error("the ledger's chain could not be sealed and is tried again", ["error": .error(error)])
      }
      return Self.pause
    }
  }
}
