internal import Values

/// The jobs of a pool that wait for a worker, oldest first, and the workers that wait for a job. Pure bookkeeping.
struct PoolQueue<Job: Sendable>: Sendable {
  struct Waiting: Sendable {
    let deadline: Instant
    let job: Job
    /// When it was submitted.
    var since = Instant.now()
  }

  enum Admission: Equatable {
    /// Give it to this worker, which is idle.
    case handTo(worker: Int)
    /// It waits; `true` when its deadline is now the earliest known.
    case queued(isEarliest: Bool)
    case full
    case closed
  }

  private let limit: Int
  private var jobs: [Waiting] = []
  /// Jobs before this index were taken already.
  private var head = 0
  private var idleWorkers: [Int] = []
  private(set) var isClosed = false
  /// When somebody next has to look for expired jobs.
  private(set) var nextExpiry = Instant.distantFuture

  init(limit: Int) { self.limit = limit }

  var waitingCount: Int { jobs.count - head }

  mutating func admit(_ job: Waiting) -> Admission {
    if isClosed { return .closed }
    // The last worker to have become idle goes first: its connection and stack are warm.
    if let worker = idleWorkers.popLast() { return .handTo(worker: worker) }
    guard waitingCount < limit else { return .full }
    jobs.append(job)
    guard job.deadline < nextExpiry else { return .queued(isEarliest: false) }
    nextExpiry = job.deadline
    return .queued(isEarliest: true)
  }

  /// A job that was handed to a worker whose connection is gone: another idle worker takes it, or it waits again,
  /// before all others; the limit does not apply to it.
  mutating func putBack(_ job: Waiting) -> Admission {
    if let worker = idleWorkers.popLast() { return .handTo(worker: worker) }
    if head > 0 {
      head -= 1
      jobs[head] = job
    } else {
      jobs.insert(job, at: 0)
    }
    nextExpiry = min(nextExpiry, job.deadline)
    return .queued(isEarliest: true)
  }

  enum Assignment {
    case job(Waiting)
    /// Nothing to do: the worker is idle from here, and mail will come.
    case idle
    case closed
  }

  /// What a worker that is free does next.
  mutating func next(for worker: Int) -> Assignment {
    guard head < jobs.count else {
      if isClosed { return .closed }
      idleWorkers.append(worker)
      return .idle
    }
    let job = jobs[head]
    head += 1
    compact()
    return .job(job)
  }

  /// The worker no longer waits.
  /// - Returns: false when mail is on its way to it.
  mutating func withdraw(worker: Int) -> Bool {
    guard let index = idleWorkers.firstIndex(of: worker) else { return false }
    idleWorkers.remove(at: index)
    return true
  }

  /// Removes and gives back the jobs whose deadline is not after `now`.
  mutating func expire(now: Instant) -> [Waiting] {
    jobs.removeFirst(head)
    head = 0
    let expired = jobs.filter { $0.deadline <= now }
    if !expired.isEmpty { jobs.removeAll { $0.deadline <= now } }
    nextExpiry = jobs.lazy.map(\.deadline).min() ?? .distantFuture
    return expired
  }

  /// Takes no more jobs. - Returns: the idle workers, which have to be told.
  mutating func close() -> [Int] {
    isClosed = true
    defer { idleWorkers = [] }
    return idleWorkers
  }

  /// Removes and gives back all jobs.
  mutating func removeAll() -> [Waiting] {
    defer {
      jobs = []
      head = 0
    }
    return Array(jobs[head...])
  }

  /// Frees the taken places once they outnumber the others, so that the array does not grow for ever.
  private mutating func compact() {
    if head == jobs.count {
      jobs.removeAll(keepingCapacity: true)
      head = 0
    } else if head > 64 && head * 2 > jobs.count {
      jobs.removeFirst(head)
      head = 0
    }
  }
}
