internal import Glibc
internal import Metrics
internal import Runtime
internal import Values

/// Keeps a server's connections within their limits and answers requests whose time is over: libmicrohttpd's own
/// timeout starts anew with every byte, and its limits refuse the newest connection, the one that means it.
///
/// It also sees when a peer ends its side, which the library may miss: it does not watch the connection of a request
/// that waits, and otherwise waits for an edge that is spent when the end came together with other bytes.
final class ConnectionGuard: Sendable {
  private struct Open {
    let watch: ConnectionWatch
    /// The request that waits for an answer, or whose answer is streamed.
    var waiting: ServedRequest?
    /// The peer has ended its side.
    var hasLeft = false

    var descriptor: Int32 { watch.descriptor }
  }
  private struct State {
    var table: ConnectionTable
    var connections: [Open?] = []
    /// When the loop looks at the deadlines next.
    var wakeup = Instant.distantFuture
    var isDraining = false
    var isEnding = false

    var allWaiting: [ServedRequest] { connections.compactMap { $0?.waiting } }

    /// With the lock held: the library closes a descriptor only after `closed`, so it is still the connection's.
    func end(_ id: Int, _ how: Int) {
      if let descriptor = connections[id]?.descriptor { shutdown(descriptor, Int32(how)) }
    }
  }

  /// The loop looks at all connections, so it does not look more often.
  private static let rest = Duration.milliseconds(50)

  private let state: Monitor<State>
  private let loop: EventLoop
  private let overdue: Counter
  private let displaced: Counter

  /// - Parameter name: of the thread.
  init(_ limits: ConnectionTable.Limits, name: String, overdue: Counter, displaced: Counter) {
    state = Monitor(State(table: ConnectionTable(limits)))
    loop = EventLoop(name: name)
    self.overdue = overdue
    self.displaced = displaced
  }

  /// Open connections.
  var count: Int { state.withLock { $0.table.count } }

  // MARK: Connections; on the daemon's thread

  /// - Returns: the number of the connection.
  func opened(_ descriptor: Int32, _ peer: PeerNetwork) -> Int {
    let watch = changing { state, now in
      let (id, ended) = state.table.open(peer: peer, at: now)
      let watch = ConnectionWatch(descriptor, of: id, self)
      if id == state.connections.count { state.connections.append(nil) }
      state.connections[id] = Open(watch: watch)
      displaced.add(ended.count)
      for each in ended { state.end(each, SHUT_RDWR) }
      // It was accepted while the server began to drain.
      if state.isDraining { state.end(id, SHUT_RD) }
      return watch
    }
    loop.execute { watch.begin(on: self.loop) }
    return watch.id
  }

  func closed(_ id: Int) {
    let watch = state.update { state in
      defer { state.connections[id] = nil }
      state.table.close(id)
      return state.connections[id]?.watch
    }
    // Should the descriptor be closed before the loop hears of this, the kernel has forgotten the watch already, and a
    // new connection with the same descriptor begins after this.
    if let watch { loop.execute { watch.end(on: self.loop) } }
  }

  /// A request's head is there.
  func began(_ id: Int) { changing { state, now in state.table.enter(id, .receiving, at: now) } }

  /// A whole request waits for its answer, or for the next part of it.
  func waits(_ id: Int, _ request: ServedRequest, until deadline: Instant) {
    let (isEnding, interruption) = changing { state, now -> (Bool, HTTPInterruption?) in
      state.table.enter(id, .answering, at: now, until: deadline)
      state.connections[id]?.waiting = request
      let hasLeft = state.connections[id]?.hasLeft == true
      return (state.isEnding, state.isDraining ? .serverStops : hasLeft ? .peerLeft : nil)
    }
    // Interruptions that came before it waited.
    if isEnding { request.endNow(.stopping) } else if let interruption { request.interrupt(interruption) }
  }

  /// An answer, or a part of one, is on its way.
  /// - Parameter isLast: whether nothing of it follows.
  func sends(_ id: Int, isLast: Bool) {
    changing { state, now in
      state.table.enter(id, .sending, at: now)
      if isLast { state.connections[id]?.waiting = nil }
    }
  }

  /// The request has its whole answer, or was broken off.
  func completed(_ id: Int) {
    changing { state, now in
      state.table.enter(id, .idle, at: now)
      state.connections[id]?.waiting = nil
      if state.isDraining || state.connections[id]?.hasLeft == true { state.end(id, SHUT_RD) }
    }
  }

  /// Whether the server drains.
  var isDraining: Bool { state.withLock { $0.isDraining } }

  // MARK: The end; on a thread that may block

  /// Lets connections without a request end, and tells the handlers that wait.
  func drain() {
    let waiting = state.update { state in
      state.isDraining = true
      // What has come already is still read; after it comes the end of the stream.
      for id in state.table.idle { state.end(id, SHUT_RD) }
      return state.allWaiting
    }
    for request in waiting { request.interrupt(.serverStops) }
  }

  /// Answers whoever still waits, and from now on every request that would wait.
  func endWaiting() {
    let waiting = state.update { state in
      state.isEnding = true
      return state.allWaiting
    }
    for request in waiting { request.endNow(.stopping) }
  }

  /// Whether all connections were closed in time. Blocks.
  func waitUntilNone(_ deadline: Instant) -> Bool {
    state.wait(until: deadline) { $0.table.count == 0 ? true : nil } ?? false
  }

  /// Ends the thread, once the daemon has stopped.
  func stop() {
    loop.stop()
    loop.join()
  }

  // MARK: The loop

  /// Starts the thread.
  func start() { loop.start() }

  private func look() {
    let now = loop.now
    let late = state.withLock { state in
      var late: [ServedRequest] = []
      for each in state.table.takeOverdue(at: now) {
        switch each {
        case .end(let id):
          overdue.add()
          state.end(id, SHUT_RDWR)
        case .answer(let id): if let request = state.connections[id]?.waiting { late.append(request) }
        }
      }
      state.wakeup = max(now + Self.rest, state.table.findEarliestDeadline())
      return late
    }
    for request in late { request.endNow(.noAnswerInTime) }
    scheduleLook()
  }

  /// On the loop's thread. Looks that are scheduled already stay: one too many does no harm.
  private func scheduleLook() {
    let wakeup = state.withLock { $0.wakeup }
    guard wakeup != .distantFuture else { return }
    _ = loop.schedule(at: wakeup, Alarm { [unowned self] in if state.withLock({ $0.wakeup == wakeup }) { look() } })
  }

  /// On the loop's thread: the peer of a connection has ended its side, or has gone.
  fileprivate func peerEnded(_ watch: ConnectionWatch, isBroken: Bool) {
    let id = watch.id
    // The end of a stream never goes away. What breaks the connection is reported whatever the interest.
    if isBroken { watch.end(on: loop) } else { watch.rest(on: loop) }
    let (waiting, isFirst) = state.withLock { state -> (ServedRequest?, Bool) in
      guard let connection = state.connections[id], connection.watch === watch else { return (nil, false) }
      state.connections[id]?.hasLeft = true
      return (connection.waiting, !connection.hasLeft)
    }
    if isBroken { waiting?.lost() } else { waiting?.interrupt(.peerLeft) }
    if isFirst { showEnd(id, watch, again: .milliseconds(20)) }
  }

  /// Makes an edge, so that the library reads on to the end, and again as long as it does not close the connection: an
  /// edge that comes while it is about to read is spent, too. After a request that waits, `completed` does so.
  private func showEnd(_ id: Int, _ watch: ConnectionWatch, again delay: Duration) {
    let isOpen = state.withLock { state in
      guard state.connections[id]?.watch === watch, state.table.phase(id) != .answering else { return false }
      state.end(id, SHUT_RD)
      return true
    }
    guard isOpen else { return }
    _ = loop.schedule(
      at: loop.now + delay, Alarm { [unowned self] in showEnd(id, watch, again: min(delay * 2, .seconds(1))) })
  }

  /// Changes the state, and wakes the loop when something has become due earlier than it believes.
  private func changing<Result>(_ body: (inout State, Instant) -> Result) -> Result {
    let now = Instant.now()
    let (result, isEarlier) = state.withLock { state in
      let earliest = state.table.earliestDeadline
      let result = body(&state, now)
      let due = max(now, state.table.earliestDeadline)
      guard due < earliest, due < state.wakeup else { return (result, false) }
      state.wakeup = due
      return (result, true)
    }
    if isEarlier { loop.execute { self.scheduleLook() } }
    return result
  }
}

/// Looks whether the peer of a connection has ended its side, and whether the connection is broken; each once.
private final class ConnectionWatch: EventSource, @unchecked Sendable {
  // @unchecked: what is not constant is used on the loop's thread only.
  let descriptor: Int32
  let id: Int
  private var source: EventSourceID?
  // It ends its loop after the last connection was closed.
  private unowned let owner: ConnectionGuard

  init(_ descriptor: Int32, of id: Int, _ owner: ConnectionGuard) {
    self.descriptor = descriptor
    self.id = id
    self.owner = owner
  }

  func begin(on loop: EventLoop) { source = loop.add(self, descriptor: descriptor, interest: .peerEnded) }

  func end(on loop: EventLoop) {
    if let source { loop.remove(source) }
    source = nil
  }

  /// Looks for broken connections only.
  func rest(on loop: EventLoop) { if let source { loop.update(source, interest: []) } }

  func handle(_ readiness: Readiness) { owner.peerEnded(self, isBroken: !readiness.isDisjoint(with: .broken)) }
}

private final class Alarm: EventLoopTimerTarget {
  private let body: () -> Void

  init(_ body: @escaping () -> Void) { self.body = body }

  func timerFired(_ token: UInt64) { body() }
}
