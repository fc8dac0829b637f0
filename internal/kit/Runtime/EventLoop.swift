internal import CLinux
internal import Glibc
internal import Synchronization
public import Values

/// One thread with one epoll: sockets, timers, work handed over by other threads, and Swift tasks that prefer it.
///
/// A turn of the loop waits for readiness, serves the ready sources, fires the due timers, runs the work and the task
/// jobs that have come up, and then calls everyone who asked for the end of the turn: that is where a connection
/// writes what the whole turn produced, with one `write`.
///
/// `execute`, `enqueue` and `stop` may be called on any thread, everything else on the loop's own thread only.
public final class EventLoop: TaskExecutor, @unchecked Sendable {
  // @unchecked: what is not a constant, an atomic or behind the mailbox's mutex is touched on the loop's thread only.
  // @exclusivity(unchecked): on that one thread no access is held across a call out, but for the batch being run, which
  // nothing else touches.

  /// Work for the loop that is not a source's or a timer's.
  enum Work {
    case job(UnownedJob)
    case closure(@Sendable () -> Void)
  }
  private struct Mailbox {
    var work: [Work] = []
    var isClosed = false
  }
  private struct SourceSlot {
    var source: (any EventSource)?
    var generation: UInt32 = 0
  }

  /// The thread's name, as `top -H` shows it.
  public let name: String
  /// The time at which this turn began; good for deadlines, and cheaper than asking the clock again.
  public var now: Instant { turnStart }
  // Behind a function: other modules do not see that this needs no exclusivity check.
  @exclusivity(unchecked) private var turnStart = Instant.now()

  private let epoll: Int32
  private let wakeup: Int32
  private static let eventsPerTurn = 256
  private let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: eventsPerTurn)
  private let mailbox = Mutex(Mailbox())
  private let thread = Atomic<UInt>(0)
  private let worker = Mutex<WorkerThread?>(nil)
  @exclusivity(unchecked) private var sources: [SourceSlot] = []
  @exclusivity(unchecked) private var freeSources: [Int32] = []
  @exclusivity(unchecked) private var timers = TimerHeap()
  @exclusivity(unchecked) private var local: [Work] = []
  @exclusivity(unchecked) private var spare: [Work] = []
  @exclusivity(unchecked) private var turnEnd: [any TurnEndTarget] = []
  @exclusivity(unchecked) private var turnEndSpare: [any TurnEndTarget] = []
  @exclusivity(unchecked) private var isStopping = false

  /// Makes the loop; `start` gives it a thread. The machine having no descriptor left at this point is fatal.
  public init(name: String) {
    self.name = name
    epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
    wakeup = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    precondition(epoll >= 0 && wakeup >= 0, "no descriptor left for an event loop (errno \(errno)): raise ulimit -n")
    var event = epoll_event()
    event.events = EPOLLIN.rawValue
    event.data.u64 = Self.wakeupMark
    epoll_ctl(epoll, EPOLL_CTL_ADD, wakeup, &event)
  }

  deinit {
    close(epoll)
    close(wakeup)
    events.deallocate()
  }

  private static let wakeupMark = UInt64.max

  // MARK: Any thread

  /// Starts the loop's thread; once.
  public func start() {
    worker.withLock { worker in
      precondition(worker == nil, "an event loop is started once")
      worker = WorkerThread(name: name) { self.run() }
    }
  }

  /// Ends the loop after the turn it is in. Tasks that still prefer it go on in Swift's pool, closures handed over
  /// later are dropped.
  public func stop() {
    execute { self.isStopping = true }
  }

  /// Waits for the loop's thread to return. Not to be called on it.
  public func join() {
    worker.withLock { $0 }?.join()
  }

  /// Whether the caller is on the loop's thread.
  public var isCurrent: Bool { thread.load(ordering: .relaxed) == UInt(pthread_self()) }

  /// Runs `body` on the loop's thread, in this turn or the next.
  public func execute(_ body: @escaping @Sendable () -> Void) {
    if isCurrent { local.append(.closure(body)) } else { _ = post(.closure(body)) }
  }

  /// A task's next piece of work (TaskExecutor).
  public func enqueue(_ job: consuming ExecutorJob) {
    let unowned = UnownedJob(job)
    if isCurrent {
      local.append(.job(unowned))
    } else if !post(.job(unowned)) {
      // The loop has ended: the task must still be able to finish.
      globalConcurrentExecutor.enqueue(ExecutorJob(unowned))
    }
  }

  /// Puts work into the mailbox; the eventfd is written only when the mailbox was empty.
  private func post(_ work: Work) -> Bool {
    let (isOpen, wasEmpty) = mailbox.withLock { mailbox in
      if mailbox.isClosed { return (false, false) }
      mailbox.work.append(work)
      return (true, mailbox.work.count == 1)
    }
    if wasEmpty {
      var one: UInt64 = 1
      _ = write(wakeup, &one, 8)
    }
    return isOpen
  }

  // MARK: The loop's thread

  /// Watches a descriptor; level-triggered. The loop keeps `source` until `remove`.
  public func add(_ source: any EventSource, descriptor: Int32, interest: Readiness) -> EventSourceID {
    let slot: Int32
    if let reused = freeSources.popLast() {
      slot = reused
    } else {
      slot = Int32(sources.count)
      sources.append(SourceSlot())
    }
    sources[Int(slot)].source = source
    let id = EventSourceID(slot: slot, generation: sources[Int(slot)].generation, descriptor: descriptor)
    control(EPOLL_CTL_ADD, id, interest)
    return id
  }

  /// Changes what a source waits for.
  public func update(_ id: EventSourceID, interest: Readiness) {
    control(EPOLL_CTL_MOD, id, interest)
  }

  /// Forgets a source; call it before closing the descriptor.
  public func remove(_ id: EventSourceID) {
    var event = epoll_event()
    epoll_ctl(epoll, EPOLL_CTL_DEL, id.descriptor, &event)
    sources[Int(id.slot)].source = nil
    sources[Int(id.slot)].generation &+= 1
    freeSources.append(id.slot)
  }

  /// Calls `target` once at `deadline`, no earlier, up to a millisecond later on an idle loop.
  public func schedule(
    at deadline: Instant, _ target: any EventLoopTimerTarget, token: UInt64 = 0
  ) -> EventLoopTimer {
    timers.insert(at: deadline, target, token: token)
  }

  /// Cancels a timer; one that has fired already is left alone.
  public func cancel(_ timer: EventLoopTimer) {
    timers.remove(timer)
  }

  /// Calls `target` once at the end of this turn.
  public func atTurnEnd(_ target: any TurnEndTarget) {
    turnEnd.append(target)
  }

  private func control(_ operation: Int32, _ id: EventSourceID, _ interest: Readiness) {
    var event = epoll_event()
    event.events = interest.rawValue
    event.data.u64 = UInt64(id.generation) << 32 | UInt64(UInt32(bitPattern: id.slot))
    epoll_ctl(epoll, operation, id.descriptor, &event)
  }

  private func run() {
    adoptCurrentThread()
    while !isStopping { takeTurn(waiting: timeout()) }
    closeMailbox()
  }

  /// Makes the calling thread the loop's, in place of `start`: for a program that takes the loop's turns itself, one by
  /// one, so that what happens depends on nothing but its input.
  package func adoptCurrentThread() {
    thread.store(UInt(pthread_self()), ordering: .relaxed)
  }

  /// One turn.
  /// - Parameter waiting: how long to wait for something to be ready, milliseconds; 0: not at all, negative: for ever.
  /// - Returns: whether a source was ready or work is left for the next turn.
  @discardableResult
  package func takeTurn(waiting: Int32) -> Bool {
    let count = epoll_wait(epoll, events, Int32(Self.eventsPerTurn), waiting)
    turnStart = .now()
    for index in 0..<max(0, Int(count)) { dispatch(events[index]) }
    while let due = timers.popDue(now) { due.target.timerFired(due.token) }
    runLocal()
    endTurn()
    return count > 0 || !local.isEmpty || !turnEnd.isEmpty
  }

  /// Milliseconds to wait at most, rounded up so that a timer never fires early.
  private func timeout() -> Int32 {
    if !local.isEmpty || !turnEnd.isEmpty { return 0 }
    guard let next = timers.next else { return -1 }
    let remaining = (next - Instant.now()).inNanoseconds
    return remaining <= 0 ? 0 : Int32(clamping: (remaining + 999_999) / 1_000_000)
  }

  private func dispatch(_ event: epoll_event) {
    let mark = event.data.u64
    if mark == Self.wakeupMark { return takeMail() }
    let slot = Int(mark & 0xFFFF_FFFF)
    // A source removed earlier in this turn may still have an event in the batch.
    guard sources[slot].generation == UInt32(mark >> 32), let source = sources[slot].source else { return }
    source.handle(Readiness(rawValue: event.events))
  }

  private func takeMail() {
    var count: UInt64 = 0
    _ = read(wakeup, &count, 8)
    mailbox.withLock { mailbox in
      if local.isEmpty { swap(&local, &mailbox.work) } else { local += mailbox.work }
      mailbox.work.removeAll(keepingCapacity: true)
    }
  }

  /// Runs what is there now; work that this makes waits for a later round, and after three rounds for the next turn,
  /// so that tasks that keep each other busy cannot starve the sockets.
  private func runLocal() {
    var rounds = 0
    while !local.isEmpty, rounds < 3 {
      swap(&local, &spare)
      for work in spare {
        switch work {
        case .job(let job): job.runSynchronously(on: asUnownedTaskExecutor())
        case .closure(let body): body()
        }
      }
      spare.removeAll(keepingCapacity: true)
      rounds += 1
    }
  }

  private func endTurn() {
    guard !turnEnd.isEmpty else { return }
    swap(&turnEnd, &turnEndSpare)
    for target in turnEndSpare { target.turnEnded() }
    turnEndSpare.removeAll(keepingCapacity: true)
  }

  private func closeMailbox() {
    let rest = mailbox.withLock { mailbox in
      mailbox.isClosed = true
      defer { mailbox.work = [] }
      return mailbox.work
    }
    thread.store(0, ordering: .relaxed)
    for work in local + rest {
      if case .job(let job) = work { globalConcurrentExecutor.enqueue(ExecutorJob(job)) }
    }
    local = []
    for slot in sources.indices { sources[slot].source = nil }
    timers = TimerHeap()
  }
}
