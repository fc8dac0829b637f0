internal import Errors
internal import Logger
internal import Metrics
internal import Runtime
internal import Synchronization
internal import Values

/// What the threads of a pool share.
final class PoolCore: Sendable {
  typealias Queue = PoolQueue<ConnectionPool.Job>

  /// What a worker finds in its mailbox.
  enum Mail {
    case job(Queue.Waiting)
    case closed
  }

  struct State {
    var queue: Queue
    var connected = 0
    var busy = 0
    var lastError: DatabaseError?
  }

  let configuration: DatabaseConfiguration
  let logger: Logger
  let size: Int
  let state: Mutex<State>
  /// One a worker, so that a job wakes nobody but its worker.
  let mailboxes: [Monitor<Mail?>]
  /// Ends waits between attempts to connect, at shutdown.
  let draining = StopFlag()
  /// Ends the expirer.
  let stop = StopFlag()
  let expiryChanged = WakeSignal()
  let reconnects: Counter
  let waits: Histogram
  let jobs: Histogram

  init(
    configuration: DatabaseConfiguration, size: Int, queueLimit: Int, name: String, logger: Logger,
    metrics: MetricsRegistry
  ) {
    self.configuration = configuration
    self.size = size
    self.logger = logger
    state = Mutex(State(queue: Queue(limit: queueLimit)))
    mailboxes = (0..<size).map { _ in Monitor(nil) }
    reconnects = metrics.counter(
      "db_pool_reconnects_total", help: "Connections that were lost and opened again.", labels: ["pool": name])
    waits = metrics.histogram(
      "db_pool_wait_seconds", help: "How long a job waited for a connection.", labels: ["pool": name])
    jobs = metrics.histogram(
      "db_pool_job_seconds", help: "How long a job had its connection: its statements, and what it did between them.",
      labels: ["pool": name])
    registerGauges(metrics, name: name)
  }

  private func registerGauges(_ metrics: MetricsRegistry, name: String) {
    let size = Double(size)
    metrics.gauge("db_pool_size", help: "Connections the pool may have.", labels: ["pool": name]) { size }
    metrics.gauge("db_pool_connected", help: "Connections that live.", labels: ["pool": name]) { [weak self] in
      self.map { Double($0.connectedCount) }
    }
    metrics.gauge("db_pool_busy", help: "Connections that run a job.", labels: ["pool": name]) { [weak self] in
      self.map { core in core.state.withLock { Double($0.busy) } }
    }
    metrics.gauge("db_pool_waiting", help: "Jobs that wait for a connection.", labels: ["pool": name]) { [weak self] in
      self.map { Double($0.waitingCount) }
    }
  }

  var connectedCount: Int { state.withLock { $0.connected } }
  var waitingCount: Int { state.withLock { $0.queue.waitingCount } }

  var stateDescription: String {
    state.withLock { state in
      var text = "\(state.connected) of \(size) connections, \(state.queue.waitingCount) jobs waiting"
      if state.connected == 0, let error = state.lastError { text += ": \(error)" }
      return text
    }
  }

  func submit(_ waiting: Queue.Waiting) {
    dispatch(waiting, state.withLock { $0.queue.admit(waiting) })
  }

  /// Gives a job back that a worker cannot run because its connection is gone.
  func putBack(_ waiting: Queue.Waiting) {
    dispatch(waiting, state.withLock { $0.queue.putBack(waiting) })
  }

  private func dispatch(_ waiting: Queue.Waiting, _ admission: Queue.Admission) {
    switch admission {
    case .handTo(let worker): mailboxes[worker].update { $0 = .job(waiting) }
    case .queued(let isEarliest): if isEarliest { expiryChanged.notify() }
    case .full: waiting.job(.failure(DatabaseError(.overloaded, "too many jobs wait for a database connection")))
    case .closed: waiting.job(.failure(DatabaseError(.closed, "the database pool is shut down")))
    }
  }

  func close() {
    let idle = state.withLock { $0.queue.close() }
    for worker in idle { mailboxes[worker].update { $0 = .closed } }
    draining.stop()
  }

  func failRemaining() {
    for waiting in state.withLock({ $0.queue.removeAll() }) { waiting.job(.failure(unavailable("is shutting down"))) }
  }

  /// The expirer's thread: the one place that ends the wait of jobs, however busy or blocked the workers are.
  func expireUntilStopped() {
    while !stop.isStopped {
      let (expired, next) = state.withLock { state in
        (state.queue.expire(now: Instant.now()), state.queue.nextExpiry)
      }
      for waiting in expired { waiting.job(.failure(unavailable("had no free connection before the deadline"))) }
      expiryChanged.wait(until: next)
    }
  }

  func unavailable(_ reason: String) -> DatabaseError {
    let cause = state.withLock { state in state.connected == 0 ? state.lastError : nil }
    return DatabaseError(.unavailable, "the database pool \(reason)", cause: cause)
  }
}
