import LedgerDomain
import LedgerStore
import Money
import Postgres
import Randomness
import Runtime
import Synchronization
import Testing
import Values

/// What the ledger promises, on real tables.
@Suite("Ledger proofs", .needsDatabase)
struct LedgerProofTests {
  typealias Book = LedgerStoreTests.Book

  /// Every byte of the ledger: the rows, where they lie, and which transactions wrote them.
  private func bytes(_ schema: String, _ connection: Connection) throws -> String {
    let tables = ["account", "account_delta", "transfer"].map { table in
      "SELECT '\(table)' || t::text || t.ctid || t.xmin AS line FROM \(schema).\(table) t"
    }
    let lines = tables.joined(separator: " UNION ALL ")
    return try connection.run(
      Command(Statement("SELECT coalesce(string_agg(line, E'\\n' ORDER BY line), '') FROM (\(lines)) x"))
    ).only.text(0)
  }

  @Test func `a refused batch leaves every byte as it was`() throws {
    try TestDatabase.withSchema { schema in
      let book = try Book(schema, users: 2, funds: 100)
      let connection = try TestDatabase.open(schema: schema)
      let hold = book.movement(1, book.users[0], book.users[1], 60)
      #expect(try book.run([.hold(hold)], on: connection) == [.created])
      let before = try bytes(schema, connection)
      #expect(before.contains("transfer"))
      let refused: [TransferRequest] = [
        .single(book.movement(2, book.users[0], book.users[1], 41)),
        .hold(book.movement(3, book.users[1], book.world.id, 101)),
        .single(book.movement(1, book.users[0], book.users[1], 60)),
        .hold(book.movement(1, book.users[0], book.users[1], 59)),
        .post(hold: hold.id, amount: 61), .void(hold: UniqueID(high: 9, low: 77 << 4)),
        .single(book.movement(4, book.users[0], book.users[0], 1)),
        .single(book.movement(5, book.users[0], book.users[1], 0)),
        .single(book.movement(6, book.users[0], UniqueID(high: 4, low: 4), 1)),
      ]
      for request in refused {
        guard case .refused = try book.run([request], on: connection)[0] else {
          Issue.record("\(request) is carried out")
          continue
        }
        #expect(try bytes(schema, connection) == before, "\(request)")
      }
      let outcomes = try book.run(refused, on: connection)
      #expect(outcomes.allSatisfy { if case .refused = $0 { true } else { false } })
      // So does one that was carried out before.
      #expect(try book.run([.hold(hold)], on: connection) == [.exists])
      #expect(try bytes(schema, connection) == before)
      // Of a batch with both kinds, what is carried out is all that is written.
      let mixed = try book.run([refused[0], .void(hold: hold.id), refused[4]], on: connection)
      #expect(mixed == [.refused(.insufficientFunds), .created, .refused(.differs(.kind))])
      #expect(try bytes(schema, connection) != before)
      try book.check()
    }
  }

  @Test func `other content under a known id is refused by the field that differs`() throws {
    try TestDatabase.withSchema { schema in
      let book = try Book(schema, users: 3, funds: 1_000)
      let connection = try TestDatabase.open(schema: schema)
      let known = book.movement(1, book.users[0], book.users[1], 60)
      let hold = book.movement(2, book.users[0], book.users[1], 60)
      #expect(
        try book.run([.single(known), .hold(hold), .post(hold: hold.id, amount: 50)], on: connection)
          == [.created, .created, .created])
      let dollars = Money(minorUnits: 60, Currency("USD")!)
      let differing: [(TransferRequest, TransferRefusal.Field)] = [
        (.hold(known), .kind), (.single(book.movement(1, book.users[2], book.users[1], 60)), .debit),
        (.single(book.movement(1, book.users[0], book.users[2], 60)), .credit),
        (.single(book.movement(1, book.users[0], book.users[1], 61)), .amount),
        (
          .single(
            TransferRequest.Movement(id: known.id, debit: known.debit, credit: known.credit, amount: dollars)),
          .currency
        ),
        (.void(hold: hold.id), .kind), (.post(hold: hold.id, amount: 51), .amount),
      ]
      for (request, field) in differing {
        #expect(try book.run([request], on: connection) == [.refused(.differs(field))], "\(request)")
      }
      #expect(
        try book.run([.single(known), .hold(hold), .post(hold: hold.id, amount: 50)], on: connection)
          == [.exists, .exists, .exists])
      try book.check()
    }
  }

  @Test func `thirty-two writers on one account spend what is there and nothing more`() throws {
    try TestDatabase.withSchema { schema in
      let book = try Book(schema, users: 1, funds: 10_000)
      let payer = book.users[0]
      let spent = Atomic<Int64>(0)
      let open = Atomic<Int64>(0)
      let refused = Atomic<Int>(0)
      let threads = (0..<32).map { number in
        WorkerThread(name: "writer") {
          do {
            var random = SplitMix64(seed: UInt64(number))
            let connection = try TestDatabase.open(schema: schema)
            for round in 0..<10 {
              let id = UInt64(number * 100 + round * 2)
              let single = book.movement(id, payer, book.world.id, Int64.random(in: 10...60, using: &random))
              let hold = book.movement(id + 1, payer, book.clearing.id, Int64.random(in: 10...60, using: &random))
              let requests: [TransferRequest] = [.single(single), .hold(hold)]
              let outcomes = try book.run(requests, on: connection)
              if outcomes[0] == .created { spent.add(single.amount.minorUnits, ordering: .relaxed) }
              for case .refused(let refusal) in outcomes {
                #expect(refusal == .insufficientFunds)
                refused.add(1, ordering: .relaxed)
              }
              guard outcomes[1] == .created else { continue }
              // A third is posted in part, a third is given back, a third stays.
              switch round % 3 {
              case 0:
                #expect(try book.run([.post(hold: hold.id, amount: 5)], on: connection) == [.created])
                spent.add(5, ordering: .relaxed)
              case 1: #expect(try book.run([.void(hold: hold.id)], on: connection) == [.created])
              default: open.add(hold.amount.minorUnits, ordering: .relaxed)
              }
            }
          } catch { Issue.record(error) }
        }
      }
      let isOver = StopFlag()
      let folder = WorkerThread(name: "folder") {
        guard let connection = try? TestDatabase.open(schema: schema) else { return }
        while !isOver.isStopped {
          do {
            try connection.run(book.store.fold(limit: 7))
            try book.check()
          } catch { Issue.record(error) }
        }
      }
      for thread in threads { thread.join() }
      isOver.stop()
      folder.join()
      try book.check()
      let connection = try TestDatabase.open(schema: schema)
      let balance = try #require(try book.store.balances(of: [payer], on: connection)[payer])
      #expect(balance.posted == 10_000 - spent.load(ordering: .relaxed))
      #expect(balance.pending == open.load(ordering: .relaxed))
      #expect((0..<60).contains(balance.available), "less is left than the smallest refused amount could take")
      #expect(refused.load(ordering: .relaxed) > 0)
    }
  }

  @Test func `a hot account shows each transfer once while its deltas are folded`() throws {
    try TestDatabase.withSchema { schema in
      let book = try Book(schema, users: 4, funds: 0)
      let isOver = StopFlag()
      let watchers = (0..<2).map { number in
        WorkerThread(name: "folder") {
          guard let connection = try? TestDatabase.open(schema: schema) else { return }
          var last: Int64 = 0
          while !isOver.isStopped {
            do {
              if number == 0 { try connection.run(book.store.fold(limit: 3)) }
              // The world only pays here, so what is read of it only falls.
              let now = try book.store.balances(of: [book.world.id], on: connection)[book.world.id]?.posted ?? 1
              #expect(now <= last)
              last = now
            } catch { Issue.record(error) }
          }
        }
      }
      let writers = (0..<8).map { number in
        WorkerThread(name: "writer") {
          do {
            let connection = try TestDatabase.open(schema: schema)
            for round in 0..<40 {
              let movement = book.movement(UInt64(number * 1_000 + round), book.world.id, book.users[number % 4], 1)
              #expect(try book.run([.single(movement)], on: connection) == [.created])
            }
          } catch { Issue.record(error) }
        }
      }
      for writer in writers { writer.join() }
      isOver.stop()
      for watcher in watchers { watcher.join() }
      let connection = try TestDatabase.open(schema: schema)
      while try connection.int("SELECT count(*) FROM \(schema).account_delta") > 0 {
        try connection.run(book.store.fold(limit: 50))
      }
      #expect(try book.store.balances(of: [book.world.id], on: connection)[book.world.id] == Balance(posted: -320))
      try book.check()
    }
  }
}
