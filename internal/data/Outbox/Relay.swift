public import Logger
public import Metrics
public import Postgres
public import Runtime
internal import Synchronization
public import Tracing
public import Values

/// Publishes the waiting events of an outbox: claims shards, reads their events, hands them to the publisher, and moves
/// acknowledged ones to DONE. `RelayCore` decides everything; here are the thread, the statements and the counters.
///
/// Its methods may be called on any thread.
public final class Relay: ServicePart {
  private struct Mailbox {
    var events: [RelayCore.Event] = []
    var isWoken = false
    var isAbandoned = false
    var isFinished = false
  }

  /// The state that other threads may ask for.
  private struct View {
    var ownsAllShards = false
    var ownedShards = 0
    var isHousekeeper = false
  }

  private let configuration: RelayConfiguration
  private let store: RelayStore
  private let partitions: OutboxPartitions
  private let pool: ConnectionPool
  private let publisher: any EventPublisher
  private let logger: Logger
  private let metrics: RelayMetrics
  private let spans: PublishSpans
  private let mailbox = Monitor(Mailbox())
  private let view = Mutex(View())
  private let thread = Mutex<WorkerThread?>(nil)

  /// - Parameters:
  ///   - tables: the outbox; call `wake` when its channel is notified.
  ///   - pool: at least three connections of the relay's own, so that leases are renewed while it reads and completes.
  ///   - publisher: set to give up each message within `configuration.deliveryTimeout`.
  ///   - tracer: records the publication of events that belong to a recorded trace.
  public init(
    tables: OutboxTables, configuration: RelayConfiguration, pool: ConnectionPool, publisher: any EventPublisher,
    logger: Logger, metrics: MetricsRegistry, tracer: Tracer = .off
  ) {
    self.configuration = configuration
    self.pool = pool
    self.publisher = publisher
    spans = PublishSpans(tracer)
    self.logger = logger.labelled("relay")
    self.metrics = RelayMetrics(metrics, labels: tables.metricLabels)
    for reason in PublishObstacle.Reason.allCases {
      metrics.gauge(
        "outbox_relay_obstacle", help: "Whether this relay publishes nothing for that reason (1) or not (0).",
        labels: tables.metricLabels(reason: reason.rawValue)
      ) { publisher.obstacle?.reason == reason ? 1 : 0 }
    }
    store = RelayStore(
      tables: tables, owner: configuration.owner, reserve: configuration.reserve, onDead: configuration.onDead)
    partitions = OutboxPartitions(tables)
  }

  /// Starts to publish, on a thread of its own.
  public func start() {
    publisher.start { [mailbox, spans] outcomes in
      spans.end(outcomes)
      mailbox.update { $0.events.append(.published(outcomes)) }
    }
    thread.withLock { $0 = WorkerThread(name: "relay") { [self] in run() } }
  }

  /// Makes the relay look for new events. Call it after a commit that wrote some.
  public func wake() { mailbox.update { $0.isWoken = true } }

  /// Whether it publishes every shard, so that no other relay needs to be woken.
  public var ownsAllShards: Bool { view.withLock { $0.ownsAllShards } }

  /// Whether this process does what one does for all: exactly one live relay holds the first shard.
  public var isHousekeeper: Bool { view.withLock { $0.isHousekeeper } }

  /// What it does behind a dead event.
  var onDead: DeadPolicy { configuration.onDead }

  /// What log lines call an event's key.
  func named(_ key: String?) -> (field: String, value: LogValue) { configuration.named(key) }

  /// Number of shards it publishes.
  public var ownedShards: Int { view.withLock { $0.ownedShards } }

  /// Completes what is in flight and gives the leases back.
  /// - Parameter deadline: when to stop waiting; the leases then run out by themselves.
  public func stop(until deadline: Instant) {
    // The program was stopped before the relay was started.
    guard thread.withLock({ $0 }) != nil else { return }
    mailbox.update { $0.events.append(.stop) }
    let finished = mailbox.wait(until: deadline) { $0.isFinished ? true : nil }
    if finished == nil {
      logger.warning("stopped before all publications were answered; the leases will run out by themselves")
      mailbox.update { $0.isAbandoned = true }
    }
    thread.withLock { $0 }?.join()
  }

  // MARK: - The relay's thread

  private func run() {
    var core = RelayCore(rules: configuration.rules, now: .now())
    var passedOver = 0
    while !core.isFinished {
      let deadline = core.nextDeadline(now: .now())
      let (events, isAbandoned) = nextEvents(until: deadline)
      if isAbandoned { break }
      for event in events { perform(core.handle(event, at: .now())) }
      publishView(of: core)
      metrics.countAcknowledged(by: &core)
      if core.passedOver > passedOver {
        logger.warning(
          "events were found below where the relay reads; their keys waited for them",
          ["count": .number(core.passedOver - passedOver)])
        metrics.passedOver.add(core.passedOver - passedOver)
        passedOver = core.passedOver
      }
    }
    mailbox.update { $0.isFinished = true }
  }

  private func nextEvents(until deadline: Instant) -> (events: [RelayCore.Event], isAbandoned: Bool) {
    let taken = mailbox.wait(until: deadline) { mailbox -> Mailbox? in
      let isIdle = mailbox.events.isEmpty && !mailbox.isWoken && !mailbox.isAbandoned
      if isIdle { return nil }
      defer { mailbox = Mailbox() }
      return mailbox
    }
    guard let taken else { return ([.tick], false) }
    var events = taken.events
    if taken.isWoken { events.append(.wake) }
    return (events, taken.isAbandoned)
  }

  private func publishView(of core: RelayCore) {
    let next = View(
      ownsAllShards: core.ownsAllShards, ownedShards: core.shards.count, isHousekeeper: core.shards[0] != nil)
    view.withLock { $0 = next }
    metrics.ownedShards.set(next.ownedShards)
    metrics.inMemory.set(core.window.eventCount)
  }

  private func perform(_ actions: [RelayCore.Action]) {
    for action in actions {
      switch action {
      case .maintainLeases(let request): maintainLeases(request)
      case .read(let request): read(request)
      case .publish(let requests):
        spans.begin(requests)
        publisher.publish(requests.map(OutboundMessage.init))
      case .complete(let request): complete(request)
      case .purge: publisher.purge()
      case .reportLoss(let loss, let shards):
        metrics.lostLeases.add(shards)
        logger.warning(
          "lost leases; messages not yet sent were withdrawn",
          ["shards": .number(shards), "reason": .string(loss.rawValue)])
      case .reportRecall(let shards):
        logger.info("an operator's action made this relay read shards anew", ["shards": .number(shards)])
      case .reportSetAside(let item, let reason):
        logger.error(
          "the database refuses to complete an event, which is tried again later",
          fields(item, reason))
      case .releaseAll(let leases): releaseAll(leases)
      case .finished: logger.info("stopped, leases given back")
      }
    }
  }

  private func maintainLeases(_ request: LeaseRequest) {
    let obstacle = publisher.obstacle
    onDatabase { [store, logger] connection throws(DatabaseError) in
      let sentAt = Instant.now()
      let report = try store.maintainLeases(request, obstacle: obstacle, on: connection)
      if !report.claimed.isEmpty {
        logger.info("took over shards", ["count": .number(report.claimed.count), "relays": .number(report.liveRelays)])
      }
      return .leases(report, sentAt: sentAt)
    } failed: { _ in
      .leasesFailed
    }
  }

  private func read(_ request: ReadRequest) {
    onDatabase { [store, metrics] connection throws(DatabaseError) in
      let report = try store.read(request, on: connection)
      metrics.reads.add()
      metrics.read.add(report.events.count)
      return .read(report)
    } failed: { _ in
      .readFailed
    }
  }

  private func complete(_ request: CompletionRequest) {
    onDatabase { [self, store, metrics] connection throws(DatabaseError) in
      let report: CompletionReport
      do throws(DatabaseError) {
        report = try store.complete(request, on: connection)
      } catch  where error.isMissingPartition {
        // No partition for today yet: make it, then the completion is asked for again.
        try partitions.ensureDays(on: connection)
        throw error
      } catch  where error.isRefusalOfValues {
        return .completionRefused(request, reason: error.description)
      }
      metrics.count(report, isDead: request.isDead)
      if request.isDead { tell(dead: request.items) }
      return .completed(request, report)
    } failed: { _ in
      .completionFailed(request)
    }
  }

  /// Names dead events in the log: each needs a person.
  private func tell(dead items: [CompletionRequest.Item]) {
    for item in items {
      logger.warning("an event is dead", fields(item, item.refusal ?? ""))
    }
  }

  private func fields(_ item: CompletionRequest.Item, _ error: String) -> Logger.Fields {
    let named = configuration.named(item.key)
    return [
      "event_id": .describing(item.eventID), "outbox_id": .number(item.id), "key": .describing(item.key),
      named.field: named.value, "trace_id": .describing(item.traceIDText), "shard": .number(item.shard),
      "error": .string(error),
    ]
  }

  private func releaseAll(_ leases: [ShardEpoch]) {
    onDatabase { [store] connection throws(DatabaseError) in
      try store.releaseAll(leases, on: connection)
      return .released
    } failed: { _ in
      .released
    }
  }

  /// Runs a statement on a thread of the pool; its answer comes back as an event.
  private func onDatabase(
    _ work: @escaping @Sendable (Connection) throws(DatabaseError) -> RelayCore.Event,
    failed: @escaping @Sendable (DatabaseError) -> RelayCore.Event
  ) {
    pool.submit(deadline: .now() + configuration.reserve) { [mailbox, logger] result in
      let event: RelayCore.Event
      do throws(DatabaseError) {
        event = try work(try result.get())
      } catch {
        // The pool itself logs that the database is away.
        if error.code == .server { logger.warning("a statement failed and is tried again", ["error": .error(error)]) }
        event = failed(error)
      }
      mailbox.update { $0.events.append(event) }
    }
  }
}

extension DatabaseError {
  /// Whether a statement was refused for the values of a row: a data exception (class 22) or an integrity constraint
  /// violation (class 23; PostgreSQL, appendix A).
  fileprivate var isRefusalOfValues: Bool {
    guard let sqlState else { return false }
    return sqlState.hasPrefix("22") || sqlState.hasPrefix("23")
  }
}
