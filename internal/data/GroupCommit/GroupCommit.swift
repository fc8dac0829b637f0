internal import Errors
internal import Logger
internal import Postgres
internal import SagaDomain
internal import Synchronization
internal import Values

/// Gathers the calls of concurrent callers into one transaction, each with an outcome of its own.
///
/// Nothing waits for company: a lone call is executed at once, and the next batch forms while one is under way. A
/// second connection joins in only when a whole batch is waiting, or when the first is stuck. After a failure that may
/// or may not have committed the batch is run again: both writes of this service answer a repetition with what is
/// stored, so that running them again is how the writer finds out.
///
/// One call never fails its neighbours. What the database refuses as a batch is tried an order at a time, then a call
/// at a time; a row that somebody holds fails the calls on its order.
final class GroupCommit<Call: Sendable, Outcome: Sendable>: Sendable {
  typealias Execute =
    @Sendable ([Call], TransactionMode, Connection) throws(DatabaseError) -> [Result<Outcome, PaymentError>]

  /// One caller, answered exactly once: with its outcome, or when its time is up, whichever comes first.
  private final class Entry: Sendable {
    private struct State {
      var progress = CallProgress()
      var continuation: CheckedContinuation<Result<Outcome, PaymentError>, Never>?
    }
    let call: Call
    /// Answered by then, whatever happens.
    let giveUp: Instant
    /// Whether that is the caller's own deadline.
    private let isDeadline: Bool
    private let state: Mutex<State>

    init(_ call: Call, _ giveUp: GiveUp, _ continuation: CheckedContinuation<Result<Outcome, PaymentError>, Never>) {
      self.call = call
      self.giveUp = giveUp.time
      isDeadline = giveUp.isDeadline
      state = Mutex(State(continuation: continuation))
    }

    var isUnknown: Bool { state.withLock { $0.progress.isUnknown } }

    func begin() -> Bool { state.withLock { $0.progress.begin() } }

    func end(isUnknown: Bool) { state.withLock { $0.progress.end(isUnknown: isUnknown) } }

    func answer(_ result: Result<Outcome, PaymentError>) { answer { _ in result } }

    /// Answers that it did not happen, or that this is not known.
    func fail(
      _ code: PaymentError.Code, _ message: String, isDeadlinePassed: Bool = false, cause: DatabaseError? = nil
    ) {
      answer { progress in
        guard progress.mayHaveHappened else {
          let text = message + "; nothing was done"
          return .failure(PaymentError(code, text, isDeadlinePassed: isDeadlinePassed, cause: cause))
        }
        let text = "it is not known whether the change was made; ask again to learn what came of it"
        return .failure(PaymentError(.outcomeUnknown, text, isDeadlinePassed: isDeadlinePassed, cause: cause))
      }
    }

    func timeOut() { fail(.unavailable, "the database did not answer in time", isDeadlinePassed: isDeadline) }

    /// What is said and that it is said are one step: a call that is told "nothing was done" can no longer begin.
    private func answer(_ make: (CallProgress) -> Result<Outcome, PaymentError>) {
      let (continuation, result) = state.withLock { state in
        let result = make(state.progress)
        defer { state.continuation = nil }
        return (state.progress.answer() ? state.continuation : nil, result)
      }
      continuation?.resume(returning: result)
    }
  }

  /// A batch that is being executed.
  private struct Running {
    let entries: [Entry]
    let since: Instant
  }

  private struct State {
    var waiting: [Entry] = []
    /// Those being executed, by drain.
    var running: [Int: Running] = [:]
    var nextDrain = 0
    var drains = 0
    var isStopped = false
  }

  private let state = Mutex(State())
  private let pool: ConnectionPool
  private let limits: GroupCommitLimits
  private let logger: Logger
  private let order: @Sendable (Call) -> Int64
  private let execute: Execute
  private let onCommit: @Sendable (_ size: Int) -> Void

  /// - Parameters:
  ///   - order: the order that a call is about.
  ///   - execute: runs a batch in one transaction and gives an outcome for each call, in order.
  ///   - onCommit: called on a pool thread after each committed batch, before its callers are answered.
  init(
    pool: ConnectionPool, limits: GroupCommitLimits, logger: Logger, order: @escaping @Sendable (Call) -> Int64,
    onCommit: @escaping @Sendable (Int) -> Void, execute: @escaping Execute
  ) {
    self.pool = pool
    self.limits = limits
    self.logger = logger
    self.order = order
    self.onCommit = onCommit
    self.execute = execute
  }

  /// Waits for the call's own outcome; `unavailable` or `outcomeUnknown` when the deadline nears without one.
  func submit(_ call: Call, deadline: Instant) async throws(PaymentError) -> Outcome {
    let giveUp = limits.giveUp(before: deadline, now: .now())
    let result = await withCheckedContinuation { continuation in
      let entry = Entry(call, giveUp, continuation)
      let refusal = state.withLock { state -> PaymentError? in
        if state.isStopped { return PaymentError(.unavailable, "the server is shutting down; nothing was done") }
        guard state.waiting.count < limits.queue else {
          return PaymentError(.overloaded, "more than \(limits.queue) calls are waiting; nothing was done")
        }
        state.waiting.append(entry)
        return nil
      }
      if let refusal { entry.answer(.failure(refusal)) } else { drainIfUseful() }
    }
    return try result.get()
  }

  /// Answers those whose time is up, and sees to it that a stuck batch does not hold up the others. Called every few
  /// milliseconds, so that a stuck database delays no answer.
  func watch(now: Instant) {
    expire(now: now)
    let isStuck = state.withLock { state in
      state.running.count == state.drains && state.running.values.allSatisfy { now - $0.since > limits.stuckAfter }
    }
    drainIfUseful(isStuck: isStuck)
  }

  private func expire(now: Instant) {
    let due = state.withLock { state -> [Entry] in
      let running = state.running.values.flatMap(\.entries).filter { $0.giveUp <= now }
      guard state.waiting.contains(where: { $0.giveUp <= now }) else { return running }
      let waiting = state.waiting.filter { $0.giveUp <= now }
      state.waiting.removeAll { $0.giveUp <= now }
      return running + waiting
    }
    for entry in due { entry.timeOut() }
  }

  /// Refuses new calls from here on and answers those that wait.
  func stop() {
    let waiting = state.withLock { state -> [Entry] in
      state.isStopped = true
      defer { state.waiting = [] }
      return state.waiting
    }
    for entry in waiting { entry.fail(.unavailable, "the server is shutting down") }
  }

  // MARK: - On the pool's threads

  /// - Parameter isStuck: the drains there are do not get on.
  private func drainIfUseful(isStuck: Bool = false) {
    let drain = state.withLock { state -> Int? in
      let enough = state.drains == 0 || isStuck ? 1 : limits.batch
      let isUseful = state.waiting.count >= enough
      guard isUseful, state.drains < limits.drains else { return nil }
      state.drains += 1
      state.nextDrain += 1
      return state.nextDrain
    }
    if let drain { pool.submit { [self] result in run(drain, result) } }
  }

  /// Executes batches until none waits, letting others have the connection in between.
  private func run(_ drain: Int, _ result: Result<Connection, DatabaseError>) {
    guard case .success(let connection) = result else {
      // The pool gives up only when it is shut down.
      state.withLock { $0.drains -= 1 }
      stop()
      return
    }
    while let batch = nextBatch(of: drain) {
      let undecided = execute(batch, on: connection)
      state.withLock { $0.running[drain] = nil }
      if undecided.isEmpty {
        guard pool.hasWaitingJobs else { continue }
        // The other kind of write may be among them: however busy this one is, it must get its turn.
        pool.submit { [self] result in run(drain, result) }
        return
      }
      // The connection is gone: another one goes on with what was not decided.
      state.withLock { state in
        state.waiting.insert(contentsOf: undecided, at: 0)
        state.drains -= 1
      }
      drainIfUseful()
      return
    }
  }

  /// The next calls to execute; nil ends the drain.
  private func nextBatch(of drain: Int) -> [Entry]? {
    state.withLock { state in
      let batch = Array(state.waiting.prefix(limits.batch))
      guard !batch.isEmpty else {
        state.drains -= 1
        return nil
      }
      state.waiting.removeFirst(batch.count)
      state.running[drain] = Running(entries: batch, since: .now())
      return batch
    }
  }

  /// Runs a batch to its outcomes, trying again a few times when other transactions are in the way.
  /// - Returns: what could not be decided because the connection was lost.
  private func execute(_ batch: [Entry], hasBriefLocks: Bool = false, on connection: Connection) -> [Entry] {
    var attempt = 0
    while true {
      // A command is never begun after its deadline, nor after its caller was told so.
      let now = Instant.now()
      for entry in batch where entry.giveUp <= now { entry.timeOut() }
      let batch = batch.filter { $0.begin() }
      if batch.isEmpty { return [] }
      let mode = TransactionMode(isRepetition: batch.contains(where: \.isUnknown), hasBriefLocks: hasBriefLocks)
      do {
        let outcomes = try execute(batch.map(\.call), mode, connection)
        precondition(outcomes.count == batch.count, "\(batch.count) calls, but \(outcomes.count) outcomes")
        onCommit(batch.count)
        for (entry, outcome) in zip(batch, outcomes) {
          if case .failure(let error) = outcome, error.code == .internal {
            logger.error("a call failed on what is stored", ["reason": .string(error.message)])
          }
          entry.answer(outcome)
        }
        return []
      } catch {
        for entry in batch { entry.end(isUnknown: error.code == .outcomeUnknown) }
        guard connection.isUsable else {
          logger.warning("lost the database in a transaction; it is run again", ["calls": .number(batch.count)])
          return batch
        }
        attempt += 1
        if attempt < limits.attempts, error.isSerializationFailure || error.isDeadlock { continue }
        return isolate(batch, from: error, on: connection)
      }
    }
  }

  /// Some of these calls are the cause of a failure: those of each order are run on their own, then each call, so that
  /// only the guilty fail. What was locked has been waited for by then, so that many of them do not add up.
  private func isolate(_ batch: [Entry], from error: DatabaseError, on connection: Connection) -> [Entry] {
    let orders = Dictionary(grouping: batch) { order($0.call) }
    guard batch.count > 1, orders.count > 1 || !error.isLockTimeout, !WriteFault.isOfTables(error) else {
      logger.error("calls failed in the database", ["calls": .number(batch.count), "error": .error(error)])
      for entry in batch { fail(entry, error) }
      return []
    }
    var rest = (orders.count > 1 ? Array(orders.values) : batch.map { [$0] })[...]
    while let part = rest.popFirst() {
      let undecided = execute(part, hasBriefLocks: true, on: connection)
      if !undecided.isEmpty { return undecided + rest.joined() }
    }
    return []
  }

  private func fail(_ entry: Entry, _ error: DatabaseError) {
    if WriteFault.isOfValues(error) {
      entry.fail(.internal, "the database refused the call", cause: error)
    } else {
      entry.fail(.unavailable, "the database cannot take the call just now", cause: error)
    }
  }
}

/// The bounds of a group commit.
struct GroupCommitLimits: Sendable {
  /// Most calls in one transaction.
  var batch = 256
  /// Most calls waiting; beyond it new ones are refused at once.
  var queue = 16_384
  /// Most connections used at a time.
  var drains = 2
  /// How long a batch may take before another connection goes on with what waits behind it.
  var stuckAfter = Duration.milliseconds(50)
  /// How often a batch is tried while other transactions are in its way.
  var attempts = 5
  /// How long a call without a deadline may take.
  var patience = Duration.seconds(10)

  /// When to answer a call in any case: a little before its deadline, so that the answer still arrives.
  func giveUp(before deadline: Instant, now: Instant) -> GiveUp {
    let latest = min(deadline, now + patience)
    let left = latest - now
    return GiveUp(time: latest - min(.milliseconds(100), left / 10), isDeadline: deadline <= latest)
  }
}

/// When a call is answered in any case.
struct GiveUp: Sendable {
  let time: Instant
  /// Whether the caller said so, not our own patience.
  let isDeadline: Bool
}
