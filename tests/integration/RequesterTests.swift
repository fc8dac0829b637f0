import DirectDomain
import Postgres
import ProcessingDomain
import ProcessingStore
import Processor
import Runtime
import Testing
import Values

@Suite("Who asked for a cancel", .needsDatabase, .serialized)
struct RequesterTests {
  typealias Bench = ProcessorBench

  @Test func `the first who cancels is kept, whether somebody has claimed the payment or not`() async throws {
    try await Bench.with { bench in
      let bank = FakeBank(slots: 1)
      bank.setOpen(false)
      try await bench.with(bank, stopWithin: .seconds(1)) { processor in
        _ = try await bench.execute([Bench.terms(2)], processor)
        #expect(try bench.count("stage = 'ready'") == 1)
        for number in 1...2 {
          for requester in ["shop", "other"] {
            let answer = await processor.cancel(
              Bench.terms(number), by: requester, deadline: .now() + .seconds(20))
            guard case .done(let payment) = answer else {
              Issue.record("\(answer)")
              return
            }
            #expect(payment.reason == .cancelled && payment.requester == "shop")
          }
          let trail = try PaymentTrails(ProcessingTables(schema: bench.schema)).find(
            Bench.id(number), on: TestDatabase.open())
          #expect(trail.canceller == "shop")
        }
        // What nobody asked for has no name.
        _ = await processor.endUnclaimed(Bench.terms(3), .cardLost, deadline: .now() + .seconds(20))
        #expect(try bench.count("requested_by IS NULL") == 1)
      }
    }
  }
}
