import LedgerDomain
import Postgres
import ProcessingDomain
import Processor
import Testing
import Values

/// A person who approves at the moment at which the time for a review is over.
@Suite("Review schedules", .needsDatabase, .serialized)
struct ReviewScheduleTests {
  typealias Bench = ProcessorBench
  private static let count = 60

  /// Payments in REVIEW whose time is over in the course of a second and a half.
  private func hold(_ bench: Bench) throws {
    try bench.script(
      """
      WITH n AS (SELECT n, ('00000000-0000-003c-0000-' || lpad(to_hex(n << 4), 12, '0'))::uuid AS id,
                        now() + n * interval '25 ms' AS due FROM generate_series(2, \(Self.count + 1)) n),
        made AS (
          INSERT INTO \(bench.schema).payment (id, user_id, payee_id, method, source, amount, currency, debit, credit,
            since, state, version, reason, stage, has_hold, inquiries, due)
          SELECT n.id, user_id, payee_id, method, source, amount, currency, debit, credit, now(), 'REVIEW', 3,
            'review_required', 'review', false, 0, n.due FROM \(bench.schema).payment p, n)
      INSERT INTO \(bench.schema).due (payment_id, chore, at) SELECT id, 'review', due FROM n
      """)
  }

  @Test func `approve and timeout never both have their way`() async throws {
    try await Bench.with { bench in
      let bank = FakeBank(slots: 100)
      try await bench.with(bank) { processor in
        _ = try await bench.execute([Bench.terms(1)], processor)
        try await eventually { try bench.state(1) == "COMPLETED" }
        try hold(bench)
        let answers = await withTaskGroup(of: (Int, PaymentAnswer).self) { group in
          for number in 2...Self.count + 1 {
            group.addTask {
              // Each about when its own time is over: the looks for what is due are a second apart.
              try? await Task.sleep(for: .milliseconds(number * 40))
              let id = Bench.id(number)
              return (
                number, await processor.review(id, approves: true, by: "Ann", deadline: .now() + .seconds(20))
              )
            }
          }
          return await group.reduce(into: [Int: PaymentAnswer]()) { $0[$1.0] = $1.1 }
        }
        try await eventually { try bench.count("stage = 'done'") == Self.count + 1 }
        var approved = 0
        for (number, answer) in answers {
          switch answer {
          case .done:
            approved += 1
            #expect(try bench.state(number) == "COMPLETED" && bank.charges[Bench.id(number)] == 1)
          case .refused(let refusal):
            #expect(refusal == .alreadyFinal && bank.charges[Bench.id(number)] == nil)
            #expect(try bench.state(number) == "REJECTED review_timeout")
          default: Issue.record("\(answer)")
          }
        }
        #expect((1..<Self.count).contains(approved), "both happened")
        #expect(try bench.balance(of: Bench.payee) == Balance(posted: Int64(approved + 1) * 100))
      }
      #expect(bank.free == 100)
    }
  }
}
