import LedgerDomain
import Postgres
import ProcessingDomain
import ProcessingStore
import Processor
import Runtime
import Testing
import Values

/// The bank's statement and the bank's answer, in the order in which they contradict each other.
@Suite("Statement schedules", .needsDatabase, .serialized)
struct StatementScheduleTests {
  typealias Bench = ProcessorBench

  @Test func `a decline that comes after the statement changes nothing, and is told`() async throws {
    try await Bench.with { bench in
      let answered = Gate()
      let first = FakeBank(slots: 10) { _, _, _ in
        await answered.pass()
        return .declined
      }
      let stopped = try bench.processor(first, role: .gateway)
      stopped.start()
      _ = try await bench.execute([Bench.terms(1)], stopped)
      try await eventually { first.underWay == 1 }
      // Somebody else takes the payment over, and hears nothing of the bank.
      try bench.script("UPDATE \(bench.schema).owner SET leased_until = now() - interval '1 s'")
      let deaf = FakeBank(slots: 10) { _, _, _ in .unclear }
      let second = try bench.processor(deaf, lease: .seconds(1))
      second.start()
      try await eventually { try bench.state(1) == "UNKNOWN bank_unclear" }

      let statement = StepRequest(Bench.id(1), .stated(.approved, covering: nil))
      guard case .done = try bench.store().apply([statement], by: nil, on: TestDatabase.open()) else {
        throw ProcessingStoreTests.TestFailure()
      }
      #expect(try bench.state(1) == "COMPLETED")
      answered.open()
      let exceptions = "SELECT count(*) FROM \(bench.schema).exception WHERE kind = 'completed_not_charged'"
      try await eventually { try TestDatabase.open().int(exceptions) == 1 }
      #expect(try bench.state(1) == "COMPLETED")
      #expect(try bench.balance(of: Bench.payee) == Balance(posted: 100))
      #expect(first.charges == [Bench.id(1): 1] && deaf.charges.isEmpty)
      try await blocking {
        stopped.stop(until: .now() + .seconds(1))
        second.stop(until: .now() + .seconds(5))
      }
    }
  }
}
