import Testing
import Values

@testable import Postgres

@Suite("Pool queue")
struct PoolQueueTests {
  typealias Queue = PoolQueue<Int>

  private func waiting(_ job: Int, until deadline: Int64 = .max) -> Queue.Waiting {
    Queue.Waiting(deadline: Instant(nanoseconds: deadline), job: job)
  }

  private func next(_ queue: inout Queue, _ worker: Int) -> String {
    switch queue.next(for: worker) {
    case .job(let waiting): "job \(waiting.job)"
    case .idle: "idle"
    case .closed: "closed"
    }
  }

  @Test func jobsGoToIdleWorkersThenWaitInOrder() {
    var queue = Queue(limit: 2)
    #expect(next(&queue, 0) == "idle")
    #expect(next(&queue, 1) == "idle")
    #expect(queue.admit(waiting(1)) == .handTo(worker: 1))
    #expect(queue.admit(waiting(2)) == .handTo(worker: 0))
    #expect(queue.admit(waiting(3)) == .queued(isEarliest: false))
    #expect(queue.admit(waiting(4)) == .queued(isEarliest: false))
    #expect(queue.admit(waiting(5)) == .full)
    #expect(next(&queue, 1) == "job 3")
    #expect(next(&queue, 0) == "job 4")
    #expect(next(&queue, 0) == "idle")
  }

  @Test func deadlinesAreWatchedEarliestFirst() {
    var queue = Queue(limit: 10)
    #expect(queue.admit(waiting(1, until: 50)) == .queued(isEarliest: true))
    #expect(queue.admit(waiting(2, until: 70)) == .queued(isEarliest: false))
    #expect(queue.admit(waiting(3, until: 20)) == .queued(isEarliest: true))
    #expect(queue.nextExpiry == Instant(nanoseconds: 20))
    #expect(queue.expire(now: Instant(nanoseconds: 19)).isEmpty)
    #expect(queue.expire(now: Instant(nanoseconds: 50)).map(\.job) == [1, 3])
    #expect(queue.nextExpiry == Instant(nanoseconds: 70))
    #expect(next(&queue, 0) == "job 2")
    #expect(queue.expire(now: Instant(nanoseconds: 99)).isEmpty)
    #expect(queue.nextExpiry == .distantFuture)
  }

  @Test func aJobPutBackComesFirst() {
    var queue = Queue(limit: 2)
    _ = queue.admit(waiting(1))
    _ = queue.admit(waiting(2))
    #expect(next(&queue, 0) == "job 1")
    #expect(queue.putBack(waiting(1, until: 5)) == .queued(isEarliest: true))
    #expect(queue.nextExpiry == Instant(nanoseconds: 5))
    #expect(next(&queue, 1) == "job 1")
    #expect(next(&queue, 1) == "job 2")
    #expect(next(&queue, 1) == "idle")
    #expect(queue.putBack(waiting(1)) == .handTo(worker: 1))
  }

  @Test func aDeadWorkerWithdrawsUnlessMailIsOnItsWay() {
    var queue = Queue(limit: 1)
    _ = next(&queue, 0)
    let whileIdle = queue.withdraw(worker: 0)
    #expect(whileIdle)
    _ = next(&queue, 0)
    _ = queue.admit(waiting(1))
    let whenHanded = queue.withdraw(worker: 0)
    #expect(!whenHanded)
  }

  @Test func closingDrains() {
    var queue = Queue(limit: 5)
    _ = queue.admit(waiting(1))
    #expect(queue.close() == [])
    #expect(queue.admit(waiting(2)) == .closed)
    #expect(next(&queue, 0) == "job 1")
    #expect(next(&queue, 0) == "closed")

    var idle = Queue(limit: 5)
    _ = next(&idle, 3)
    #expect(idle.close() == [3])
    #expect(idle.close() == [])
  }

  @Test func placesOfTakenJobsAreReused() {
    var queue = Queue(limit: 200)
    for job in 0..<150 { _ = queue.admit(waiting(job)) }
    for job in 0..<100_000 {
      #expect(next(&queue, 0) == "job \(job)")
      #expect(queue.admit(waiting(job + 150)) == .queued(isEarliest: false))
    }
    #expect(queue.waitingCount == 150)
    #expect(queue.removeAll().map(\.job) == Array(100_000..<100_150))
    #expect(queue.waitingCount == 0)
  }
}
