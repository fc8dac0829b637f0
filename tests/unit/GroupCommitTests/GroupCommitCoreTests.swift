import Testing
import Values

@testable import GroupCommit

/// A core and a clock in milliseconds.
private struct Harness {
  var core: GroupCommitCore
  private(set) var now = Instant(nanoseconds: 1_000_000_000)

  init(_ change: (inout GroupCommitLimits) -> Void = { _ in }) {
    var limits = GroupCommitLimits()
    limits.batch = 4
    limits.queue = 10
    change(&limits)
    core = GroupCommitCore(limits: limits)
  }

  mutating func pass(_ milliseconds: Int) { now = now + .milliseconds(milliseconds) }

  @discardableResult
  mutating func submit(
    _ id: Int, subject: Int64? = nil, within milliseconds: Int = 1_000
  ) -> GroupCommitCore.Admission {
    let giveUp = GiveUp(time: now + .milliseconds(milliseconds), isDeadline: true)
    return core.submit(id, subject: subject ?? Int64(id), giveUp: giveUp)
  }

  mutating func next(_ drain: Int, othersWait: Bool = false) -> GroupCommitCore.Step {
    core.next(of: drain, now: now, othersWait: othersWait).step
  }

  mutating func watch() -> [GroupCommitCore.FailedCall] { core.watch(now: now).failed }
}

private func late(_ id: Int, mayHaveHappened: Bool) -> GroupCommitCore.FailedCall {
  GroupCommitCore.FailedCall(id: id, reason: .timeUp(isDeadline: true), mayHaveHappened: mayHaveHappened)
}

private func refused(_ id: Int, mayHaveHappened: Bool = false) -> GroupCommitCore.FailedCall {
  GroupCommitCore.FailedCall(id: id, reason: .refused, mayHaveHappened: mayHaveHappened)
}

private func run(_ calls: [Int], isRepetition: Bool = false, hasBriefLocks: Bool = false) -> GroupCommitCore.Step {
  .run(calls, isRepetition: isRepetition, hasBriefLocks: hasBriefLocks)
}

@Suite struct GroupCommitCoreTests {
  // MARK: - What may be said

  @Test func aCallThatWaitsHasNotHappened() {
    var world = Harness()
    #expect(world.submit(1, within: 10) == .waits(newDrain: 1))
    #expect(world.submit(2, within: 10) == .waits(newDrain: nil))
    world.pass(10)
    #expect(world.watch() == [late(1, mayHaveHappened: false), late(2, mayHaveHappened: false)])

    world.submit(3, within: 10)
    #expect(world.next(1) == run([3]))
    world.pass(10)
    #expect(world.watch() == [late(3, mayHaveHappened: true)])

    // A transaction that failed for certain has not happened either.
    #expect(world.core.failed(1, .connectionLost, isUnknown: false) == .waitAgain(newDrain: nil))
    world.submit(4, within: 10)
    #expect(world.next(2) == run([4]))
    #expect(world.core.failed(2, .connectionLost, isUnknown: false) == .waitAgain(newDrain: 3))
    world.pass(10)
    #expect(world.watch() == [late(4, mayHaveHappened: false)])
  }

  @Test func whatIsNotKnownStaysUnknown() {
    var world = Harness()
    world.submit(1)
    #expect(world.next(1) == run([1]))
    #expect(world.core.failed(1, .connectionLost, isUnknown: true) == .waitAgain(newDrain: 2))
    #expect(world.next(2) == run([1], isRepetition: true))
    // Another attempt that came to nothing says nothing of the first.
    #expect(world.core.failed(2, .connectionLost, isUnknown: false) == .waitAgain(newDrain: 3))
    #expect(world.next(3) == run([1], isRepetition: true))
    #expect(world.core.failed(3, .someCalls, isUnknown: false) == .refuse([refused(1, mayHaveHappened: true)]))
  }

  @Test func aCallerIsToldOnceAndThenTheCallCannotBegin() {
    var world = Harness()
    world.submit(1, within: 10)
    world.submit(2, within: 100)
    #expect(world.next(1) == run([1, 2]))
    world.pass(10)
    #expect(world.watch() == [late(1, mayHaveHappened: true)])
    #expect(world.watch().isEmpty)
    #expect(world.core.failed(1, .conflict, isUnknown: false) == .runAgain)
    #expect(world.next(1) == run([2]))
    #expect(world.core.committed(1) == [GroupCommitCore.DecidedCall(id: 2, position: 0)])
  }

  @Test func `an outcome that comes after the caller gave up is dropped`() {
    var world = Harness()
    world.submit(1, within: 10)
    world.submit(2)
    #expect(world.next(1) == run([1, 2]))
    world.pass(10)
    #expect(world.watch() == [late(1, mayHaveHappened: true)])
    #expect(world.core.committed(1) == [GroupCommitCore.DecidedCall(id: 2, position: 1)])
  }

  @Test func `a call does not begin when its time is up`() {
    var world = Harness()
    world.submit(1, within: 5)
    world.submit(2)
    world.pass(5)
    let (failed, step) = world.core.next(of: 1, now: world.now)
    #expect(failed == [late(1, mayHaveHappened: false)] && step == run([2]))
  }

  // MARK: - Drains

  @Test func `a second drain starts when a whole batch waits`() {
    var world = Harness()
    #expect(world.submit(0) == .waits(newDrain: 1))
    #expect(world.next(1) == run([0]))
    for id in 1...3 { #expect(world.submit(id) == .waits(newDrain: nil)) }
    #expect(world.submit(4) == .waits(newDrain: 2))
    #expect(world.next(2) == run([1, 2, 3, 4]))
    for id in 5...9 { #expect(world.submit(id) == .waits(newDrain: nil)) }
  }

  @Test func `a second drain starts when the first is stuck`() {
    var world = Harness()
    world.submit(1)
    #expect(world.next(1) == run([1]))
    world.submit(2)
    world.pass(50)
    #expect(world.core.watch(now: world.now).newDrain == nil)
    world.pass(1)
    #expect(world.core.watch(now: world.now).newDrain == 2)
    // It has no connection yet, so it is not known to be stuck.
    world.pass(1_000)
    #expect(world.core.watch(now: world.now).newDrain == nil)
  }

  @Test func `a drain gives its connection to others between batches`() {
    var world = Harness { $0.drains = 1 }
    for id in 1...5 { world.submit(id) }
    #expect(world.next(1) == run([1, 2, 3, 4]))
    #expect(world.core.committed(1).count == 4)
    #expect(world.next(1, othersWait: true) == .yield)
    #expect(world.next(1) == run([5]))
    #expect(world.core.committed(1).count == 1)
    #expect(world.next(1, othersWait: true) == .end)
    #expect(world.submit(6) == .waits(newDrain: 2))
  }

  // MARK: - Limits and the end

  @Test func `a full queue refuses`() {
    var world = Harness()
    for id in 1...10 { world.submit(id) }
    #expect(world.submit(11) == .overloaded)
  }

  @Test func `after the stop nothing new runs and what runs gets its outcome`() {
    var world = Harness()
    for id in 1...5 { world.submit(id) }
    #expect(world.next(1) == run([1, 2, 3, 4]))
    #expect(world.core.stop() == [GroupCommitCore.FailedCall(id: 5, reason: .stopped, mayHaveHappened: false)])
    #expect(world.submit(6) == .stopped)
    #expect(world.core.committed(1).count == 4)
    #expect(world.next(1) == .end)
  }

  @Test func `a closed pool fails everything that waits`() {
    var world = Harness()
    world.submit(1)
    let failed = world.core.noConnection(for: 1)
    #expect(failed == [GroupCommitCore.FailedCall(id: 1, reason: .stopped, mayHaveHappened: false)])
    #expect(world.submit(2) == .stopped)
  }

  @Test func `a full pool ends a drain, and the next call or the watch starts another`() {
    var world = Harness()
    #expect(world.submit(1) == .waits(newDrain: 1))
    world.core.noRoom(for: 1)
    #expect(world.next(1) == .end)
    #expect(world.submit(2) == .waits(newDrain: 2))
    world.core.noRoom(for: 2)
    let (failed, newDrain) = world.core.watch(now: world.now)
    #expect(failed.isEmpty && newDrain == 3)
    #expect(world.next(3) == run([1, 2]))
    #expect(world.core.committed(3).map(\.id) == [1, 2])
    #expect(world.next(3) == .end)
    #expect(world.submit(3) == .waits(newDrain: 4))
  }

  @Test func `a full pool does not hurt the other drain, and calls are told when their time is up`() {
    var world = Harness()
    world.submit(0)
    #expect(world.next(1) == run([0]))
    for id in 1...3 { world.submit(id) }
    #expect(world.submit(4, within: 10) == .waits(newDrain: 2))
    world.core.noRoom(for: 2)
    world.pass(10)
    #expect(world.watch() == [late(4, mayHaveHappened: false)])
    #expect(world.core.committed(1).map(\.id) == [0])
    #expect(world.next(1) == run([1, 2, 3]))
  }

  @Test func `a drain that gave its connection away and finds the pool full loses no call`() {
    var world = Harness { $0.drains = 1 }
    for id in 1...5 { world.submit(id) }
    #expect(world.next(1) == run([1, 2, 3, 4]))
    #expect(world.core.committed(1).count == 4)
    #expect(world.next(1, othersWait: true) == .yield)
    world.core.noRoom(for: 1)
    #expect(world.core.watch(now: world.now).newDrain == 2)
    #expect(world.next(2) == run([5]))
  }

  // MARK: - Failures

  @Test func `a conflict runs the same calls again, five times at most`() {
    var world = Harness()
    world.submit(1)
    for _ in 1...4 {
      #expect(world.next(1) == run([1]))
      #expect(world.core.failed(1, .conflict, isUnknown: false) == .runAgain)
    }
    #expect(world.next(1) == run([1]))
    #expect(world.core.failed(1, .conflict, isUnknown: false) == .refuse([refused(1)]))
  }

  @Test func `a refused batch is taken apart by subject and then by call`() {
    var world = Harness()
    for (id, subject) in [(1, 7), (2, 8), (3, 7), (4, 9)] { world.submit(id, subject: Int64(subject)) }
    #expect(world.next(1) == run([1, 2, 3, 4]))
    #expect(world.core.failed(1, .someCalls, isUnknown: false) == .runAgain)
    #expect(world.next(1) == run([1, 3], hasBriefLocks: true))
    #expect(world.core.failed(1, .someCalls, isUnknown: false) == .runAgain)
    #expect(world.next(1, othersWait: true) == run([1], hasBriefLocks: true))
    #expect(world.core.failed(1, .someCalls, isUnknown: false) == .refuse([refused(1)]))
    for id in [3, 2, 4] {
      #expect(world.next(1) == run([id], hasBriefLocks: true))
      #expect(world.core.committed(1) == [GroupCommitCore.DecidedCall(id: id, position: 0)])
    }
    #expect(world.next(1) == .end)
  }

  @Test func `a locked row fails the calls on its subject together`() {
    var world = Harness()
    for (id, subject) in [(1, 7), (2, 8), (3, 7)] { world.submit(id, subject: Int64(subject)) }
    #expect(world.next(1) == run([1, 2, 3]))
    #expect(world.core.failed(1, .lockTimeout, isUnknown: false) == .runAgain)
    #expect(world.next(1) == run([1, 3], hasBriefLocks: true))
    #expect(world.core.failed(1, .lockTimeout, isUnknown: false) == .refuse([refused(1), refused(3)]))
    #expect(world.next(1) == run([2], hasBriefLocks: true))
  }

  @Test func `a refusal that concerns every call fails the batch at once`() {
    var world = Harness()
    for id in 1...3 { world.submit(id) }
    #expect(world.next(1) == run([1, 2, 3]))
    #expect(world.core.failed(1, .everyCall, isUnknown: false) == .refuse([refused(1), refused(2), refused(3)]))
  }

  @Test func `a call left alone because its neighbour timed out runs once more on its own`() {
    var world = Harness()
    world.submit(1, within: 10)
    world.submit(2)
    #expect(world.next(1) == run([1, 2]))
    world.pass(10)
    #expect(world.watch() == [late(1, mayHaveHappened: true)])
    #expect(world.core.failed(1, .someCalls, isUnknown: false) == .runAgain)
    #expect(world.next(1) == run([2], hasBriefLocks: true))
  }

  @Test func `calls of a lost connection go before those that came later`() {
    var world = Harness()
    for id in 1...2 { world.submit(id) }
    #expect(world.next(1) == run([1, 2]))
    #expect(world.core.failed(1, .someCalls, isUnknown: false) == .runAgain)
    #expect(world.next(1) == run([1], hasBriefLocks: true))
    world.submit(3)
    #expect(world.core.failed(1, .connectionLost, isUnknown: false) == .waitAgain(newDrain: 2))
    #expect(world.next(1) == .end)
    #expect(world.next(2) == run([1, 2, 3]))
  }

  // MARK: - Deadlines

  @Test func `an answer comes a tenth of the time before the deadline, 100 ms at most`() {
    let limits = GroupCommitLimits()
    let now = Instant(nanoseconds: 0)
    let short = limits.giveUp(before: now + .milliseconds(500), now: now)
    #expect(short == GiveUp(time: now + .milliseconds(450), isDeadline: true))
    let long = limits.giveUp(before: now + .seconds(5), now: now)
    #expect(long == GiveUp(time: now + .milliseconds(4_900), isDeadline: true))
    let none = limits.giveUp(before: .distantFuture, now: now)
    #expect(none == GiveUp(time: now + .milliseconds(9_900), isDeadline: false))
  }
}
