package import Values

/// Decides what becomes of the calls of a group commit: which wait, which run, on how many connections, what runs again
/// after a failure, and what a caller may be told when its time is up.
///
/// Pure: an event goes in, actions come out, and time is an argument. `GroupCommit` carries out the actions and lets
/// only one thread at a time change the value.
///
/// - Each call is answered once. After its answer a call does not run any more, so "nothing was done" stays true.
/// - A call does not start to run when its time is up.
/// - A drain is a connection that runs batches until no call waits. A second drain starts when a whole batch waits, or
///   when the first is stuck.
/// - A batch of which only some calls are to blame is taken apart: the calls of each subject run on their own, then
///   each call; after a lock timeout not below a subject. After a conflict the batch first runs again whole. What every
///   call would meet refuses the whole batch. `GroupCommit.fault` says which error is which.
package struct GroupCommitCore: Sendable {
  /// The name of a call until it is answered; from then on another call may have the name.
  package typealias CallID = Int
  /// The name of a drain; given once.
  package typealias DrainID = Int

  fileprivate struct Entry {
    let id: CallID
    let subject: Int64
    let giveUp: GiveUp
    /// A transaction with the call has an unknown outcome. A later attempt that certainly failed does not change that.
    var isUnknown = false
    /// Its caller has been answered, so it must not run again.
    var isAnswered = false

    func isDue(_ now: Instant) -> Bool { giveUp.time <= now && !isAnswered }
  }

  /// Calls that run in one transaction.
  private struct Part {
    var entries: [Entry]
    var attempt = 1
    var hasBriefLocks = false
  }

  private struct Drain {
    let id: DrainID
    /// The transaction under way. None while the drain waits for a connection.
    var running: Part?
    /// The other parts of a batch that was taken apart, the next one last.
    var rest: [Part] = []
    /// When its batch began.
    var since = Instant.distantFuture
  }

  private let limits: GroupCommitLimits
  private var waiting: ArraySlice<Entry> = []
  private var drains: [Drain] = []
  private var lastDrain: DrainID = 0
  private var isStopped = false

  /// A group commit without calls.
  package init(limits: GroupCommitLimits) { self.limits = limits }

  // MARK: - What callers hear

  /// A call that gets no outcome.
  package struct FailedCall: Sendable, Hashable {
    /// Its name, which is free from now on.
    package let id: CallID
    /// Why.
    package let reason: Reason
    /// Whether it may have been committed, or may yet be.
    package let mayHaveHappened: Bool
  }

  /// Why a call gets no outcome.
  package enum Reason: Sendable, Hashable {
    case stopped
    case timeUp(isDeadline: Bool)
    case refused
  }

  /// A call that gets the outcome which the transaction gave at `position`.
  package struct DecidedCall: Sendable, Hashable {
    /// Its name, which is free from now on.
    package let id: CallID
    /// Its place among the transaction's calls.
    package let position: Int
  }

  // MARK: - Callers

  /// What becomes of a new call.
  package enum Admission: Sendable, Hashable {
    case overloaded
    case stopped
    /// It waits; when there is a new drain, get a connection for it.
    case waits(newDrain: DrainID?)
  }

  /// A caller submits a call.
  package mutating func submit(_ id: CallID, subject: Int64, giveUp: GiveUp) -> Admission {
    if isStopped { return .stopped }
    guard waiting.count < limits.queue else { return .overloaded }
    waiting.append(Entry(id: id, subject: subject, giveUp: giveUp))
    return .waits(newDrain: newDrain())
  }

  /// Time has passed; to be called every few milliseconds, so that a stuck database delays no answer.
  /// - Returns: the calls whose time is up, and a new drain when the others are stuck.
  package mutating func watch(now: Instant) -> (failed: [FailedCall], newDrain: DrainID?) {
    let isStuck = drains.allSatisfy { $0.running != nil && now - $0.since > limits.stuckAfter }
    return (expire(now: now), newDrain(isStuck: isStuck))
  }

  /// The program stops: new calls are refused from here on, and those that wait fail. Running transactions go on.
  package mutating func stop() -> [FailedCall] {
    isStopped = true
    defer { waiting = [] }
    return waiting.map { FailedCall(id: $0.id, reason: .stopped, mayHaveHappened: $0.isUnknown) }
  }

  private mutating func expire(now: Instant) -> [FailedCall] {
    var failed: [FailedCall] = []
    for drain in drains.indices {
      drains[drain].running?.entries.failDue(now, isRunning: true, into: &failed)
      for part in drains[drain].rest.indices {
        drains[drain].rest[part].entries.failDue(now, isRunning: false, into: &failed)
      }
    }
    waiting.failDue(now, isRunning: false, into: &failed)
    if waiting.contains(where: \.isAnswered) { waiting.removeAll(where: \.isAnswered) }
    return failed
  }

  /// - Parameter isStuck: whether none of the present drains makes progress.
  private mutating func newDrain(isStuck: Bool = false) -> DrainID? {
    let enough = drains.isEmpty || isStuck ? 1 : limits.batch
    guard waiting.count >= enough, drains.count < limits.drains else { return nil }
    lastDrain += 1
    drains.append(Drain(id: lastDrain))
    return lastDrain
  }

  // MARK: - Drains

  /// A drain gets no connection, as the pool was closed: nothing will run any more.
  package mutating func noConnection(for id: DrainID) -> [FailedCall] {
    drains.removeAll { $0.id == id }
    return stop()
  }

  /// A drain gets no connection, as too many jobs wait for one: it is over. Its calls go on waiting; the next call or
  /// `watch` starts another drain.
  package mutating func noRoom(for id: DrainID) { drains.removeAll { $0.id == id } }

  /// What a drain with a connection does next.
  package enum Step: Sendable, Hashable {
    /// Run these calls in one transaction, then report `committed` or `failed`.
    case run([CallID], isRepetition: Bool, hasBriefLocks: Bool)
    /// Give the connection to others and ask again with the next one.
    case yield
    /// The drain is over.
    case end
  }

  /// A drain with a connection asks what to do.
  /// - Parameter othersWait: whether others want the connection, after this drain had it for a batch.
  /// - Returns: calls whose time is up, and what to do.
  package mutating func next(
    of id: DrainID, now: Instant, othersWait: Bool = false
  ) -> (failed: [FailedCall], step: Step) {
    guard let drain = drains.firstIndex(where: { $0.id == id }) else { return ([], .end) }
    var failed: [FailedCall] = []
    while let part = nextPart(of: drain, now, othersWait) {
      if let step = begin(part, in: drain, now, &failed) { return (failed, step) }
    }
    if waiting.isEmpty {
      drains.remove(at: drain)
      return (failed, .end)
    }
    return (failed, .yield)
  }

  /// The rest of the batch, or else a new batch unless others want the connection.
  private mutating func nextPart(of drain: Int, _ now: Instant, _ othersWait: Bool) -> Part? {
    if let part = drains[drain].rest.popLast() { return part }
    drains[drain].since = now
    guard !othersWait, !waiting.isEmpty else { return nil }
    let batch = waiting.prefix(limits.batch)
    waiting.removeFirst(batch.count)
    return Part(entries: Array(batch))
  }

  /// Runs a part, less the calls that must not run any more.
  private mutating func begin(
    _ part: Part, in drain: Int, _ now: Instant, _ failed: inout [FailedCall]
  ) -> Step? {
    var part = part
    part.entries.failDue(now, isRunning: false, into: &failed)
    if part.entries.contains(where: \.isAnswered) { part.entries.removeAll(where: \.isAnswered) }
    guard !part.entries.isEmpty else { return nil }
    drains[drain].running = part
    return .run(
      part.entries.map(\.id), isRepetition: part.entries.contains(where: \.isUnknown),
      hasBriefLocks: part.hasBriefLocks)
  }

  /// A drain's transaction has committed, with an outcome for each call.
  /// - Returns: the callers to tell theirs.
  package mutating func committed(_ id: DrainID) -> [DecidedCall] {
    let entries = takeRunning(id).part.entries
    var decided: [DecidedCall] = []
    decided.reserveCapacity(entries.count)
    for (position, entry) in entries.enumerated() where !entry.isAnswered {
      decided.append(DecidedCall(id: entry.id, position: position))
    }
    return decided
  }

  /// Why a transaction failed, as far as it decides what happens next.
  package enum Fault: Sendable, Hashable {
    /// The connection is gone.
    case connectionLost
    /// It lost against a concurrent transaction.
    case conflict
    /// It waited too long for a lock: the calls on one subject are the cause.
    case lockTimeout
    /// The database would refuse every other call as well.
    case everyCall
    /// Some of its calls are the cause.
    case someCalls
  }

  /// What happens after a failed transaction.
  package enum Aftermath: Sendable, Hashable {
    /// The drain is over, and the calls wait again; when there is a new drain, get a connection for it.
    case waitAgain(newDrain: DrainID?)
    /// The drain goes on: the same calls run again, or run in smaller parts.
    case runAgain
    /// The drain goes on; the calls fail.
    case refuse([FailedCall])
  }

  /// A drain's transaction has failed.
  /// - Parameter isUnknown: whether it may have committed all the same, or may yet.
  package mutating func failed(_ id: DrainID, _ fault: Fault, isUnknown: Bool) -> Aftermath {
    var (drain, part) = takeRunning(id)
    if isUnknown { for entry in part.entries.indices { part.entries[entry].isUnknown = true } }
    if fault == .connectionLost {
      let undecided = (part.entries + drains[drain].rest.reversed().flatMap(\.entries)).filter { !$0.isAnswered }
      drains.remove(at: drain)
      waiting = undecided + waiting
      return .waitAgain(newDrain: newDrain())
    }
    if fault == .conflict, part.attempt < limits.attempts {
      part.attempt += 1
      drains[drain].rest.append(part)
      return .runAgain
    }
    guard let parts = takeApart(part.entries, fault) else {
      return .refuse(
        part.entries.filter { !$0.isAnswered }.map {
          FailedCall(id: $0.id, reason: .refused, mayHaveHappened: $0.isUnknown)
        })
    }
    drains[drain].rest += parts.reversed()
    return .runAgain
  }

  /// The parts of a refused part: by subject, or single calls when they have one subject; nil when smaller parts would
  /// be refused for the same reason. Their locks were waited for, so they do not wait long again: many of them do not
  /// add up.
  private func takeApart(_ entries: [Entry], _ fault: Fault) -> [Part]? {
    guard entries.count > 1, fault != .everyCall else { return nil }
    var places: [Int64: Int] = [:]
    var parts: [Part] = []
    for entry in entries {
      if let place = places[entry.subject] {
        parts[place].entries.append(entry)
      } else {
        places[entry.subject] = parts.count
        parts.append(Part(entries: [entry], hasBriefLocks: true))
      }
    }
    if parts.count > 1 { return parts }
    return fault == .lockTimeout ? nil : entries.map { Part(entries: [$0], hasBriefLocks: true) }
  }

  private mutating func takeRunning(_ id: DrainID) -> (drain: Int, part: Part) {
    guard let drain = drains.firstIndex(where: { $0.id == id }), let part = drains[drain].running else {
      preconditionFailure("drain \(id) runs no transaction")
    }
    drains[drain].running = nil
    return (drain, part)
  }
}

extension MutableCollection where Element == GroupCommitCore.Entry {
  /// Answers the calls whose time is up.
  fileprivate mutating func failDue(
    _ now: Instant, isRunning: Bool, into failed: inout [GroupCommitCore.FailedCall]
  ) {
    // Writing is what copies; most of the time nothing is due.
    guard contains(where: { $0.isDue(now) }) else { return }
    for index in indices where self[index].isDue(now) {
      self[index].isAnswered = true
      failed.append(
        GroupCommitCore.FailedCall(
          id: self[index].id, reason: .timeUp(isDeadline: self[index].giveUp.isDeadline),
          mayHaveHappened: isRunning || self[index].isUnknown))
    }
  }
}
