import Testing
import Values

@testable import SagaClient

@Suite struct CallQueueTests {
  private func at(_ second: Int64) -> Instant { Instant(nanoseconds: second * 1_000_000_000) }

  @Test func `calls go oldest first, and no more wait than there is room for`() {
    var queue = CallQueue<Int>(limit: 2)
    #expect(queue.admit(1, until: at(10)) == true)
    #expect(queue.admit(2, until: at(5)) == true)
    #expect(queue.admit(3, until: at(20)) == false)
    #expect(queue.nextExpiry == at(5))
    #expect(queue.next() == 1)
    #expect(queue.next() == 2)
    #expect(queue.next() == nil)
    #expect(queue.nextExpiry == .distantFuture)
  }

  @Test func `a call whose time is up is given back once`() {
    var queue = CallQueue<Int>(limit: 4)
    for number in 1...3 { #expect(queue.admit(number, until: at(Int64(number))) == true) }
    #expect(queue.expire(at: at(2)) == [1, 2])
    #expect(queue.expire(at: at(2)) == [])
    #expect(queue.next() == 3)
  }

  @Test func `a closed queue gives back what waits and takes nothing`() {
    var queue = CallQueue<Int>(limit: 4)
    #expect(queue.admit(1, until: .distantFuture) == true)
    #expect(queue.close() == [1])
    #expect(queue.admit(2, until: .distantFuture) == false)
    #expect(queue.close() == [])
  }
}
