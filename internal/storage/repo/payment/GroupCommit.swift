internal import Database
internal import Errs
internal import Logger
internal import Payments
internal import Runtime
internal import Synchronization

/// Gathers the calls of concurrent callers into one transaction, each with an outcome of its own.
///
/// Nothing waits for company: a lone call is executed at once, and the next batch forms while one is under way. A
/// second connection joins in only when a whole batch is waiting. After a failure that may or may not have committed
/// the batch is run again: both writes of this service answer a repetition with what is stored, so that running them
/// again is how the writer finds out.
final class GroupCommit<Call: Sendable, Outcome: Sendable>: Sendable {
  typealias Execute =
    @Sendable ([Call], Connection) throws(DatabaseError) -> [Result<Outcome, PaymentError>]

  /// One caller, answered exactly once: with its outcome, or when its time is up, whichever comes first.
  private final class Entry: Sendable {
    private struct Progress {
      var continuation: CheckedContinuation<Result<Outcome, PaymentError>, Never>?
      /// A transaction with it is under way.
      var isRunning = false
      /// One with it has ended in a way that is not known; stays so whatever comes after.
      var isUnknown = false
    }
    let call: Call
    /// Answered by then, whatever happens.
    let giveUp: Instant
    private let progress: Mutex<Progress>

    init(_ call: Call, giveUp: Instant, _ continuation: CheckedContinuation<Result<Outcome, PaymentError>, Never>) {
      self.call = call
      self.giveUp = giveUp
      progress = Mutex(Progress(continuation: continuation))
    }

    /// Whether nobody waits for it any more.
    var isAnswered: Bool { progress.withLock { $0.continuation == nil } }

    /// Its transaction begins.
    func begin() { progress.withLock { $0.isRunning = true } }

    /// Its transaction came to nothing, or to what is not known.
    func end(isUnknown: Bool) {
      progress.withLock { progress in
        progress.isRunning = false
        progress.isUnknown = progress.isUnknown || isUnknown
      }
    }

    func answer(_ result: Result<Outcome, PaymentError>) {
      let continuation = progress.withLock { progress in
        defer { progress.continuation = nil }
        return progress.continuation
      }
      continuation?.resume(returning: result)
    }

    /// Answers that it did not happen, or that this is not known.
    func fail(_ code: PaymentError.Code, _ message: String, cause: DatabaseError? = nil) {
      if progress.withLock({ $0.isRunning || $0.isUnknown }) {
        let text = "it is not known whether the change was made; ask again to learn what came of it"
        answer(.failure(PaymentError(.outcomeUnknown, text, cause: cause)))
      } else {
        answer(.failure(PaymentError(code, message + "; nothing was done", cause: cause)))
      }
    }

    func timeOut() { fail(.unavailable, "the database did not answer in time") }
  }

  private struct State {
    var waiting: [Entry] = []
    /// Those in a transaction, by drain.
    var running: [Int: [Entry]] = [:]
    var nextDrain = 0
    var drains = 0
    var isStopped = false
  }

  private let state = Mutex(State())
  private let pool: ConnectionPool
  private let limits: GroupCommitLimits
  private let logger: Logger
  private let execute: Execute
  private let onCommit: @Sendable (_ size: Int) -> Void

  /// - Parameters:
  ///   - execute: runs a batch in one transaction and gives an outcome for each call, in order.
  ///   - onCommit: called on a pool thread after each committed batch, before its callers are answered.
  init(
    pool: ConnectionPool, limits: GroupCommitLimits, logger: Logger, onCommit: @escaping @Sendable (Int) -> Void,
    execute: @escaping Execute
  ) {
    self.pool = pool
    self.limits = limits
    self.logger = logger
    self.onCommit = onCommit
    self.execute = execute
  }

  /// Waits for the call's own outcome; `unavailable` or `outcomeUnknown` when the deadline nears without one.
  func submit(_ call: Call, deadline: Instant) async throws(PaymentError) -> Outcome {
    let giveUp = limits.giveUp(before: deadline, now: .now())
    let result = await withCheckedContinuation { continuation in
      let entry = Entry(call, giveUp: giveUp, continuation)
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

  /// Answers those whose time is up. Called every few milliseconds, so that a stuck database delays no answer.
  func expire(now: Instant) {
    let due = state.withLock { state -> [Entry] in
      let running = state.running.values.joined().filter { $0.giveUp <= now }
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

  private func drainIfUseful() {
    let drain = state.withLock { state -> Int? in
      let isUseful = state.drains == 0 ? !state.waiting.isEmpty : state.waiting.count >= limits.batch
      guard isUseful, state.drains < limits.drains else { return nil }
      state.drains += 1
      state.nextDrain += 1
      return state.nextDrain
    }
    if let drain { pool.submit { [self] result in run(drain, result) } }
  }

  /// Executes batches until none waits.
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
      guard !undecided.isEmpty else { continue }
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
      state.running[drain] = batch
      return batch
    }
  }

  /// Runs a batch to its outcomes, trying again a few times when other transactions are in the way.
  /// - Returns: what could not be decided because the connection was lost.
  private func execute(_ batch: [Entry], on connection: Connection) -> [Entry] {
    var attempt = 0
    while true {
      // A command is never begun after its deadline.
      let now = Instant.now()
      for entry in batch where entry.giveUp <= now { entry.timeOut() }
      let batch = batch.filter { !$0.isAnswered }
      if batch.isEmpty { return [] }
      for entry in batch { entry.begin() }
      do {
        let outcomes = try execute(batch.map(\.call), connection)
        precondition(outcomes.count == batch.count, "\(batch.count) calls, but \(outcomes.count) outcomes")
        onCommit(batch.count)
        for (entry, outcome) in zip(batch, outcomes) { entry.answer(outcome) }
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

  /// One of several calls is the cause of a failure: each is run on its own, so that it fails alone.
  private func isolate(_ batch: [Entry], from error: DatabaseError, on connection: Connection) -> [Entry] {
    guard batch.count > 1 else {
      logger.error("a call failed in the database", ["error": .error(error)])
      if error.isDataError {
        batch[0].fail(.internal, "the database refused the call", cause: error)
      } else {
        batch[0].fail(.unavailable, "the database cannot take the call just now", cause: error)
      }
      return []
    }
    for index in batch.indices {
      let undecided = execute([batch[index]], on: connection)
      if !undecided.isEmpty { return undecided + batch[(index + 1)...] }
    }
    return []
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
  /// How often a batch is tried while other transactions are in its way.
  var attempts = 5
  /// How long a call without a deadline may take.
  var patience = Duration.seconds(10)

  /// When to answer a call in any case: a little before its deadline, so that the answer still arrives.
  func giveUp(before deadline: Instant, now: Instant) -> Instant {
    let latest = min(deadline, now + patience)
    let left = latest - now
    return latest - min(.milliseconds(100), left / 10)
  }
}
