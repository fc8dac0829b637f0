internal import Errors
internal import GatewayDomain
package import GatewayStore
internal import HTTPClient
package import Logger
package import Metrics
package import Postgres
internal import Runtime
package import Tracing
package import Values

/// Sends webhooks: to the endpoints whose leases this process has. A thread reads what is due and records what has
/// ended; calls are made and end on the HTTP client's thread, which starts the next ones that are ready.
///
/// Of several gateways one sends to an endpoint. What it had under way when it died is sent again by the next one.
package final class WebhookDispatcher: ServicePart {
  /// How long a lease is: so long nobody sends to an endpoint whose gateway has died.
  static let lease = Duration.seconds(5)
  /// How often leases are renewed and endpoints are read.
  static let careInterval = Duration.milliseconds(1_500)
  /// How often is looked for what nobody has told of, such as what is due again.
  static let pollInterval = Duration.seconds(1)
  /// How soon a database that was away is tried again.
  static let retryInterval = Duration.milliseconds(250)
  /// When refunds are read again that could not be read.
  static let awayPause = Duration.seconds(5)
  /// When is tried again what cannot be read here.
  static let unreadablePause = Duration.seconds(300)
  /// The most attempts that are recorded in one transaction.
  static let recordLimit = 1_000

  /// Where and how an endpoint's messages go.
  struct Target: Sendable, Hashable {
    let url: String
    let secrets: [WebhookSecret]
  }

  struct State: Sendable {
    var lanes: WebhookLanes<WebhookMessage>
    var targets: [UniqueID: Target] = [:]
    /// Endpoints that have taken nothing since they failed.
    var failing: Set<UniqueID> = []
    /// How many more of these others send to, or nobody.
    var failingElsewhere = 0
    var ended: [EndedAttempt] = []
    /// Endpoints that have answered 410, each with the URL that did.
    var gone: [UniqueID: String] = [:]
    /// Refunds that are to be told of, and are not read yet.
    var refunds: [DueDelivery] = []
    var isShowingRefunds = false
    /// Refunds that could not be read just now.
    var away: [DueDelivery] = []
    /// What cannot be read here.
    var unreadable: [DueDelivery] = []
    /// What tells of payments and refunds that are nowhere.
    var missing: [DueDelivery] = []
    /// Until when the leases are this process's.
    var leasedUntil = Instant(nanoseconds: 0)
    /// Whether other processes send to some of the endpoints.
    var hasOthers = false
    var isWoken = false
    var isCareDue = false
    var isStopping = false
  }

  let queue: WebhookQueue
  let connection: SerialConnection
  let secrets: WebhookSecrets
  let refunds: RefundShowing
  let options: WebhookOptions
  let client: HTTPClient
  let logger: Logger
  let metrics: WebhookMetrics
  let traces: TraceBook
  let owner = UniqueID.random()
  let state: Monitor<State>
  private let obstacle: Monitor<ObstacleLog>
  /// Endpoints that were complained about.
  let told = Monitor<Set<UniqueID>>([])
  private let times = Monitor(Times())
  private let job = Monitor<PeriodicJob?>(nil)

  private struct Times {
    var nextCare = Instant(nanoseconds: 0)
    var nextPoll = Instant(nanoseconds: 0)
  }

  /// - Parameters:
  ///   - connection: with index plans only, for this alone.
  ///   - userAgent: what receivers see as `User-Agent`.
  ///   - traces: those of payments; deliveries belong to them, and tell their receivers so.
  package init(
    _ queue: WebhookQueue, _ connection: SerialConnection, secrets: WebhookSecrets, refunds: @escaping RefundShowing,
    options: WebhookOptions, userAgent: String, logger: Logger, metrics: MetricsRegistry,
    traces: TraceBook = .off
  ) {
    self.queue = queue
    self.connection = connection
    self.secrets = secrets
    self.refunds = refunds
    self.options = options
    self.traces = traces
    self.logger = logger
    self.metrics = WebhookMetrics(metrics)
    client = HTTPClient(Self.client(options, userAgent))
    var limits = WebhookLanes<WebhookMessage>.Limits()
    (limits.calls, limits.endpointCalls) = (options.calls, options.endpointCalls)
    state = Monitor(State(lanes: WebhookLanes(limits)))
    obstacle = Monitor(ObstacleLog("webhooks wait for the database", logger))
  }

  private static func client(_ options: WebhookOptions, _ userAgent: String) -> HTTPClientConfiguration {
    var configuration = HTTPClientConfiguration(userAgent: userAgent)
    configuration.connectTimeout = min(.seconds(5), options.timeout)
    configuration.maximumRequests = options.calls
    configuration.maximumRequestsPerHost = options.calls
    configuration.idleConnections = options.calls
    // Many servers end a connection after five idle seconds; what meets that end has to be sent again.
    configuration.idleTime = .seconds(4)
    configuration.addresses = options.allowsPrivate ? .any : .publicInternet()
    return configuration
  }

  // MARK: - Any thread

  /// There may be something to send. Callable on any thread.
  package func wake() {
    state.withLock { $0.isWoken = true }
    wakeThread()
  }

  func wakeThread() { job.withLock { $0 }?.wake() }

  /// Endpoints have changed. Callable on any thread.
  package func endpointsChanged() {
    state.withLock { $0.isCareDue = true }
    wake()
  }

  /// Whether other processes send to some of the endpoints, so that they have to be told of what is to be sent.
  package var hasOthers: Bool { state.withLock { $0.hasOthers } }

  /// Starts the thread.
  package func start() {
    let job = PeriodicJob(name: "webhooks") { [self] in takeTurn() }
    self.job.update { $0 = job }
    job.start()
  }

  /// How long a stop waits for answers at most: what has none by then is sent again, and a receiver that hangs is no
  /// reason to stop late.
  private static let stopTime = Duration.seconds(2)

  /// Sends nothing new, waits for the answers of what is under way, records these, and leaves the endpoints to others.
  package func stop(until deadline: Instant) {
    state.withLock { $0.isStopping = true }
    job.withLock { $0 }?.stop(until: deadline)
    client.stop(until: min(deadline, .now() + Self.stopTime))
    do throws(DatabaseError) {
      while try record() {}
      try connection.use { [queue, owner] connection throws(DatabaseError) in
        try queue.release(owner, on: connection)
      }
    } catch {
      logger.warning("what webhooks came to at the end was not recorded", ["error": .error(error)])
    }
  }

  // MARK: - The thread

  /// - Returns: how long to wait for the next turn, unless something happens.
  private func takeTurn() -> Duration {
    do throws(DatabaseError) {
      try careInTurn()
      let hasMore = try record()
      try postpone()
      try giveUp()
      let isBehind = try read()
      obstacle.withLock { $0.note(nil, at: .now()) }
      return hasMore || isBehind ? .zero : pause
    } catch {
      obstacle.withLock { $0.note(error: error, at: .now()) }
      return Self.retryInterval
    }
  }

  private var pause: Duration {
    let next = times.withLock { min($0.nextCare, $0.nextPoll) }
    return max(.zero, next - .now())
  }

  private func careInTurn() throws(DatabaseError) {
    let now = Instant.now()
    let isAsked = state.withLock { state in
      defer { state.isCareDue = false }
      return state.isCareDue
    }
    if isAsked || times.withLock({ now >= $0.nextCare }) {
      let isDone = try care()
      times.withLock { $0.nextCare = isDone ? now + Self.careInterval : now }
    }
    let isPoll = times.withLock { times in
      guard now >= times.nextPoll else { return false }
      times.nextPoll = now + Self.pollInterval
      return true
    }
    state.withLock { state in
      if isPoll || state.isWoken { state.lanes.wake(anywhere: isPoll) }
      state.isWoken = false
    }
  }

  // MARK: - Reading

  /// - Returns: whether there is more to read at once.
  private func read() throws(DatabaseError) -> Bool {
    let now = Instant.now()
    let wanted = state.withLock { state in
      state.isStopping || now >= state.leasedUntil ? [] : state.lanes.wanted(at: now)
    }
    guard !wanted.isEmpty else { return false }
    let due = try connection.use { [queue] connection throws(DatabaseError) in
      try queue.due(wanted.map { ($0.endpointID, $0.floor, $0.limit) }, on: connection)
    }
    let read = Dictionary(grouping: due, by: \.endpointID).mapValues(\.count)
    let entries = Dictionary(grouping: payments(due), by: \.endpointID)
    let isBehind = state.withLock { state in
      for delivery in due where delivery.event.refundID != nil {
        if state.lanes.prepare(delivery.id, for: delivery.endpointID, dueAt: delivery.dueAt) {
          state.refunds.append(delivery)
        }
      }
      for each in wanted {
        state.lanes.take(
          entries[each.endpointID] ?? [], for: each.endpointID, isAll: (read[each.endpointID] ?? 0) < each.limit,
          at: due.first?.readAt)
      }
      return !state.lanes.wanted(at: now).isEmpty
    }
    send()
    showRefunds()
    return isBehind
  }

  /// What tells of payments and can be sent. The others are put off, or given up.
  private func payments(_ due: [DueDelivery]) -> [WebhookLanes<WebhookMessage>.Entry] {
    due.filter { $0.event.refundID == nil }.compactMap { entry($0, WebhookMessage.payment(of: $0)) }
  }

  /// - Returns: nil for what cannot be sent, which is put off or given up.
  private func entry(_ due: DueDelivery, _ data: WebhookData) -> WebhookLanes<WebhookMessage>.Entry? {
    switch data {
    case .json(let json):
      return WebhookLanes.Entry(
        endpointID: due.endpointID, id: due.id, dueAt: due.dueAt, item: WebhookMessage(due, data: json))
    case .missing:
      state.withLock { $0.missing.append(due) }
      complain(due, "a webhook is given up: what it tells of is not there", reason: "it is not there")
    case .unreadable(let reason):
      state.withLock { $0.unreadable.append(due) }
      complain(due, "a webhook is put off: what it tells of cannot be read here", reason: reason)
    }
    return nil
  }

  // MARK: - What cannot be sent yet

  /// The most refunds that are read at a time.
  private static let refundPage = 1_000

  /// Has refunds read that are to be told of, one page at a time. They are in another database: neither payments nor
  /// leases wait for it.
  private func showRefunds() {
    let page = state.withLock { state -> [DueDelivery] in
      guard !state.isShowingRefunds, !state.isStopping, !state.refunds.isEmpty else { return [] }
      state.isShowingRefunds = true
      let page = Array(state.refunds.prefix(Self.refundPage))
      state.refunds.removeFirst(page.count)
      return page
    }
    guard !page.isEmpty else { return }
    refunds(page.compactMap { due in due.event.refundID.map { (id: $0, standing: due.event.standing) } }) {
      [self] shown in
      take(page, shown)
    }
  }

  /// Takes refunds that were read; on any thread.
  private func take(_ page: [DueDelivery], _ shown: [WebhookData]?) {
    let found = zip(page, shown ?? []).compactMap { due, data in entry(due, data) }
    state.withLock { state in
      state.isShowingRefunds = false
      for entry in found { state.lanes.prepared(entry) }
      if shown == nil { state.away += page }
    }
    send()
    showRefunds()
    wakeThread()
  }

  /// It is no fault of the receiver, and an operator has to look.
  private func complain(_ due: DueDelivery, _ words: String, reason: String) {
    guard told.withLock({ $0.count < 10_000 && $0.insert(due.id).inserted }) else { return }
    logger.error(
      words,
      [
        "delivery_id": .describing(due.id), "webhook_id": .describing(due.endpointID),
        "payment_id": .describing(due.event.paymentID), "reason": .string(reason),
      ])
  }

  /// Has what cannot be sent yet due later; that is no attempt.
  private func postpone() throws(DatabaseError) {
    let (away, unreadable) = state.withLock { ($0.away, $0.unreadable) }
    for (deliveries, pause) in [(away, Self.awayPause), (unreadable, Self.unreadablePause)] where !deliveries.isEmpty {
      try connection.use { [queue] connection throws(DatabaseError) in
        try queue.postpone(deliveries, by: pause, on: connection)
      }
    }
    metrics.unreadable.add(unreadable.count)
    state.withLock { state in
      state.away.removeFirst(away.count)
      state.unreadable.removeFirst(unreadable.count)
      for due in away + unreadable { state.lanes.putOff(due.id, for: due.endpointID) }
    }
  }

  /// Shows as failed what there is nothing to tell of any more; that is no attempt.
  private func giveUp() throws(DatabaseError) {
    let missing = state.withLock { $0.missing }
    guard !missing.isEmpty else { return }
    let closed = try connection.use { [queue] connection throws(DatabaseError) in
      try queue.giveUp(missing, .missing, on: connection)
    }
    metrics.givenUp.add(closed)
    state.withLock { state in
      state.missing.removeFirst(missing.count)
      for due in missing { state.lanes.putOff(due.id, for: due.endpointID) }
    }
  }
}
