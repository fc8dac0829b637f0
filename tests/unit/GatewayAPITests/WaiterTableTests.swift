import Testing
import Values

@testable import GatewayAPI

/// The decisions about waiters, without a clock and without a database.
@Suite struct WaiterTableTests {
  private let now = Instant(nanoseconds: 1_000_000_000_000)
  private let first = UniqueID(high: 1, low: 1)
  private let second = UniqueID(high: 2, low: 2)

  /// The table as a reference, since macros of the tests do not take mutating calls.
  private final class Table {
    private var table: WaiterTable<String>

    init(_ limits: WaiterTable<String>.Limits) { table = WaiterTable(limits) }

    var count: Int { table.count }
    var wakeup: Instant { table.wakeup }

    func add(_ waiter: String, for payment: UniqueID, until deadline: Instant, at now: Instant) -> UInt64 {
      table.add(waiter, for: payment, until: deadline, at: now)
    }
    func remove(_ id: UInt64) -> String? { table.remove(id) }
    func changed(_ payments: [UniqueID]) { table.changed(payments) }
    func changedPerhaps() { table.changedPerhaps() }
    func drain() { table.drain() }
    func takeBatch(at now: Instant) -> [UniqueID] { table.takeBatch(at: now) }
    func finish(_ batch: [UniqueID], _ isFinal: (UniqueID) -> Bool?) -> [String] {
      table.finish(batch, isFinal).map(\.waiter)
    }
    func fail(_ batch: [UniqueID], at now: Instant) -> [String] { table.fail(batch, at: now).map(\.waiter) }
  }

  private func makeTable(batch: Int = 100) -> Table {
    Table(WaiterTable<String>.Limits(batch: batch))
  }

  @Test func `a final row answers, another one does not, and nothing is read while a payment stays as it is`() {
    let table = makeTable()
    _ = table.add("a", for: first, until: now + .seconds(60), at: now)
    #expect(table.takeBatch(at: now) == [first])
    #expect(table.finish([first]) { _ in false }.isEmpty)
    #expect(table.takeBatch(at: now + .seconds(59)) == [])
    #expect(table.wakeup == now + .seconds(60))
    table.changed([second, first, first])
    #expect(table.takeBatch(at: now + .seconds(59)) == [first])
    let answers = table.finish([first]) { _ in true }
    #expect(answers == ["a"])
    #expect(table.count == 0)
  }

  @Test func `many waiters of many payments are answered from one reading`() {
    let table = makeTable()
    for waiter in ["a", "b"] {
      for payment in [first, second] { _ = table.add(waiter, for: payment, until: now + .seconds(1), at: now) }
    }
    #expect(Set(table.takeBatch(at: now)) == [first, second])
    #expect(table.finish([first, second]) { $0 == first } == ["a", "b"])
    #expect(table.count == 2)
  }

  @Test func `a waiter whose time is up is answered with the row as it is, from a reading of its own`() {
    let table = makeTable()
    _ = table.add("a", for: first, until: now + .seconds(1), at: now)
    _ = table.takeBatch(at: now)
    _ = table.finish([first]) { _ in false }
    let later = now + .seconds(1)
    #expect(table.takeBatch(at: later) == [first])
    #expect(table.finish([first]) { _ in false } == ["a"])
    #expect(table.takeBatch(at: later + .seconds(5)) == [])
  }

  @Test
  func `a waiter that comes during a reading is not answered from it: the payment may be younger than the reading`() {
    let table = makeTable()
    _ = table.add("a", for: first, until: now + .seconds(1), at: now)
    let batch = table.takeBatch(at: now)
    _ = table.add("b", for: first, until: now + .seconds(1), at: now)
    #expect(table.finish(batch) { _ in nil } == ["a"])
    #expect(table.takeBatch(at: now) == [first])
    #expect(table.finish([first]) { _ in true } == ["b"])
  }

  @Test func `a change during a reading is read again`() {
    let table = makeTable()
    _ = table.add("a", for: first, until: now + .seconds(1), at: now)
    let batch = table.takeBatch(at: now)
    table.changed([first])
    _ = table.finish(batch) { _ in false }
    #expect(table.takeBatch(at: now) == [first])
  }

  @Test func `one that leaves is read for no more, and answered no more; one that asks for the row as it is gets it`() {
    let table = makeTable()
    let id = table.add("a", for: first, until: now + .seconds(1), at: now)
    _ = table.add("b", for: second, until: now, at: now)
    #expect(table.remove(id) == "a" && table.remove(id) == nil)
    #expect(table.count == 1)
    #expect(table.takeBatch(at: now) == [second])
    #expect(table.finish([second]) { _ in false } == ["b"])
  }

  @Test
  func `a reading that failed answers those that know nothing yet; the others wait for the next one, after a pause`() {
    let table = makeTable()
    _ = table.add("a", for: first, until: now + .seconds(60), at: now)
    _ = table.takeBatch(at: now)
    _ = table.finish([first]) { _ in false }
    _ = table.add("b", for: first, until: now + .seconds(60), at: now)
    #expect(table.fail(table.takeBatch(at: now), at: now) == ["b"])
    #expect(table.takeBatch(at: now + .milliseconds(249)) == [])
    #expect(table.wakeup == now + .milliseconds(250))
    #expect(table.takeBatch(at: now + .milliseconds(250)) == [first])
    #expect(table.finish([first]) { _ in true } == ["a"])
  }

  @Test func `a reading is bounded; the rest comes next`() {
    let table = makeTable(batch: 2)
    let payments = (1...5).map { UniqueID(high: 9, low: UInt64($0)) }
    for payment in payments { _ = table.add("a", for: payment, until: now + .seconds(1), at: now) }
    var read: [UniqueID] = []
    for _ in 1...3 {
      let batch = table.takeBatch(at: now)
      #expect(batch.count <= 2)
      read += batch
      _ = table.finish(batch) { _ in false }
    }
    #expect(read == payments)
    // All of them again, as when notifications may have been lost.
    table.changedPerhaps()
    #expect(table.takeBatch(at: now).count == 2)
  }

  @Test func `a drain answers all with what is known, and those that come later at once`() {
    let table = makeTable()
    _ = table.add("a", for: first, until: now + .seconds(60), at: now)
    _ = table.takeBatch(at: now)
    _ = table.finish([first]) { _ in false }
    table.drain()
    _ = table.add("b", for: second, until: now + .seconds(60), at: now)
    #expect(Set(table.takeBatch(at: now)) == [first, second])
    #expect(table.finish([first, second]) { _ in false }.sorted() == ["a", "b"])
  }
}
