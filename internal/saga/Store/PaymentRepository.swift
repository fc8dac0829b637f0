internal import Errors
public import Logger
public import Metrics
public import Postgres
internal import Runtime
public import SagaDomain
internal import Synchronization
public import Values

/// Payments in PostgreSQL, for concurrent callers: writes are gathered into group commits, reads use a pool.
/// Callable on any thread.
public final class PaymentRepository: PaymentStore {
  /// The channel that is notified after payments have been settled or have expired, for those who watch them.
  public static let channel = "paysaga_payment"

  private let transactions: PaymentTransactions
  private let readers: ConnectionPool
  private let settling: GroupCommit<SettleCommand, Payment>
  private let creating: GroupCommit<CreateCommand, CreateOutcome>
  private let isStopped = Monitor(false)
  private let sweeper = Mutex<WorkerThread?>(nil)

  /// - Parameters:
  ///   - writers: connections for the group commits; two, so that a batch can form on one while another commits.
  ///   - readers: connections for everything else.
  ///   - onCommit: called on a pool thread after each transaction that may have written events.
  public init(
    transactions: PaymentTransactions, writers: ConnectionPool, readers: ConnectionPool, logger: Logger,
    metrics: MetricsRegistry,
    onCommit: @escaping @Sendable () -> Void
  ) {
    self.transactions = transactions
    self.readers = readers
    let log = logger.labelled("payments")
    let sizes = { (kind: String) in
      metrics.histogram(
        "payments_batch_size", help: "Calls settled by one transaction.", labels: ["kind": kind],
        bounds: Histogram.sizes)
    }
    let settleSizes = sizes("settle")
    let createSizes = sizes("create")
    settling = GroupCommit(pool: writers, limits: GroupCommitLimits(), logger: log, order: \.orderID) { count in
      settleSizes.observe(Double(count))
      onCommit()
    } execute: { (commands, mode, connection) throws(DatabaseError) in
      try transactions.settle(commands, mode: mode, on: connection)
    }
    creating = GroupCommit(pool: writers, limits: GroupCommitLimits(), logger: log, order: \.orderID) { count in
      createSizes.observe(Double(count))
      onCommit()
    } execute: { (commands, mode, connection) throws(DatabaseError) in
      try transactions.create(commands, mode: mode, on: connection)
    }
  }

  /// Starts the thread that answers calls whose time is up and goes on beside a stuck batch.
  public func start() {
    sweeper.withLock {
      $0 = WorkerThread(name: "call-deadlines") { [isStopped, settling, creating] in
        while isStopped.wait(until: .now() + .milliseconds(20), { $0 ? true : nil }) == nil {
          let now = Instant.now()
          settling.watch(now: now)
          creating.watch(now: now)
        }
      }
    }
  }

  /// Refuses new calls, answers those that wait; blocks until its thread has ended.
  public func stop() {
    settling.stop()
    creating.stop()
    isStopped.update { $0 = true }
    sweeper.withLock { $0 }?.join()
  }

  public func create(_ command: CreateCommand, deadline: Instant) async throws(PaymentError) -> CreateOutcome {
    try await creating.submit(command, deadline: deadline)
  }

  public func replay(_ command: CreateCommand, deadline: Instant) async throws(PaymentError) -> CreateOutcome? {
    try await read(deadline) { [transactions] connection throws(DatabaseError) in
      try transactions.replay(command, on: connection)
    }
  }

  public func settle(_ command: SettleCommand, deadline: Instant) async throws(PaymentError) -> Payment {
    try await settling.submit(command, deadline: deadline)
  }

  public func find(orderID: Int64, deadline: Instant) async throws(PaymentError) -> Payment? {
    try await read(deadline) { [transactions] connection throws(DatabaseError) in
      try transactions.find(orderIDs: [orderID], on: connection).first
    }
  }

  /// The payments of several orders, for a thread that may block; empty when the database does not answer in a second.
  public func findNow(orderIDs: [Int64]) -> [Payment] {
    let answer = Monitor<[Payment]?>(nil)
    let deadline = Instant.now() + .seconds(1)
    readers.submit(deadline: deadline) { [transactions] result in
      let payments = (try? result.get()).flatMap { try? transactions.find(orderIDs: orderIDs, on: $0) }
      answer.update { $0 = payments ?? [] }
    }
    return answer.wait(until: deadline) { $0 } ?? []
  }

  public func list(_ query: PaymentQuery, deadline: Instant) async throws(PaymentError) -> PaymentPage {
    try await read(deadline) { [transactions] connection throws(DatabaseError) in
      try transactions.list(query, on: connection)
    }
  }

  private func read<Value: Sendable>(
    _ deadline: Instant, _ body: @escaping @Sendable (Connection) throws(DatabaseError) -> Value
  ) async throws(PaymentError) -> Value {
    let giveUp = GroupCommitLimits().giveUp(before: deadline, now: .now())
    do {
      return try await readers.withConnection(deadline: giveUp, body)
    } catch {
      throw Self.readFailure(error)
    }
  }

  private static func readFailure(_ error: DatabaseError) -> PaymentError {
    switch error.code {
    case .overloaded: PaymentError(.overloaded, "too many calls are waiting for the database", cause: error)
    case .server where !error.isRetryable: PaymentError(.internal, "the database refused the query", cause: error)
    default: PaymentError(.unavailable, "the database did not answer in time", cause: error)
    }
  }
}
