import Runtime
import Synchronization
import Testing
import Values

@testable import Service

@Suite struct ServiceStackTests {
  private struct Refusal: Error {}

  /// What happened to the parts, in order.
  private final class Journal: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    func note(_ line: String) { lines.withLock { $0.append(line) } }
  }

  private struct Part: ServicePart {
    let name: String
    let journal: Journal
    var fails = false
    var stopsAll: StopFlag?

    func start() throws {
      journal.note("+\(name)")
      stopsAll?.stop()
      if fails { throw Refusal() }
    }

    func stop(until deadline: Instant) { journal.note("-\(name)") }
  }

  private let journal = Journal()
  private let stopFlag = StopFlag()

  private func part(_ name: String, fails: Bool = false, stopsAll: Bool = false) -> Part {
    Part(name: name, journal: journal, fails: fails, stopsAll: stopsAll ? stopFlag : nil)
  }

  @Test func `parts start in order and stop in reverse`() throws {
    let stack = ServiceStack([.part(part("a")), .part(part("b")), .part(part("c"))], stop: stopFlag)
    try stack.start(grace: .seconds(1))
    stack.stop(until: .now() + .seconds(1))
    #expect(journal.all == ["+a", "+b", "+c", "-c", "-b", "-a"])
  }

  @Test func `a late part starts last and stops at its place`() throws {
    let stack = ServiceStack([.part(part("pool")), .late(part("jobs")), .part(part("api"))], stop: stopFlag)
    try stack.start(grace: .seconds(1))
    stack.stop(until: .now() + .seconds(1))
    #expect(journal.all == ["+pool", "+api", "+jobs", "-api", "-jobs", "-pool"])
  }

  @Test func `when a part does not start all are stopped and none starts any more`() throws {
    let stack = ServiceStack(
      [.part(part("a")), .part(part("b", fails: true)), .part(part("c"))], stop: stopFlag)
    #expect(throws: Refusal.self) { try stack.start(grace: .seconds(1)) }
    #expect(journal.all == ["+a", "+b", "-c", "-b", "-a"])
    try stack.start(grace: .seconds(1))
    #expect(journal.all.count == 5)
  }

  @Test func `a second stop does nothing`() throws {
    let stack = ServiceStack([.part(part("a"))], stop: stopFlag)
    stack.stop(until: .now())
    stack.stop(until: .now())
    try stack.start(grace: .zero)
    #expect(journal.all == ["-a"])
  }

  @Test func `no part starts once the program is asked to stop`() throws {
    let stack = ServiceStack([.part(part("a", stopsAll: true)), .part(part("b"))], stop: stopFlag)
    try stack.start(grace: .seconds(1))
    stack.stop(until: .now() + .seconds(1))
    #expect(journal.all == ["+a", "-b", "-a"])
  }

  @Test func `a part of two closures passes the deadline on`() throws {
    let seen = Mutex<Instant?>(nil)
    let stack = ServiceStack([.part { deadline in seen.withLock { $0 = deadline } }], stop: stopFlag)
    let deadline = Instant.now() + .seconds(7)
    stack.stop(until: deadline)
    #expect(seen.withLock { $0 } == deadline)
  }
}
