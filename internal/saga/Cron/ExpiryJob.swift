internal import Errors
internal import Logger
internal import Metrics
internal import Outbox
internal import Postgres
internal import SagaDomain
internal import SagaSettings
internal import SagaStore
internal import Service
internal import Settings
internal import Synchronization
internal import Values

/// Fails payments that nobody settled in time.
final class ExpiryJob: Sendable {
  private struct State {
    /// Nothing that expired earlier needs to be looked at.
    var from: Timestamp?
    var nextFullSweep = Instant.now()
  }

  /// Payments failed by one transaction.
  private static let batch = 500
  /// How often to look for expired payments.
  private static let interval = Duration.seconds(1)
  /// A payment may become visible this long after its expiry, and no later: the longest transaction we allow for.
  private static let lateness = Duration.seconds(300)
  /// How often to start over from the oldest, for what was locked by somebody when the sweep came by.
  private static let fullSweepInterval = Duration.seconds(600)

  private let connection: SerialConnection
  private let transactions: PaymentTransactions
  private let state = Mutex(State())
  private let expired: Counter
  private let logger: Logger
  private let onCommit: @Sendable () -> Void

  init(_ context: ProgramContext, shards: ShardMap, onCommit: @escaping @Sendable () -> Void) {
    connection = SerialConnection(context, role: "expiry")
    transactions = PaymentTransactions(
      outbox: OutboxWriter(shards: shards), topic: context.settings.producer.topic,
      ttl: context.settings.payment.timeToLive)
    expired = context.metrics.counter("payments_expired_total", help: "Payments failed because nobody settled them.")
    logger = context.logger.labelled("expiry")
    self.onCommit = onCommit
  }

  /// One batch.
  /// - Returns: how long to wait before the next.
  func run() -> Duration {
    do {
      let from = state.withLock { $0.nextFullSweep <= .now() ? nil : $0.from }
      let sweep = try connection.use { [transactions] (connection) throws(DatabaseError) in
        try transactions.expire(limit: Self.batch, from: from, on: connection)
      }
      if sweep.expired > 0 {
        expired.add(sweep.expired)
        logger.info("failed payments nobody settled", ["count": .number(sweep.expired)])
        onCommit()
        // Outside the transaction that wrote: a NOTIFY inside holds a global lock until the commit.
        try connection.use { (connection) throws(DatabaseError) in
          _ = try connection.run(Notifier.commands(Relay.channel, PaymentRepository.channel))
        }
      }
      guard sweep.isComplete else { return .milliseconds(1) }
      state.withLock { state in
        if from == nil { state.nextFullSweep = .now() + Self.fullSweepInterval }
        state.from = Timestamp(microseconds: sweep.now.microseconds - Self.lateness.inNanoseconds / 1_000)
      }
    } catch {
      if error.code == .server { logger.warning("expiry failed and is tried again", ["error": .error(error)]) }
    }
    return Self.interval
  }
}
