internal import Errors
internal import GroupCommit
public import Logger
public import Metrics
public import Postgres
public import Runtime
public import SagaDomain
public import Tracing
public import Values

/// Payments in PostgreSQL, for concurrent callers: writes are gathered into group commits, reads use a pool.
/// Callable on any thread.
public final class PaymentRepository: PaymentStore, ServicePart {
  /// The channel that is notified after payments have been settled or have expired, for those who watch them.
  public static let channel = "paysaga_payment"

  private let transactions: PaymentTransactions
  private let readers: ConnectionPool
  private let scanners: ConnectionPool
  private let logger: Logger
  private let settling: GroupCommit<SettleTransaction>
  private let creating: GroupCommit<CreateTransaction>
  private let deadlines: PeriodicJob

  /// - Parameters:
  ///   - writers: connections for the group commits; two, so that a batch can form on one while another commits.
  ///   - readers: connections for reads of a bounded few rows.
  ///   - scanners: connections for lists that may read many rows for each that they answer; few, so that they cannot
  ///     starve the others.
  ///   - tracer: records the transactions.
  ///   - onCommit: called on a pool thread after each transaction that may have written events.
  public init(
    transactions: PaymentTransactions, writers: ConnectionPool, readers: ConnectionPool, scanners: ConnectionPool,
    logger: Logger,
    metrics: MetricsRegistry, tracer: Tracer = .off,
    onCommit: @escaping @Sendable () -> Void
  ) {
    self.transactions = transactions
    self.readers = readers
    self.scanners = scanners
    let log = logger.labelled("payments")
    self.logger = log
    let sizes = { (kind: String) in
      metrics.histogram(
        "payments_batch_size", help: "Calls settled by one transaction.", labels: ["kind": kind],
        bounds: Histogram.sizes)
    }
    let effects = { (kind: String) in
      WriteEffects(sizes: sizes(kind), onCommit: onCommit, logger: log, tracer: tracer) { !writers.isHealthy }
    }
    let settle = SettleTransaction(
      transactions: transactions, effects: effects("settle"))
    let create = CreateTransaction(
      transactions: transactions, effects: effects("create"))
    settling = GroupCommit(settle, kind: "settle", pool: writers, logger: log, metrics: metrics)
    creating = GroupCommit(create, kind: "create", pool: writers, logger: log, metrics: metrics)
    deadlines = PeriodicJob(name: "call-deadlines") { [settling, creating] in
      let now = Instant.now()
      settling.watch(now: now)
      creating.watch(now: now)
      return .milliseconds(20)
    }
  }

  /// Starts the thread that answers calls whose time is up and goes on beside a stuck batch.
  public func start() { deadlines.start() }

  /// Refuses new calls, answers those that wait.
  public func stop(until deadline: Instant = .distantFuture) {
    settling.stop()
    creating.stop()
    deadlines.stop(until: deadline)
  }

  public func create(_ command: CreateCommand, deadline: Instant) async throws(PaymentError) -> CreateOutcome {
    try await creating.submit(command, deadline: deadline)
  }

  public func replay(_ command: CreateCommand, deadline: Instant) async throws(PaymentError) -> CreateOutcome? {
    try await read(readers, deadline) { [transactions] connection throws(DatabaseError) in
      try transactions.replay(command, on: connection)
    }
  }

  public func settle(_ command: SettleCommand, deadline: Instant) async throws(PaymentError) -> Payment {
    try await settling.submit(command, deadline: deadline)
  }

  public func find(orderID: Int64, deadline: Instant) async throws(PaymentError) -> Payment? {
    let found = try await read(readers, deadline) { [transactions] connection throws(DatabaseError) in
      try transactions.find(orderIDs: [orderID], on: connection)
    }
    if let unreadable = found.unreadable.first {
      warn(unreadable)
      throw unreadable.error
    }
    return found.payments.first
  }

  /// The payments of several orders, for a thread that may block; empty when the database does not answer in a second.
  public func findNow(orderIDs: [Int64]) -> FoundPayments {
    let answer = Monitor<FoundPayments?>(nil)
    let deadline = Instant.now() + .seconds(1)
    readers.submit(deadline: deadline) { [transactions] result in
      let found = (try? result.get()).flatMap { try? transactions.find(orderIDs: orderIDs, on: $0) }
      answer.update { $0 = found ?? FoundPayments() }
    }
    let found = answer.wait(until: deadline) { $0 } ?? FoundPayments()
    found.unreadable.forEach(warn)
    return found
  }

  public func list(_ query: PaymentQuery, deadline: Instant) async throws(PaymentError) -> PaymentPage {
    // A rare status reads many rows for each answer: a connection of its own keeps such calls from delaying the others.
    let pool = query.status == nil ? readers : scanners
    return try await read(pool, deadline) { [self] connection throws(DatabaseError) in
      try transactions.list(query, onUnreadable: warn, on: connection)
    }
  }

  /// What a row is refused for is told once for each time it is met.
  private func warn(_ unreadable: UnreadablePayment) {
    logger.warning(
      "a payment cannot be read",
      [
        "payment_id": .number(unreadable.id), "order_id": .number(unreadable.orderID),
        "error": .error(unreadable.error),
      ])
  }

  private func read<Value: Sendable>(
    _ pool: ConnectionPool, _ deadline: Instant, _ body: @escaping @Sendable (Connection) throws(DatabaseError) -> Value
  ) async throws(PaymentError) -> Value {
    let giveUp = GroupCommitLimits().giveUp(before: deadline, now: .now())
    do {
      return try await pool.withConnection(deadline: giveUp.time, body)
    } catch {
      let isDeadlinePassed = giveUp.isDeadline && giveUp.time <= .now()
      throw PaymentError(reading: error, isDeadlinePassed: isDeadlinePassed, isDatabaseAway: !pool.isHealthy)
    }
  }
}
