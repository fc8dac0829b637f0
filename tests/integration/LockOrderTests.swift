import DirectDomain
import Postgres
import ProcessingDomain
import ProcessingStore
import Runtime
import Synchronization
import Testing
import Values

@testable import Archive

/// Writers that lock several rows have one order, so that none waits in a circle (40P01), whatever mixture each has.
@Suite("Order of locks", .needsDatabase, .serialized)
struct LockOrderTests {
  typealias House = ProcessingStoreTests.House

  /// Has writers go on, each on a connection and thread of its own, for longer than PostgreSQL waits before it looks
  /// for a circle. - Returns: what went wrong.
  private func together(
    _ schema: String, _ writers: [@Sendable (Connection) throws -> Void]
  ) throws -> [String] {
    let failures = Mutex<[String]>([])
    let isOver = Mutex(false)
    let threads = writers.enumerated().map { number, writer in
      WorkerThread(name: "writer-\(number)") {
        do {
          let connection = try TestDatabase.open(schema: schema)
          try connection.script("SET enable_seqscan = off")
          while !isOver.withLock(\.self) { try writer(connection) }
        } catch {
          failures.withLock { $0.append("\(number): \(error)") }
          isOver.withLock { $0 = true }
        }
      }
    }
    let end = Instant.now() + .seconds(4)
    let observer = try TestDatabase.open()
    while Instant.now() < end, !isOver.withLock(\.self) {
      try observer.run(Command(Statement("SELECT pg_sleep(0.05)")))
    }
    isOver.withLock { $0 = true }
    for thread in threads { thread.join() }
    return failures.withLock(\.self)
  }

  @Test func `steps on live and archived payments, claims and the mover never wait in a circle`() async throws {
    try await blocking { [self] in
      try House.with { house, schema in
        let numbers = 1...40 as ClosedRange<UInt64>
        let ids = try house.charge(numbers)
        try house.connection.script("DELETE FROM event")
        let (store, claim, all) = (house.store, house.claim, numbers.map { house.new($0, asks: true) })
        let plan = ProcessingArchive.plan(ProcessingTables(schema: schema))
        let steps: @Sendable (Connection) throws -> Void = { connection in
          let requests = ids.shuffled().prefix(12).map { StepRequest($0, .cancel) }
          guard case .done(let results) = try store.apply(requests, by: nil, on: connection) else { throw Failure() }
          for result in results {
            guard case .looked(let step) = result, step.outcome == .refused(.alreadyFinal) else { throw Failure() }
          }
        }
        let claims: @Sendable (Connection) throws -> Void = { connection in
          let new = Array(all.shuffled().prefix(12))
          guard case .done(let results) = try store.claim(new, by: claim, on: connection) else { throw Failure() }
          for result in results { guard case .known = result else { throw Failure() } }
        }
        let moved = Mutex(0)
        let mover: @Sendable (Connection) throws -> Void = { connection in
          var walk = ArchiveWalk(plan, olderThan: .milliseconds(1))
          while true {
            let batch = try walk.step(size: 7, on: connection)
            moved.withLock { $0 += batch.moved }
            if batch.isOver { return }
          }
        }
        let trouble = try together(schema, [mover, steps, steps, steps, claims, claims])
        #expect(trouble.isEmpty, "\(trouble)")
        #expect(moved.withLock(\.self) > 40)
        #expect(try house.connection.int("SELECT count(DISTINCT id) FROM all_payment") == 40)
        #expect(try house.connection.int("SELECT count(*) FROM all_attempt") == 40)
      }
    }
  }

  @Test func `settlements and exceptions are written in any mixture and never wait in a circle`() async throws {
    try await blocking { [self] in
      try House.with { house, schema in
        let ids = try house.charge(1...40)
        // In no order of ids on their pages; each payment has gone back, so that its exception can be closed.
        try house.connection.script(
          """
          INSERT INTO payment (id, user_id, payee_id, method, amount, currency, debit, credit, since, state, version, stage,
                               has_hold, inquiries, refund_of, cause, takes_rest)
          SELECT gen_random_uuid(), user_id, payee_id, method, amount, currency, credit, debit, now(), 'COMPLETED', 3, 'done',
                 false, 0, id, 'order_dead', true FROM payment;
          INSERT INTO exception (payment_id, kind)
          SELECT id, 'order_dead' FROM payment WHERE refund_of IS NULL ORDER BY random()
          """)
        let tables = ProcessingTables(schema: schema)
        let (settlements, refunds, statements) = (SettlementStore(tables), RefundReader(tables), StatementStore(tables))
        let writer: @Sendable (Connection) throws -> Void = { connection in
          let rows = ids.map { "('\($0)', 1)" }.joined(separator: ", ")
          try connection.script("INSERT INTO settlement (payment_id, order_id) VALUES \(rows) ON CONFLICT DO NOTHING")
          let verdicts = ids.shuffled().prefix(15).map { id -> (Settlement, SettlementVerdict) in
            let settlement = Settlement(paymentID: id, orderID: 1, since: .now(), attempts: 1, unknownFor: .zero)
            switch Int.random(in: 0..<3) {
            case 0: return (settlement, .finished)
            case 1: return (settlement, .dead(detail: "somebody else has paid"))
            default: return (settlement, .again(after: .zero, error: "away", isUnknown: false))
            }
          }
          try settlements.write(verdicts, on: connection)
        }
        let closed = Mutex(0)
        let closer: @Sendable (Connection) throws -> Void = { connection in
          let count = try refunds.closeSettled(on: connection)
          closed.withLock { $0 += count }
        }
        let finder: @Sendable (Connection) throws -> Void = { connection in
          let found = ids.shuffled().prefix(15).map { ($0, PaymentException.orderDead, "found once more") }
          try statements.open(found.map { (id: $0.0, kind: $0.1, detail: $0.2) }, on: connection)
        }
        let trouble = try together(schema, [writer, writer, writer, closer, closer, finder])
        #expect(trouble.isEmpty, "\(trouble)")
        #expect(closed.withLock(\.self) > 40)
      }
    }
  }

  struct Failure: Error {}
}
