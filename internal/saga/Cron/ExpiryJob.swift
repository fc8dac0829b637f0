internal import Errors
internal import GroupCommit
internal import Logger
internal import Metrics
internal import Outbox
internal import Postgres
internal import SagaDomain
internal import SagaSchema
internal import SagaStore
internal import Synchronization
internal import Tracing
internal import Values

/// Fails payments that nobody settled in time.
final class ExpiryJob: Sendable {
  private struct State {
    /// Nothing that expired earlier needs to be looked at.
    var from: Timestamp?
    var nextFullSweep = Instant.now()
    /// Orders that cannot be failed for what is stored of them; tried again with each full sweep.
    var stuck: Set<Int64> = []
    var isInFullSweep = false
  }

  /// Most orders that are passed over: what is stuck beyond them holds up the rest, which the log then says.
  private static let stuckLimit = 10_000

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
  private let tracer: Tracer
  private let logger: Logger
  private let onCommit: @Sendable () -> Void

  /// - Parameters:
  ///   - connection: the job's own.
  ///   - tracer: records sweeps that fail payments, each as a trace of its own.
  ///   - onCommit: called after payments were failed, with events to publish.
  init(
    _ connection: SerialConnection, transactions: PaymentTransactions, logger: Logger, metrics: MetricsRegistry,
    tracer: Tracer, onCommit: @escaping @Sendable () -> Void
  ) {
    self.connection = connection
    self.transactions = transactions
    self.tracer = tracer
    expired = metrics.counter("payments_expired_total", help: "Payments failed because nobody settled them.")
    self.logger = logger.labelled("expiry")
    self.onCommit = onCommit
  }

  /// One batch.
  /// - Returns: how long to wait before the next.
  func run() -> Duration {
    do {
      let (from, stuck) = state.withLock { state in
        let isFull = state.nextFullSweep <= .now()
        if isFull, !state.isInFullSweep { state.stuck = [] }
        state.isInFullSweep = isFull
        return (isFull ? nil : state.from, Array(state.stuck))
      }
      // One that fails nothing does not end, and is forgotten.
      let span = tracer.begin("expire payments", .internal, parent: nil)
      let sweep = try connection.use { [self] (connection) throws(DatabaseError) in
        do throws(DatabaseError) {
          return try transactions.expire(
            limit: Self.batch, from: from, excluding: stuck, trace: span?.context, on: connection)
        } catch  where WriteFault.isOfValues(error) {
          return try expireOneByOne(from: from, excluding: stuck, trace: span?.context, on: connection)
        }
      }
      var isStuck = false
      for row in sweep.unreadable { isStuck = passOver(row) || isStuck }
      if sweep.expired > 0 {
        expired.add(sweep.expired)
        span?.note(SpanAttribute("paysaga.payments", sweep.expired))
        span?.end()
        logger.info("failed payments nobody settled", ["count": .number(sweep.expired)])
        onCommit()
        // Outside the transaction that wrote: a NOTIFY inside holds a global lock until the commit.
        try connection.use { (connection) throws(DatabaseError) in
          _ = try connection.run(Notifier.commands(SagaSchema.outbox.channel, PaymentRepository.channel))
        }
      }
      guard sweep.isComplete else { return sweep.expired > 0 || isStuck ? .milliseconds(1) : Self.interval }
      state.withLock { state in
        if from == nil { state.nextFullSweep = .now() + Self.fullSweepInterval }
        state.from = Timestamp(microseconds: sweep.now.microseconds - Self.lateness.inNanoseconds / 1_000)
      }
    } catch {
      if error.code == .server { logger.warning("expiry failed and is tried again", ["error": .error(error)]) }
    }
    return Self.interval
  }

  /// One of a batch is refused for what is stored of its order: that one is passed over, and the others are failed.
  private func expireOneByOne(
    from: Timestamp?, excluding stuck: [Int64], trace: TraceContext?, on connection: Connection
  ) throws(DatabaseError) -> ExpirySweep {
    let orders = try transactions.expiredOrders(limit: Self.batch, from: from, excluding: stuck, on: connection)
    var expired = 0
    var unreadable: [UnreadablePayment] = []
    for order in orders {
      do {
        let command = try SettleCommand(expiring: order, trace: trace)
        let mode = TransactionMode(hasBriefLocks: true)
        if case .success = try transactions.settle([command], mode: mode, on: connection).first { expired += 1 }
      } catch let error as PaymentError {
        unreadable.append(UnreadablePayment(id: nil, orderID: order, fault: error.message))
      } catch let error as DatabaseError where WriteFault.isOfValues(error) {
        unreadable.append(UnreadablePayment(id: nil, orderID: order, fault: error.description))
      } catch let error as DatabaseError where error.isLockTimeout {
        // Somebody is settling it: the next sweep sees what came of it.
      } catch let error as DatabaseError {
        throw error
      } catch {
        preconditionFailure("only payments and the database fail here: \(error)")
      }
    }
    let now = try transactions.expire(limit: 0, from: from, on: connection).now
    return ExpirySweep(expired: expired, unreadable: unreadable, isComplete: orders.count < Self.batch, now: now)
  }

  /// - Returns: whether the next sweep looks past it.
  private func passOver(_ row: UnreadablePayment) -> Bool {
    logger.warning(
      "a payment cannot be failed and is passed over",
      [
        "payment_id": .number(row.id), "order_id": .number(row.orderID), "error": .error(row.error),
      ])
    guard let order = row.orderID else { return false }
    return state.withLock { state in
      state.stuck.count < Self.stuckLimit && state.stuck.insert(order).inserted
    }
  }
}
