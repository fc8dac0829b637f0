import Kafka
import Runtime
import Synchronization
import Testing
import Values

@testable import Inbox

@Suite struct LaneAssignmentTests {
  private func places(_ numbers: Int32...) -> [TopicPartition] { numbers.map { TopicPartition("inventory", $0) } }

  @Test func partitionsGoToTheLaneWithTheFewest() {
    var assignment = LaneAssignment(lanes: 2)
    // What a group of two gives its first member: lanes chosen by the partition's number would put all into one.
    #expect(assignment.take(places(0, 2, 4)).map(\.lane) == [0, 1, 0])
    assignment.giveUp(places(0, 4))
    #expect(assignment.take(places(6, 8)).map(\.lane) == [0, 0])
    #expect(Set(assignment.places) == Set(places(2, 6, 8)))
  }

  @Test func aPartitionThatCameBackIsAnotherAssignment() {
    var assignment = LaneAssignment(lanes: 1)
    let place = TopicPartition("inventory", 0)
    _ = assignment.take([place])
    let first = assignment.number(of: place)
    assignment.giveUp([place])
    #expect(assignment.number(of: place) == nil)
    _ = assignment.take([place])
    #expect(assignment.number(of: place) != nil && assignment.number(of: place) != first)
  }

  @Test func `a claim ends with the assignment`() {
    var assignment = LaneAssignment(lanes: 2)
    _ = assignment.take(places(0, 1))
    let claim = assignment.claim(Set(places(0, 1, 2)))
    #expect(assignment.owned(claim) == Set(places(0, 1)), "partition 2 was never ours")
    assignment.giveUp(places(0))
    #expect(assignment.owned(claim) == Set(places(1)))
    _ = assignment.take(places(0))
    #expect(assignment.owned(claim) == Set(places(1)), "partition 0 came back under another number")
  }
}

@Suite struct LaneGateTests {
  private var soon: Instant { .now() + .seconds(10) }

  @Test func nobodyIsInsideWhileItIsClosed() {
    let gate = LaneGate()
    let isInside = Atomic(false)
    let mayLeave = WakeSignal()
    let entered = WakeSignal()
    let worker = WorkerThread(name: "lane") {
      gate.enter()
      isInside.store(true, ordering: .sequentiallyConsistent)
      entered.notify()
      mayLeave.wait(until: .now() + .seconds(10))
      isInside.store(false, ordering: .sequentiallyConsistent)
      gate.leave()
      gate.enter()
      isInside.store(true, ordering: .sequentiallyConsistent)
      gate.leave()
    }
    #expect(entered.wait(until: soon))
    var wasInside = true
    let isQuiet = gate.closed(
      until: soon, hurry: { mayLeave.notify() },
      change: { wasInside = isInside.load(ordering: .sequentiallyConsistent) })
    #expect(isQuiet && !wasInside)
    worker.join()
    let hasEnteredAgain = isInside.load(ordering: .sequentiallyConsistent)
    #expect(hasEnteredAgain)
  }

  @Test func aBatchThatTakesTooLongIsNotWaitedForForEver() {
    let gate = LaneGate()
    gate.enter()
    var hasRun = false
    #expect(!gate.closed(until: .now() + .milliseconds(20), hurry: {}, change: { hasRun = true }))
    #expect(hasRun)
    gate.leave()
    #expect(gate.closed(until: soon, hurry: {}, change: {}))
  }
}
