internal import Errors
public import Logger
public import Metrics
public import Postgres
internal import Synchronization
public import Values

/// Gathers the calls of concurrent callers into one transaction, each call with an outcome of its own.
///
/// Nothing waits for company: a lone call runs at once, and the next batch forms while one is running. A batch with an
/// unknown outcome runs again, and so learns what happened. One call never fails its neighbours: a batch that the
/// database refuses is taken apart. `GroupCommitCore` decides all that; here are the connections, the transactions and
/// the callers. Callable on any thread.
public final class GroupCommit<Transaction: BatchTransaction>: Sendable {
  /// What a caller gets.
  public typealias Answer = Result<Transaction.Outcome, Transaction.Failure>

  /// Whoever waits for an answer. In a table they are objects without a type: see `CallerTable`.
  private final class Caller: Sendable {
    let call: Transaction.Call
    let continuation: CheckedContinuation<Answer, Never>

    init(_ call: Transaction.Call, _ continuation: CheckedContinuation<Answer, Never>) {
      self.call = call
      self.continuation = continuation
    }
  }

  /// A caller who gets no outcome.
  private struct Failed {
    let caller: Caller
    let failure: GroupCommitFailure
  }

  private struct State {
    var core: GroupCommitCore
    var callers = CallerTable()
  }

  /// What a drain carries out.
  private enum Step {
    case run(Batch)
    case yield
    case end
  }

  private struct Batch {
    let callers: [CallerTable.Element]
    let mode: TransactionMode
  }

  private let state: Mutex<State>
  private let transaction: Transaction
  private let pool: ConnectionPool
  private let limits: GroupCommitLimits
  private let failures: Counter
  private let logger: Logger

  /// A group commit over the pool's connections; `pool` should have at least `limits.drains` of them.
  /// - Parameter kind: the label `kind` of its metrics; unique within a process.
  public init(
    _ transaction: Transaction, kind: String, pool: ConnectionPool, limits: GroupCommitLimits = GroupCommitLimits(),
    logger: Logger, metrics: MetricsRegistry
  ) {
    failures = metrics.counter(
      "batch_failures_total", help: "Transactions of batched calls that the database failed; most run again.",
      labels: ["kind": kind])
    self.transaction = transaction
    self.pool = pool
    self.limits = limits
    self.logger = logger
    state = Mutex(State(core: GroupCommitCore(limits: limits)))
  }

  /// Waits for the call's own outcome.
  /// - Parameter deadline: until when the caller waits; the answer comes a little earlier.
  /// - Throws: what the transaction gives for the call, or makes of a `GroupCommitFailure`.
  public func submit(
    _ call: Transaction.Call, deadline: Instant
  ) async throws(Transaction.Failure) -> Transaction.Outcome {
    let giveUp = limits.giveUp(before: deadline, now: .now())
    let subject = transaction.subject(of: call)
    let answer = await withCheckedContinuation { (continuation: CheckedContinuation<Answer, Never>) in
      let caller = Caller(call, continuation)
      let admission = state.withLock { state in
        let id = state.callers.add(caller)
        let admission = state.core.submit(id, subject: subject, giveUp: giveUp)
        if case .waits = admission { return admission }
        _ = state.callers.remove(id)
        return admission
      }
      switch admission {
      case .waits(let drain): start(drain)
      case .overloaded: refuse(caller, .overloaded(queue: limits.queue))
      case .stopped: refuse(caller, .stopped)
      }
    }
    return try answer.get()
  }

  /// Answers the calls whose time is up, and serves the others when a batch is stuck or the pool had no room. To be
  /// called every few milliseconds, so that a stuck database delays no answer.
  public func watch(now: Instant) {
    let (failed, newDrain) = state.withLock { state in
      let (failed, newDrain) = state.core.watch(now: now)
      return (remove(failed, from: &state), newDrain)
    }
    fail(failed)
    start(newDrain)
  }

  /// Refuses new calls from here on and answers those that wait; those in a running transaction get its outcome.
  public func stop() { fail(state.withLock { remove($0.core.stop(), from: &$0) }) }

  private func start(_ drain: GroupCommitCore.DrainID?) {
    if let drain { pool.submit { [self] result in run(drain, result) } }
  }

  // MARK: - On the pool's threads

  private func run(_ drain: GroupCommitCore.DrainID, _ result: Result<Connection, DatabaseError>) {
    switch result {
    case .success(let connection): run(drain, on: connection)
    case .failure(let error) where error.code == .overloaded: state.withLock { $0.core.noRoom(for: drain) }
    // The pool is shut down: nothing else fails a job without a deadline.
    case .failure: fail(state.withLock { remove($0.core.noConnection(for: drain), from: &$0) })
    }
  }

  private func run(_ drain: GroupCommitCore.DrainID, on connection: Connection) {
    var step = next(of: drain, othersWait: false)
    while case .run(let batch) = step {
      execute(batch, of: drain, on: connection)
      step = next(of: drain, othersWait: pool.hasWaitingJobs)
    }
    if case .yield = step { start(drain) }
  }

  private func next(of drain: GroupCommitCore.DrainID, othersWait: Bool) -> Step {
    let (failed, step) = state.withLock { state -> ([Failed], Step) in
      let (failed, step) = state.core.next(of: drain, now: .now(), othersWait: othersWait)
      let gone = remove(failed, from: &state)
      switch step {
      case .run(let calls, let isRepetition, let hasBriefLocks):
        let mode = TransactionMode(isRepetition: isRepetition, hasBriefLocks: hasBriefLocks)
        return (gone, .run(Batch(callers: state.callers[calls], mode: mode)))
      case .yield: return (gone, .yield)
      case .end: return (gone, .end)
      }
    }
    fail(failed)
    return step
  }

  private func execute(_ batch: Batch, of drain: GroupCommitCore.DrainID, on connection: Connection) {
    do {
      let calls = batch.callers.map { caller($0).call }
      let answers = try transaction.execute(calls, mode: batch.mode, on: connection)
      precondition(answers.count == batch.callers.count, "\(batch.callers.count) calls, but \(answers.count) answers")
      let decided = state.withLock { state in
        let decided = state.core.committed(drain)
        state.callers.remove(decided)
        return decided
      }
      transaction.committed(calls, answers)
      for call in decided {
        caller(batch.callers[call.position]).continuation.resume(returning: answers[call.position])
      }
    } catch {
      failed(batch, of: drain, error, isConnectionLost: !connection.isUsable)
    }
  }

  private func failed(
    _ batch: Batch, of drain: GroupCommitCore.DrainID, _ error: DatabaseError, isConnectionLost: Bool
  ) {
    failures.add()
    let fault = isConnectionLost ? .connectionLost : fault(error)
    let (aftermath, refused) = state.withLock { state in
      let aftermath = state.core.failed(drain, fault, isUnknown: error.code == .outcomeUnknown)
      guard case .refuse(let calls) = aftermath else { return (aftermath, [Failed]()) }
      return (aftermath, remove(calls, error, from: &state))
    }
    switch aftermath {
    case .waitAgain(let newDrain):
      logger.warning(
        "lost the database in a transaction; it is run again", ["calls": .number(batch.callers.count)])
      start(newDrain)
    case .runAgain: break
    case .refuse:
      logger.error(
        "calls failed in the database", ["calls": .number(batch.callers.count), "error": .error(error)])
      fail(refused)
    }
  }

  private func fault(_ error: DatabaseError) -> GroupCommitCore.Fault {
    if error.isSerializationFailure || error.isDeadlock { return .conflict }
    if error.isLockTimeout { return .lockTimeout }
    return transaction.concernsEveryCall(error) ? .everyCall : .someCalls
  }

  /// An element of our table.
  private func caller(_ element: CallerTable.Element) -> Caller { unsafeDowncast(element, to: Caller.self) }

  /// - Parameter error: why the database refused the calls, when it did.
  private func remove(
    _ calls: [GroupCommitCore.FailedCall], _ error: DatabaseError? = nil, from state: inout State
  ) -> [Failed] {
    if calls.isEmpty { return [] }
    return calls.map { call in
      let failure = GroupCommitFailure(Self.reason(call.reason, error), mayHaveHappened: call.mayHaveHappened)
      return Failed(caller: caller(state.callers.remove(call.id)), failure: failure)
    }
  }

  private static func reason(_ reason: GroupCommitCore.Reason, _ error: DatabaseError?) -> GroupCommitFailure.Reason {
    switch reason {
    case .stopped: return .stopped
    case .timeUp(let isDeadline): return .timeUp(isDeadline: isDeadline)
    case .refused:
      guard let error else { preconditionFailure("a refusal without the database's error") }
      return .refused(error)
    }
  }

  private func refuse(_ caller: Caller, _ reason: GroupCommitFailure.Reason) {
    fail([Failed(caller: caller, failure: GroupCommitFailure(reason, mayHaveHappened: false))])
  }

  private func fail(_ failed: [Failed]) {
    for call in failed {
      call.caller.continuation.resume(returning: .failure(transaction.failure(call.failure)))
    }
  }
}
