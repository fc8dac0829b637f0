package import GatewayDomain
package import GatewayStore
package import HTTPServer
internal import Logger
package import Metrics
internal import Runtime
internal import Synchronization
package import Values

/// Reads what streams show. Blocks the calling thread, which is the feed's.
package protocol LiveReads: Sendable {
  /// Payments by their ids.
  func load(_ ids: [UniqueID]) -> Result<FoundPayments, GatewayStoreError>
  /// A page of each user's payments.
  func pages(_ wanted: [UserPages.Wanted]) -> Result<[UserPages.Page], GatewayStoreError>
}

/// What a stream follows.
package enum LiveSubject: Sendable, Hashable {
  /// One payment; the stream ends after its final state.
  case payment(UniqueID)
  /// The payments of a user.
  case user(UniqueID)
  /// All payments, for a page that shows the newest: it begins with the newest hundred. While many change, those that
  /// are not among the newest 256 of a fifth of a second are left out.
  case all
}

/// Sends payments as they change to those who follow them, as server-sent events. Callable on any thread.
///
/// It is told which payments have changed; between the changes nothing is read. A stream takes no thread and no task.
/// Each sends a comment every 15 s. One without room for a change waits until its caller has taken what it was sent,
/// and goes on with what is so then. It ends when its caller takes nothing for as long as the server allows, or has
/// lost the right to it, and everyone's when the server stops: callers go on elsewhere from the id of the last event.
package final class LiveFeed: ServicePart {
  private struct State {
    var table = LiveTable<LiveStream>()
    var isStopped = false
  }
  private enum Next {
    case work(LiveReading?, beats: [(id: UInt64, follower: LiveStream)])
    case look
    case stop
  }

  private let state = Monitor(State())
  private let places: WaiterPlaces
  private let reads: any LiveReads
  private let handlers: RouteHandlers
  private let capacity: Int
  private let sizes: Histogram
  private let stalls: Counter
  private let thread = Mutex<WorkerThread?>(nil)

  /// - Parameters:
  ///   - places: shared with whoever else waits.
  ///   - handlers: log what an operator has to know.
  ///   - capacity: bytes that may wait for the caller of a stream; one event always may.
  package init(
    at places: WaiterPlaces, _ reads: any LiveReads, handlers: RouteHandlers, metrics: MetricsRegistry,
    capacity: Int = 128 << 10
  ) {
    self.capacity = capacity
    self.places = places
    self.reads = reads
    self.handlers = handlers
    sizes = metrics.histogram(
      "gateway_live_reads", help: "Payments and pages of one reading for streams.", bounds: Histogram.sizes)
    stalls = metrics.counter(
      "gateway_live_stalls_total", help: "How often a stream waited for its caller to read what it was sent.")
    metrics.gauge("gateway_live_streams", help: "Streams of server-sent events.") { [weak self] in
      self.map { Double($0.count) }
    }
  }

  /// Streams that have not ended.
  var count: Int { state.withLock { $0.table.count } }
  /// Streams that wait for a page, or for room.
  var waiting: Int { state.withLock { $0.table.waiting } }

  /// Starts the thread.
  package func start() {
    thread.withLock { $0 = WorkerThread(name: "live") { [self] in run() } }
  }

  /// Ends all streams and the thread.
  package func stop(until deadline: Instant) {
    end()
    thread.withLock { $0 }?.join()
  }

  /// Ends all streams, and from now on those that would begin. Callable on any thread.
  package func end() {
    let streams = state.update { state in
      state.isStopped = true
      return state.table.removeAll()
    }
    for stream in streams { stream.end(Fault(StoreTrouble.stopping).response) }
  }

  // MARK: - Who follows

  /// Answers with a stream of events, each a payment. The answer begins with the first reading: 404 when the payment is
  /// not there, 204 when it is final and the caller knows, 503 when nothing can be read or as many wait as there may.
  /// - Parameters:
  ///   - lastEventID: the id of the last event that the caller has; nil where it has none.
  ///   - peer: whose places are taken.
  ///   - isAllowed: whether the caller still may follow; asked every 15 s. Must not block.
  ///   - body: the data of an event; nil to leave a payment out. Must not block.
  /// - Throws: 400 for an id that no event has.
  package func subscribe(
    _ subject: LiveSubject, from lastEventID: String?, of peer: WaitingPeer,
    isAllowed: @escaping @Sendable () -> Bool = { true },
    body: @escaping @Sendable (GatewayPayment) -> [UInt8]? = { $0.json() }, to exchange: HTTPExchange
  ) throws(Fault) {
    let start = try Self.start(subject, lastEventID)
    let place = try places.take(for: peer)
    let stream = LiveStream(exchange, at: place, isAllowed: isAllowed, body: body, capacity: capacity)
    let id = state.update { state in state.isStopped ? nil : state.table.add(stream, start, at: .now(), .now()) }
    guard let id else { throw Fault(StoreTrouble.stopping) }
    exchange.whenInterrupted { [weak self] reason in
      if reason == .serverStops { self?.end() } else { self?.leave(id) }
    }
  }

  private static func start(_ subject: LiveSubject, _ lastEventID: String?) throws(Fault) -> LiveStart {
    switch subject {
    case .all: return .all
    case .payment(let id):
      guard let lastEventID else { return .payment(id, after: 0) }
      guard let version = Int64(lastEventID), version > 0 else { throw .invalidEventID }
      return .payment(id, after: version)
    case .user(let id):
      guard let lastEventID else { return .user(id, from: nil) }
      guard let position = LivePosition(lastEventID) else { throw .invalidEventID }
      return .user(id, from: position)
    }
  }

  private func leave(_ id: UInt64) { state.withLock { $0.table.remove(id) }?.leave() }

  // MARK: - What changes

  /// Says that payments have changed. Callable on any thread.
  package func changed(_ changes: [PaymentChange]) {
    // The thread is woken for those who follow already; who begins now reads what is so now.
    if count == 0 { return }
    state.update { $0.table.changed(changes, at: .now()) }
  }

  /// Says that changes may have gone unnoticed. Callable on any thread.
  package func changedPerhaps() { state.update { $0.table.changedPerhaps(at: .now()) } }

  // MARK: - The thread

  private func run() {
    while true {
      let wakeup = state.withLock { $0.table.wakeup }
      let next = state.wait(until: wakeup) { state -> Next? in
        if state.isStopped { return .stop }
        let beats = state.table.takeBeats(at: .now())
        let reading = state.table.takeReading(at: .now())
        if reading != nil || !beats.isEmpty { return .work(reading, beats: beats) }
        // What has become due earlier than it was when the wait began.
        return state.table.wakeup < wakeup ? .look : nil
      }
      switch next {
      case .work(let reading, let beats):
        for (id, stream) in beats { beat(id, stream) }
        if let reading { read(reading) }
      case .look, nil: continue
      case .stop: return
      }
    }
  }

  private func beat(_ id: UInt64, _ stream: LiveStream) {
    if !stream.isAllowed() {
      leave(id)
    } else if stream.beat() == .closed {
      // Without room for it there is enough to read as it is.
      leave(id)
    }
  }

  private func read(_ reading: LiveReading) {
    sizes.observe(Double(reading.payments.count + reading.ofAll.count + reading.pages.count))
    let ids = Array(Set(reading.payments + reading.ofAll))
    if !ids.isEmpty {
      switch reads.load(ids) {
      case .success(let found): carryOut { $0.finish(reading, found, at: .now()) }
      case .failure(let error):
        carryOut { $0.fail(reading, error, at: .now()) }
        return
      }
    }
    guard !reading.pages.isEmpty else { return }
    let wanted = reading.pages.map { UserPages.Wanted(user: $0.user, from: $0.from, start: $0.start, open: $0.open) }
    switch reads.pages(wanted) {
    case .success(let pages):
      for (wanted, page) in zip(reading.pages, pages) {
        for error in page.unreadable { _ = handlers.response(Fault(error)) }
        carryOut { $0.finish(wanted, page.payments, next: page.next, at: .now()) }
      }
    case .failure(let error):
      carryOut { $0.fail(LiveReading(pages: reading.pages), error, at: .now()) }
    }
  }

  private func carryOut(_ body: (inout LiveTable<LiveStream>) -> [LiveStep<LiveStream>]) {
    let steps = state.withLock { body(&$0.table) }
    // Most streams show a payment the same way.
    var stalled: Set<UInt64> = []
    for step in steps {
      switch step {
      // What follows for a stream that has stalled is read again.
      case .paged(let id, _, _, _, _) where stalled.contains(id): continue
      case .event(let id, _, _, _, _) where stalled.contains(id): continue
      case .end(let id, _) where stalled.contains(id): continue
      case .paged(let id, let stream, let payment, let eventID, let before):
        if sent(id, stream.send(payment, id: eventID)) { continue }
        stalled.insert(id)
        stall(id, stream) { $0.stall(id, at: payment.id, before) }
      case .event(let id, let stream, let payment, let eventID, let before):
        if sent(id, stream.send(payment, id: eventID)) { continue }
        stalled.insert(id)
        stall(id, stream) { $0.stall(id, before) }
      // Without room for it there is enough to read as it is.
      case .ready(let id, let stream, let eventID): _ = sent(id, stream.begin(id: eventID))
      case .end(let id, let stream):
        _ = state.withLock { $0.table.remove(id) }
        stream.end(HTTPResponse(204))
      case .missing(let stream): stream.fail(PaymentDesk.missing.response)
      case .trouble(let stream, let error): stream.fail(handlers.response(Fault(error)))
      }
    }
  }

  /// - Returns: false when there was no room.
  private func sent(_ id: UInt64, _ outcome: HTTPStream.Outcome) -> Bool {
    if outcome == .closed { leave(id) }
    return outcome != .full
  }

  /// Goes on when the caller has taken what waits for it.
  private func stall(_ id: UInt64, _ stream: LiveStream, _ body: (inout LiveTable<LiveStream>) -> Void) {
    stalls.add()
    state.withLock { body(&$0.table) }
    stream.whenDrained { [weak self] in self?.state.update { $0.table.drained(id, at: .now()) } }
  }
}

extension Fault {
  fileprivate static let invalidEventID = Fault(
    400, .invalidParameter, "expected the id of an event of this stream", field: LiveStream.lastEventID)
}
