import Bank
import Money
import ProcessingDomain
import Runtime
import Testing
import Values

@testable import Processor

/// A bank with slots and nothing else.
private final class SlotBank: BankAsking {
  private let free: Monitor<Int>

  init(_ slots: Int) { free = Monitor(slots) }

  var slots: Int { free.withLock { $0 } }

  func reserve(_ wanted: Int) -> Int {
    free.update { free in
      let got = min(free, wanted)
      free -= got
      return got
    }
  }
  func release(_ slots: Int) { free.update { $0 += slots } }
  func whenFree(_ body: @escaping @Sendable () -> Void) {}
  func charge(_ charge: BankCharge, sendBy: Instant) async -> BankReply { BankReply(.notSent) }
  func refund(_ refund: BankRefund, sendBy: Instant) async -> BankReply { BankReply(.notSent) }
  func inquire(_ operationID: UniqueID, userID: UniqueID, amount: Money) async -> BankReply { BankReply(.unclear) }
  func reverse(_ operationID: UniqueID, userID: UniqueID, amount: Money) async -> BankReply { BankReply(.unclear) }
}

@Suite struct SlotQueueTests {
  private static let later = Instant.now() + .seconds(600)

  private func isSlot(_ end: SlotQueue.End) -> Bool { if case .slot = end { true } else { false } }

  /// Waits in the queue, in the order of the numbers.
  private func wait(
    _ queue: SlotQueue, _ numbers: ClosedRange<Int>, until: Instant = later
  ) async -> [Task<(Int, SlotQueue.End), Never>] {
    var tasks: [Task<(Int, SlotQueue.End), Never>] = []
    for number in numbers {
      let before = queue.count
      tasks.append(Task { (number, await queue.wait(until: until, added: {})) })
      while queue.count == before { await Task.yield() }
    }
    return tasks
  }

  @Test func `who came first has the first slot`() async {
    let queue = SlotQueue()
    let tasks = await wait(queue, 1...5)
    let bank = SlotBank(2)
    #expect(queue.pump(bank), "three wait for whom there is no slot")
    #expect(queue.count == 3)
    for task in tasks.prefix(2) {
      #expect(isSlot(await task.value.1), "no slot")
    }
    bank.release(10)
    #expect(!queue.pump(bank) && queue.count == 0 && bank.slots == 7)
    for task in tasks {
      #expect(isSlot(await task.value.1), "no slot")
    }
  }

  @Test func `a wait ends when its time is up, and those behind it go on`() async {
    let queue = SlotQueue()
    let now = Instant.now()
    let short = await wait(queue, 1...2, until: now + .seconds(1))
    let long = await wait(queue, 3...3)
    queue.expire(now: now)
    #expect(queue.count == 3)
    queue.expire(now: now + .seconds(1))
    #expect(queue.count == 1)
    for task in short {
      #expect(!isSlot(await task.value.1), "its time was up")
    }
    _ = queue.pump(SlotBank(1))
    #expect(isSlot(await long[0].value.1), "no slot")
  }

  @Test func `nobody waits in a queue that has ended`() async {
    let queue = SlotQueue()
    let tasks = await wait(queue, 1...1_100)
    // The front of a long queue is dropped in one go.
    let bank = SlotBank(1_050)
    #expect(queue.pump(bank) && queue.count == 50)
    queue.endAll()
    #expect(queue.count == 0)
    let again = await wait(queue, 1...1)
    queue.endAll(isLast: true)
    #expect(!isSlot(await again[0].value.1), "ended")
    #expect(!isSlot(await queue.wait(until: Self.later, added: {})), "ended")
    var slots = 0
    for task in tasks where isSlot(await task.value.1) { slots += 1 }
    #expect(slots == 1_050)
  }
}
