public import Admin
public import Bank
internal import DirectDomain
internal import GroupCommit
public import LedgerStore
public import Logger
public import Metrics
public import Postgres
internal import ProcessingDomain
public import ProcessingSettings
public import ProcessingStore
public import Runtime
internal import Synchronization
public import Values

/// Executes payments: one a process, in `payments-processor` and in the gateways. Callable on any thread, except where
/// a function says otherwise.
///
/// Each payment at the bank has a task of its own, thousands at a time; their steps are gathered into few transactions.
/// What waits for room at the bank waits in the tables; only cards wait in memory. The rules are in
/// docs/direct-payments.md.
public final class PaymentProcessor: ServicePart {
  /// What a processor sees to besides what it is given.
  public enum Role: Sendable {
    /// Everything: what is due, and what dead processes leave behind.
    case processor
    /// Nothing else: the processor of a gateway.
    case gateway
  }

  let options: ProcessorOptions
  let role: Role
  let store: ProcessingStore
  let leases: OwnerLeases
  let bank: any BankAsking
  let pool: ConnectionPool
  /// For reading what is due, and for claims of others: each of one thread.
  let reader: SerialConnection
  let caretaker: SerialConnection
  let logger: Logger
  let metrics: ProcessorMetrics
  let lease: OwnerLease
  let book: AccountBook
  let inHand = InHand()
  let waitingCards = SlotQueue()
  let steps: GroupCommit<StepTransaction>
  let claims: GroupCommit<ClaimTransaction>
  /// What claims on a lane's connection cause.
  let claimed: CommitEffects
  let dueObstacle: Mutex<ObstacleLog>
  let claimsObstacle: Mutex<ObstacleLog>
  private let places = Mutex(0)
  private let isStopping = Mutex(false)
  private let isGivingUp = Mutex(false)
  /// Whether the bank has been told to wake us.
  private let isWaitingForBank = Mutex(false)
  /// Whether the last who wanted slots got too few of them, so that somebody waits.
  private let isShortOfSlots = Mutex(false)
  private struct Jobs {
    var work: PeriodicJob?
    var care: PeriodicJob?
    var watch: PeriodicJob?
  }
  private let jobs = Mutex(Jobs())

  /// Prepares a processor; the tables must be there.
  /// - Parameters:
  ///   - role: what it sees to.
  ///   - database: sessions for steps, which get index plans only.
  ///   - program: for people who look at the tables.
  ///   - onCommit: called on any thread after commits that may have written results; must not block.
  public convenience init(
    _ options: ProcessorOptions, _ role: Role, store: ProcessingStore, ledger: LedgerStore, leases: OwnerLeases,
    bank: any BankAsking, database: DatabaseConfiguration, program: String, logger: Logger, metrics: MetricsRegistry,
    onCommit: @escaping @Sendable () -> Void
  ) {
    self.init(
      options, role, store: store, ledger: ledger, leases: leases, bank: bank, database: database, program: program,
      patience: GroupCommitLimits().patience, logger: logger, metrics: metrics, onCommit: onCommit)
  }

  /// - Parameter patience: how long a step waits for the database before it is carried out anew.
  package init(
    _ options: ProcessorOptions, _ role: Role, store: ProcessingStore, ledger: LedgerStore, leases: OwnerLeases,
    bank: any BankAsking, database: DatabaseConfiguration, program: String, patience: Duration, logger: Logger,
    metrics: MetricsRegistry, onCommit: @escaping @Sendable () -> Void
  ) {
    self.options = options
    self.role = role
    self.store = store
    self.leases = leases
    self.bank = bank
    self.logger = logger.labelled("processor")
    dueObstacle = Mutex(ObstacleLog("what is due cannot be read", self.logger))
    claimsObstacle = Mutex(ObstacleLog("claims cannot be looked after", self.logger))
    book = AccountBook(ledger)
    pool = ConnectionPool(
      configuration: database, size: options.poolSize, queueLimit: 4_096, name: "processing", logger: logger,
      metrics: metrics)
    // With flags of their own: what is under way is seen to while the program drains.
    reader = SerialConnection(database, logger: logger.labelled("due"), stop: StopFlag())
    caretaker = SerialConnection(database, logger: logger.labelled("takeover"), stop: StopFlag())
    let counts = ProcessorMetrics(metrics)
    self.metrics = counts
    let waiting = waitingCards
    let lease = OwnerLease(
      leases, length: options.lease, program: program,
      // With a flag of its own: the lease is kept while the program drains.
      connection: SerialConnection(database, logger: logger.labelled("lease"), stop: StopFlag()), logger: self.logger
    ) { waiting.endAll() }
    self.lease = lease
    claimed = CommitEffects(metrics: counts, isClaim: true, onCommit: onCommit)
    let effects = CommitEffects(metrics: counts, isClaim: false, onCommit: onCommit)
    var limits = GroupCommitLimits()
    limits.patience = patience
    steps = GroupCommit(
      StepTransaction(store: store, lease: lease, effects: effects), kind: "step", pool: pool, limits: limits,
      logger: self.logger, metrics: metrics)
    limits.batch = min(limits.batch, ProcessingStore.maximumClaims)
    claims = GroupCommit(
      ClaimTransaction(store: store, lease: lease, effects: claimed), kind: "claim", pool: pool, limits: limits,
      logger: self.logger, metrics: metrics)
    let inHand = inHand
    metrics.gauge("processing_in_hand", help: "Payments that this process is at.") { Double(inHand.count) }
    metrics.gauge("processing_cards_waiting", help: "Cards in memory that wait for room at the bank.") {
      Double(waiting.count)
    }
    metrics.gauge("processing_lease_held", help: "Whether the lease of this process lasts.") {
      lease.isHeld ? 1 : 0
    }
  }

  // MARK: - Life

  /// Begins to work.
  public func start() {
    lease.start()
    let jobs = Jobs(
      work: PeriodicJob(name: "due") { [self] in seeToDue() },
      care: PeriodicJob(name: "takeover") { [self] in seeToClaims() },
      watch: PeriodicJob(name: "step-deadlines") { [self] in
        let now = Instant.now()
        steps.watch(now: now)
        claims.watch(now: now)
        waitingCards.expire(now: now)
        return .milliseconds(20)
      })
    self.jobs.withLock { $0 = jobs }
    for job in [jobs.work, jobs.care, jobs.watch] { job?.start() }
  }

  /// Takes nothing new, waits for the bank's answers until the deadline, and gives back what is left.
  public func stop(until deadline: Instant) {
    let isFirst = isStopping.withLock { isStopping in
      defer { isStopping = true }
      return !isStopping
    }
    guard isFirst else { return }
    let jobs = jobs.withLock { $0 }
    jobs.care?.stop()
    // Until now slots go to cards that wait.
    let isEmpty = inHand.waitUntilEmpty(until: deadline - .milliseconds(500))
    isGivingUp.withLock { $0 = true }
    if !isEmpty {
      logger.warning("stopped with payments in hand", ["count": .number(inHand.count)])
    }
    jobs.work?.stop()
    waitingCards.endAll(isLast: true)
    lease.stop()
    lease.end { [store] owner, ids, connection throws(DatabaseError) in
      _ = try store.apply(ids.map { StepRequest($0, .takeOver(from: owner)) }, by: nil, on: connection)
    }
    steps.stop()
    claims.stop()
    jobs.watch?.stop()
    reader.disconnect()
    caretaker.disconnect()
    pool.stop(until: max(deadline, .now() + .milliseconds(100)))
  }

  /// Whether nothing new is begun.
  var isEnding: Bool { isStopping.withLock { $0 } }

  /// Whether the time to end what is in hand is over, too.
  var hasGivenUp: Bool { isGivingUp.withLock { $0 } }

  /// The state of what it depends on.
  public var checks: [ReadinessReport.Check] {
    [
      ReadinessReport.Check("postgres_processing", isReady: pool.isHealthy, detail: pool.stateDescription),
      ReadinessReport.Check(
        "lease", isReady: lease.isHeld, detail: lease.current.map { "owner \($0.owner)" } ?? "none"),
    ]
  }

  // MARK: - Room

  /// Slots for newcomers: none while others wait, so that nobody is passed for ever.
  func reserveUnlessAwaited(_ wanted: Int) -> Int {
    guard wanted > 0, waitingCards.count == 0, !isShortOfSlots.withLock({ $0 }) else { return 0 }
    let slots = bank.reserve(wanted)
    if slots < wanted { note(isShortOfSlots: true) }
    return slots
  }

  /// A newcomer says so when it gets too few slots; that there are enough is known to `seeToDue`, which has those first
  /// who wait.
  func note(isShortOfSlots isShort: Bool) { isShortOfSlots.withLock { $0 = isShort } }

  /// Has `seeToDue` called when there is room at the bank.
  func wakeWhenFree() {
    let isNew = isWaitingForBank.withLock { isWaiting in
      defer { isWaiting = true }
      return !isWaiting
    }
    guard isNew else { return }
    bank.whenFree { [weak self] in
      guard let self else { return }
      isWaitingForBank.withLock { $0 = false }
      wake()
    }
  }

  /// Looks at what is due now.
  func wake() { jobs.withLock { $0.work }?.wake() }

  /// Takes a place among the cards in memory, before the payment is stored. - Returns: nil when there is none.
  public func reserveCard() -> CardPlace? {
    guard !isEnding else { return nil }
    let isTaken = places.withLock { count in
      guard count < options.cardQueue else { return false }
      count += 1
      return true
    }
    return isTaken ? CardPlace { [weak self] in self?.places.withLock { $0 -= 1 } } : nil
  }
}
