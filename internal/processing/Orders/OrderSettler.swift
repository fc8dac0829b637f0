public import Logger
public import Metrics
public import Postgres
public import ProcessingDomain
public import ProcessingStore
public import Runtime
public import SagaClient
internal import Synchronization
public import Values

/// Settles the saga's payments of the orders that were paid here, for as long as that takes.
///
/// Any number of processes may run it: a settlement may be made twice with one effect, and each process takes what no
/// other is at.
public final class OrderSettler: ServicePart {
  /// Settlements that one round makes side by side: as many as may wait for a thread of the saga's client, so that it
  /// refuses none. The saga commits in groups, so that many at a time take hardly longer than one.
  static let batch = SagaClient.Limits().queue
  /// How long nobody else takes what a round has taken: longer than a round.
  private static let claimTime = Duration.seconds(30)
  /// How long a round waits for the saga.
  private static let callTime = Duration.seconds(8)
  /// How often to look when nothing wakes it.
  private static let interval = Duration.seconds(1)

  private struct State {
    var obstacle: ObstacleLog
    var nextCount = Instant.now()
  }

  private let connection: SerialConnection
  private let store: SettlementStore
  private let saga: any SagaAsking
  private let executor: (any TaskExecutor)?
  private let rules: SettlementRules
  private let policy: OrderDeadPolicy
  private let metrics: Meters
  private let logger: Logger
  private let state: Mutex<State>
  private let job: Mutex<PeriodicJob?>

  /// - Parameters:
  ///   - connection: its own, to processing's database.
  ///   - saga: its answers decide.
  ///   - executor: where it is asked; nil for Swift's pool.
  public init(
    _ connection: SerialConnection, store: SettlementStore = SettlementStore(), saga: any SagaAsking,
    on executor: (any TaskExecutor)? = nil, rules: SettlementRules = SettlementRules(), policy: OrderDeadPolicy,
    logger: Logger, metrics: MetricsRegistry
  ) {
    self.connection = connection
    self.store = store
    self.saga = saga
    self.executor = executor
    self.rules = rules
    self.policy = policy
    self.logger = logger.labelled("orders")
    self.metrics = Meters(metrics)
    state = Mutex(State(obstacle: ObstacleLog("orders are not settled in the saga", self.logger)))
    job = Mutex(nil)
  }

  /// Begins to settle.
  public func start() {
    let job = PeriodicJob(name: "orders") { [self] in run() }
    self.job.withLock { $0 = job }
    job.start()
  }

  /// Says that a settlement may have been committed. Callable on any thread.
  public func wake() { job.withLock { $0 }?.wake() }

  /// Ends the work; what the saga has not answered is asked again by whoever comes next.
  public func stop(until deadline: Instant) { job.withLock { $0 }?.stop(until: deadline) }

  /// One round, on the job's thread.
  /// - Returns: how long to wait before the next.
  func run() -> Duration {
    do throws(DatabaseError) {
      let taken = try connection.use { [store] (connection) throws(DatabaseError) in
        try store.take(limit: Self.batch, for: Self.claimTime, on: connection)
      }
      if !taken.isEmpty {
        let verdicts = ask(taken)
        try connection.use { [store] (connection) throws(DatabaseError) in try store.write(verdicts, on: connection) }
        report(verdicts)
      }
      try count()
      return taken.isEmpty ? Self.interval : .zero
    } catch {
      state.withLock { $0.obstacle.note(error: error, at: .now()) }
      return Self.interval
    }
  }

  /// Asks the saga for all of them at once, and waits.
  private func ask(_ settlements: [Settlement]) -> [(Settlement, SettlementVerdict)] {
    let answers = Monitor<[Int: SettleAnswer]>([:])
    let deadline = Instant.now() + Self.callTime
    for (number, settlement) in settlements.enumerated() {
      let trace = settlement.trace
      Task(executorPreference: executor) { [saga] in
        let answer = await saga.settle(
          order: settlement.orderID, reason: SettlementRules.reason(of: settlement.paymentID), trace: trace,
          deadline: deadline)
        answers.update { $0[number] = answer }
      }
    }
    // The saga's client answers by the deadline; this is for one that does not.
    _ = answers.wait(until: deadline + .seconds(5)) { $0.count == settlements.count ? true : nil }
    let found = answers.withLock { $0 }
    return settlements.enumerated().map { number, settlement in
      let answer = found[number] ?? .unavailable(SagaFailure("the saga did not answer in time"))
      return (settlement, rules.verdict(answer, on: settlement, spread: Double.random(in: 0...1)))
    }
  }

  private func report(_ verdicts: [(Settlement, SettlementVerdict)]) {
    var problem: String?
    for (settlement, verdict) in verdicts {
      switch verdict {
      case .finished: metrics.settled.add()
      case .again(_, let error, _):
        metrics.failed.add()
        problem = error
      case .dead(let detail):
        metrics.dead.add()
        logger.error(
          policy == .refund
            ? "a payment is completed, and its order is dead: the money goes back"
            : "a payment is completed, and its order is dead: somebody has to decide about the money",
          [
            "payment_id": .describing(settlement.paymentID), "order_id": .number(settlement.orderID),
            "detail": .string(detail), "policy": .string(policy.rawValue),
          ])
      }
    }
    note(problem)
  }

  private func note(_ problem: String?) { state.withLock { $0.obstacle.note(problem, at: .now()) } }

  private func count() throws(DatabaseError) {
    let isTime = state.withLock { state in
      guard state.nextCount <= .now() else { return false }
      state.nextCount = .now() + .seconds(5)
      return true
    }
    guard isTime else { return }
    let (count, oldest) = try connection.use { [store] (connection) throws(DatabaseError) in
      try store.waiting(on: connection)
    }
    metrics.waiting.set(count)
    metrics.oldest.set(oldest)
  }

  private struct Meters: Sendable {
    let settled: Counter
    let dead: Counter
    let failed: Counter
    let waiting: Gauge
    let oldest: Gauge

    init(_ registry: MetricsRegistry) {
      let counter = { (outcome: String) in
        registry.counter(
          "direct_settlements_total", help: "Attempts to settle an order in the saga, by what came of them.",
          labels: ["outcome": outcome])
      }
      settled = counter("settled")
      dead = counter("order_dead")
      failed = counter("failed")
      waiting = registry.gauge("direct_settlements_waiting", help: "Orders paid here and not yet settled in the saga.")
      oldest = registry.gauge("direct_settlement_oldest_seconds", help: "Age of the oldest of them.")
    }
  }
}
