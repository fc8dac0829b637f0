import GroupCommit
import Randomness
import SimulationSupport
import Values

/// One schedule: callers, a pool and a database around the core; everything that happens follows from the seed.
final class GroupCommitSchedule: SimulatedWorld, Schedule {
  let sabotage: Sabotage?
  let conditions: Conditions
  var core: GroupCommitCore
  var database = SimulatedDatabase()

  var calls: [Call] = []
  var unanswered: Set<Int> = []
  /// The number of the call that has a name of the core's, and the names that are free.
  var named: [Int] = []
  var freeNames: [Int] = []

  // The pool: connections that are free, what waits for one, and the drains that have not ended.
  var freeConnections: Int
  var jobs: [Job] = []
  var drains: Set<Int> = []
  var isPoolClosed = false
  var isStopped = false

  var transactions = 0
  /// Transactions that wait for locks, in order.
  var lockQueue: [Transaction] = []
  /// Transactions whose connection was lost and which the server still runs.
  var zombies = 0

  enum Job {
    case drain(Int)
    /// Somebody else's work.
    case other
  }

  static let watchEvery: Int64 = 20_000_000
  static let lockTimeout: Int64 = 1_000_000_000
  static let briefLockTimeout: Int64 = 20_000_000

  init(seed: UInt64, sabotage: Sabotage?, isTraced: Bool) {
    var random = SplitMix64(seed: seed)
    self.sabotage = sabotage
    conditions = Conditions(&random)
    core = GroupCommitCore(limits: conditions.limits)
    freeConnections = conditions.connections
    super.init(seed: seed, isTraced: isTraced)
    self.random = random
  }

  var instant: Instant { Instant(nanoseconds: now) }

  // MARK: - The course of a schedule

  func run() -> String? {
    say("conditions: \(conditions)")
    planWatch()
    planArrivals()
    planFaults()
    advance(until: conditions.length) { false }
    if violation == nil { calmDown() }
    return violation
  }

  @discardableResult
  private func advance(until limit: Int64, when isDone: () -> Bool) -> Bool {
    advance(until: limit, mostSteps: 2_000_000, when: isDone)
  }

  /// Without faults every call is answered, and one that is stuck does not hold up the others.
  private func calmDown() {
    isCalm = true
    database.isBroken = false
    jobs.removeAll { if case .other = $0 { true } else { false } }
    for subject in database.outsiders.sorted() { unlockOutsider(subject) }
    if conditions.stops { return stopAll() }
    let bound = conditions.limits.patience.inNanoseconds + Self.watchEvery
    guard advance(until: now + bound, when: { self.unanswered.isEmpty }) else {
      return violate("progress: \(unanswered.count) calls have no answer")
    }
    let isIdle = advance(until: now + 3_000_000_000) {
      self.zombies == 0 && self.drains.isEmpty && self.freeConnections == self.conditions.connections
    }
    if !isIdle { violate("progress: drains \(drains.sorted()) do not end, \(freeConnections) connections are free") }
    if violation == nil, conditions.limits.drains > 1 { probeStuck() }
  }

  private func stopAll() {
    say("stops")
    isStopped = true
    tell(core.stop())
    plan(after: milliseconds(0...100)) {
      self.isPoolClosed = true
      self.serve()
    }
    guard advance(until: now + 15_000_000_000, when: { self.unanswered.isEmpty && self.drains.isEmpty }) else {
      return violate("stop: \(unanswered.count) calls have no answer, drains \(drains.sorted())")
    }
    if core.submit(0, subject: 0, giveUp: GiveUp(time: .distantFuture, isDeadline: false)) != .stopped {
      violate("stop: a call was admitted afterwards")
    }
  }

  /// A call waits for a row; those on other rows must get their outcomes meanwhile.
  private func probeStuck() {
    let stuck = conditions.subjects
    database.outsiders.insert(stuck)
    let first = submit(subject: stuck, isPoison: false, within: 30_000_000_000)
    advance(until: now + 10_000_000) { false }
    let others = (1...3).compactMap { submit(subject: stuck + $0, isPoison: false, within: 30_000_000_000) }
    let bound = conditions.limits.stuckAfter.inNanoseconds + 2 * Self.watchEvery + 150_000_000
    advance(until: now + bound) { others.allSatisfy { self.calls[$0].answer != nil } }
    if let held = others.first(where: { calls[$0].answer != .outcome($0) }) {
      violate("progress: call \(held) is held up by a stuck one: \(String(describing: calls[held].answer))")
    }
    unlockOutsider(stuck)
    advance(until: now + bound) { first.map { self.calls[$0].answer != nil } ?? true }
    if let first, calls[first].answer != .outcome(first) { violate("progress: the stuck call has no outcome") }
  }

  // MARK: - What happens by itself

  private func planWatch() {
    plan(after: Self.watchEvery) {
      self.watch()
      self.planWatch()
    }
  }

  private func watch() {
    if sabotage != .deafWatch {
      let (failed, newDrain) = core.watch(now: instant)
      tell(failed)
      start(newDrain)
    }
    if let late = unanswered.filter({ calls[$0].giveUp.time <= instant }).min() {
      violate("deadline: call \(late) has no answer")
    }
    if drains.isEmpty, !isFull, let idle = unanswered.filter({ calls[$0].transactionsUnderWay == 0 }).min() {
      violate("progress: call \(idle) waits and there is no drain")
    }
  }

  private func planArrivals() {
    plan(after: random.draw(0...conditions.arrivalEvery * 2)) {
      guard !self.isCalm else { return }
      for _ in 0..<self.random.draw(1...self.conditions.burst) {
        let patience = self.random.pick([50, 300, 1_000, 5_000, 30_000])
        _ = self.submit(
          subject: self.random.draw(0...self.conditions.subjects - 1),
          isPoison: self.random.roll(self.conditions.poison), within: Int64(patience) * 1_000_000)
      }
      self.planArrivals()
    }
  }

  private func planFaults() {
    plan(every: conditions.lockEvery) {
      let subject = self.random.draw(0...self.conditions.subjects - 1)
      self.say("somebody locks \(subject)")
      self.database.outsiders.insert(subject)
      let longest = self.random.pick([50, 1_500, 6_000])
      self.plan(after: self.milliseconds(1...longest)) { self.unlockOutsider(subject) }
    }
    plan(every: conditions.breakEvery) {
      self.say("the tables are broken")
      self.database.isBroken = true
      self.plan(after: self.milliseconds(1...200)) { self.database.isBroken = false }
    }
    plan(every: conditions.outageEvery) {
      let gone = self.freeConnections
      self.say("\(gone) connections are gone")
      self.freeConnections = 0
      self.plan(after: self.milliseconds(1...1_000)) {
        self.freeConnections += gone
        self.serve()
      }
    }
    plan(every: conditions.otherEvery) {
      self.jobs.append(.other)
      self.serve()
    }
  }

  func unlockOutsider(_ subject: Int) {
    guard database.outsiders.remove(subject) != nil else { return }
    wakeLockQueue()
  }
}
