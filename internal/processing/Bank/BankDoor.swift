internal import Logger
internal import Metrics
internal import Runtime
internal import Values

/// Whoever wants to call the bank comes through here. It has a thread, on which those are called who wait for slots.
final class BankDoor: Sendable {
  private struct State {
    var breaker: BankBreaker
    var waiting: [@Sendable () -> Void] = []
    var isStopped = false
  }
  /// The most registrations that wait. There are as many as users of the client, which are few.
  private static let maximumWaiting = 64

  private let state: Monitor<State>
  private let logger: Logger
  private let openings: Counter

  init(slots: Int, logger: Logger, metrics: MetricsRegistry) {
    let state = Monitor(State(breaker: BankBreaker(slots: slots)))
    self.state = state
    self.logger = logger
    openings = metrics.counter(
      "bank_breaker_opened_total", help: "Times the bank was no longer asked because it did not answer.")
    metrics.gauge(
      "bank_breaker_state", help: "0: the bank is asked; 1: it is tried whether it is back; 2: it is not asked."
    ) {
      switch state.withLock({ $0.breaker.state }) {
      case .closed: 0
      case .halfOpen: 1
      case .open: 2
      }
    }
    metrics.gauge("bank_slots_taken", help: "Slots for calls of the bank that are taken.") {
      Double(state.withLock { $0.breaker.taken })
    }
    metrics.gauge("bank_calls_in_flight", help: "Calls of the bank under way.") {
      Double(state.withLock { $0.breaker.calling })
    }
  }

  func start() -> WorkerThread { WorkerThread(name: "bank-door") { [self] in run() } }

  func stop() { state.update { $0.isStopped = true } }

  func reserve(_ wanted: Int) -> Int {
    let (got, change) = state.withLock { state in
      let change = state.breaker.advance(to: .now())
      return (state.breaker.reserve(wanted), change)
    }
    if let change { tell(change) }
    return got
  }

  func release(_ slots: Int) {
    let isAwaited = state.withLock { state in
      state.breaker.release(slots)
      return !state.waiting.isEmpty
    }
    if isAwaited { wake() }
  }

  func whenFree(_ body: @escaping @Sendable () -> Void) {
    state.update { state in
      precondition(state.waiting.count < Self.maximumWaiting, "somebody registers for slots without waiting for them")
      state.waiting.append(body)
    }
  }

  func begin() -> BankBreaker.Pass {
    let (pass, isFirst) = state.withLock { state in
      // With the first young call there is a time at which slots may become free.
      let isFirst = state.breaker.growsAt == nil && !state.waiting.isEmpty
      return (state.breaker.begin(at: .now()), isFirst)
    }
    if isFirst { wake() }
    return pass
  }

  func end(_ pass: BankBreaker.Pass, _ outcome: BankBreaker.Outcome, _ reason: String) {
    let (change, isAwaited) = state.withLock { state in
      var random = SystemRandomNumberGenerator()
      let change = state.breaker.end(pass, outcome, at: .now(), using: &random)
      return (change, !state.waiting.isEmpty)
    }
    if let change { tell(change, reason) }
    if isAwaited || change != nil { wake() }
  }

  private func tell(_ change: BankBreaker.Change, _ reason: String = "") {
    switch change {
    case .opened(let pause):
      openings.add()
      logger.warning(
        "the bank does not answer and is not asked for a while: payments wait",
        ["reason": .string(reason), "pause_ms": .number(pause.inMilliseconds)])
    case .halfOpened: logger.info("some calls try whether the bank is back")
    case .closed: logger.info("the bank answers again")
    }
  }

  // MARK: - The thread

  private enum Step {
    case stop
    /// The time to wait until has changed.
    case wait(Instant)
    case call([@Sendable () -> Void], BankBreaker.Change?)
  }

  private func wake() { state.update { _ in } }

  private func run() {
    var until = Instant.distantFuture
    while true {
      let step = state.wait(until: until) { state in Self.next(&state, until) }
      switch step {
      case .stop: return
      case .wait(let later): until = later
      case .call(let bodies, let change):
        if let change { tell(change) }
        for body in bodies { body() }
      // The pause is over: the next round sees it.
      case nil: until = .distantFuture
      }
    }
  }

  private static func next(_ state: inout State, _ until: Instant) -> Step? {
    if state.isStopped { return .stop }
    let change = state.breaker.advance(to: .now())
    if change != nil || state.breaker.free > 0 && !state.waiting.isEmpty {
      let bodies = state.breaker.free > 0 ? state.waiting : []
      if state.breaker.free > 0 { state.waiting = [] }
      return .call(bodies, change)
    }
    let grows = state.waiting.isEmpty ? nil : state.breaker.growsAt
    let due = state.breaker.opensUntil ?? grows ?? .distantFuture
    return due == until ? nil : .wait(due)
  }
}
