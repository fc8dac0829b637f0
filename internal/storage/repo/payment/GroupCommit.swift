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

  private struct Entry {
    let call: Call
    /// Answered by then, whatever happens.
    let giveUp: Instant
    let continuation: CheckedContinuation<Result<Outcome, PaymentError>, Never>
    /// It was in a transaction whose fate is not known.
    var isUnknown = false
  }

  private struct State {
    var waiting: [Entry] = []
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
      let refusal = state.withLock { state -> PaymentError? in
        if state.isStopped { return PaymentError(.unavailable, "the server is shutting down; nothing was done") }
        guard state.waiting.count < limits.queue else {
          return PaymentError(.overloaded, "more than \(limits.queue) calls are waiting; nothing was done")
        }
        state.waiting.append(Entry(call: call, giveUp: giveUp, continuation: continuation))
        return nil
      }
      if let refusal { continuation.resume(returning: .failure(refusal)) } else { drainIfUseful() }
    }
    return try result.get()
  }

  /// Answers those whose time is up. Called every few milliseconds, so that a stuck database delays no answer.
  func expire(now: Instant) {
    let due = state.withLock { state -> [Entry] in
      guard state.waiting.contains(where: { $0.giveUp <= now }) else { return [] }
      let due = state.waiting.filter { $0.giveUp <= now }
      state.waiting.removeAll { $0.giveUp <= now }
      return due
    }
    for entry in due { entry.continuation.resume(returning: .failure(Self.timedOut(entry))) }
  }

  /// Refuses new calls from here on and answers those that wait.
  func stop() {
    let waiting = state.withLock { state -> [Entry] in
      state.isStopped = true
      defer { state.waiting = [] }
      return state.waiting
    }
    for entry in waiting { entry.continuation.resume(returning: .failure(Self.timedOut(entry))) }
  }

  private static func timedOut(_ entry: Entry) -> PaymentError {
    entry.isUnknown
      ? PaymentError(.outcomeUnknown, "the database was lost during the commit; ask again to learn what came of it")
      : PaymentError(.unavailable, "the database did not answer in time; nothing was done")
  }

  // MARK: - On the pool's threads

  private func drainIfUseful() {
    let begins = state.withLock { state in
      let isUseful = state.drains == 0 ? !state.waiting.isEmpty : state.waiting.count >= limits.batch
      guard isUseful, state.drains < limits.drains else { return false }
      state.drains += 1
      return true
    }
    if begins { pool.submit { [self] result in drain(result) } }
  }

  /// Executes batches until none waits.
  private func drain(_ result: Result<Connection, DatabaseError>) {
    guard case .success(let connection) = result else {
      // The pool gives up only when it is shut down.
      state.withLock { $0.drains -= 1 }
      stop()
      return
    }
    while let batch = nextBatch() {
      let rest = run(batch, on: connection)
      guard !rest.isEmpty else { continue }
      // The connection is gone: another one goes on with what was not decided.
      state.withLock { state in
        state.waiting.insert(contentsOf: rest, at: 0)
        state.drains -= 1
      }
      drainIfUseful()
      return
    }
  }

  /// The next calls to execute; nil ends the drain.
  private func nextBatch() -> [Entry]? {
    let now = Instant.now()
    let (batch, late) = state.withLock { state -> ([Entry]?, [Entry]) in
      let taken = state.waiting.prefix(limits.batch)
      guard !taken.isEmpty else {
        state.drains -= 1
        return (nil, [])
      }
      state.waiting.removeFirst(taken.count)
      return (taken.filter { $0.giveUp > now }, taken.filter { $0.giveUp <= now })
    }
    for entry in late { entry.continuation.resume(returning: .failure(Self.timedOut(entry))) }
    return batch
  }

  /// Runs a batch to its outcomes.
  /// - Returns: what could not be decided because the connection was lost.
  private func run(_ batch: [Entry], on connection: Connection) -> [Entry] {
    guard !batch.isEmpty else { return [] }
    let outcomes: [Result<Outcome, PaymentError>]
    do {
      outcomes = try execute(batch.map(\.call), connection)
    } catch {
      return recover(batch, from: error, on: connection)
    }
    precondition(outcomes.count == batch.count, "\(batch.count) calls, but \(outcomes.count) outcomes")
    onCommit(batch.count)
    for (entry, outcome) in zip(batch, outcomes) { entry.continuation.resume(returning: outcome) }
    return []
  }

  private func recover(_ batch: [Entry], from error: DatabaseError, on connection: Connection) -> [Entry] {
    guard connection.isUsable else {
      logger.warning("lost the database in a transaction; it is run again", ["calls": .number(batch.count)])
      let isUnknown = error.code == .outcomeUnknown
      return batch.map { entry in
        var entry = entry
        entry.isUnknown = entry.isUnknown || isUnknown
        return entry
      }
    }
    if error.isSerializationFailure || error.isDeadlock { return retry(batch, on: connection) }
    guard batch.count > 1 else {
      logger.error("a call failed in the database", ["error": .error(error)])
      let failure =
        error.isRetryable
        ? PaymentError(.unavailable, "the database cannot take writes just now; nothing was done", cause: error)
        : PaymentError(.internal, "the database refused the call; nothing was done", cause: error)
      batch[0].continuation.resume(returning: .failure(failure))
      return []
    }
    // One of them is the cause: each on its own, so that it fails alone.
    for index in batch.indices {
      let rest = run([batch[index]], on: connection)
      if !rest.isEmpty { return rest + batch[(index + 1)...] }
    }
    return []
  }

  /// Once more after another transaction was in the way; the one that goes on always makes progress.
  private func retry(_ batch: [Entry], on connection: Connection) -> [Entry] {
    let now = Instant.now()
    for entry in batch where entry.giveUp <= now {
      entry.continuation.resume(returning: .failure(Self.timedOut(entry)))
    }
    return run(batch.filter { $0.giveUp > now }, on: connection)
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
  /// How long a call without a deadline may take.
  var patience = Duration.seconds(10)

  /// When to answer a call in any case: a little before its deadline, so that the answer still arrives.
  func giveUp(before deadline: Instant, now: Instant) -> Instant {
    let latest = min(deadline, now + patience)
    let left = latest - now
    return latest - min(.milliseconds(100), left / 10)
  }
}
