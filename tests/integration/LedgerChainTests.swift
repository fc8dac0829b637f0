import LedgerDomain
import LedgerStore
import Money
import Postgres
import Randomness
import Runtime
import Synchronization
import Testing
import Values

@Suite("Ledger chain", .needsDatabase)
struct LedgerChainTests {
  typealias Book = LedgerStoreTests.Book

  /// A ledger with users, and what seals and verifies it.
  private struct Site {
    let book: Book
    let connection: Connection
    let tables: LedgerTables
    var schema: String { book.schema }

    func sealer(_ transfers: Int = 10, blocks: Int = 1_000) -> ChainSealer {
      var limits = ChainSealer.Limits()
      (limits.transfers, limits.blocks) = (transfers, blocks)
      return ChainSealer(tables, limits: limits)
    }

    /// Seals all that is there: transactions of other tests may still run and hold it back.
    func seal(_ sealer: ChainSealer? = nil) throws {
      let sealer = sealer ?? self.sealer()
      let deadline = Instant.now() + .seconds(30)
      while try sealer.lag(on: connection) != nil {
        _ = try sealer.seal(on: connection)
        try #require(Instant.now() < deadline, "a transaction keeps transfers from being sealed")
      }
    }

    func verify(expecting head: ChainVerifier.Head? = nil) throws -> ChainVerifier.Report {
      try ChainVerifier(tables).run(expecting: head, on: connection, onPage: { _ in })
    }

    /// Puts back what `body` changes.
    func kept(_ body: () throws -> Void) throws {
      let tables = ["block", "transfer"]
      for table in tables {
        try connection.script("CREATE TEMP TABLE kept_\(table) AS SELECT * FROM \(schema).\(table)")
      }
      try body()
      for table in tables {
        try connection.script(
          """
          DELETE FROM \(schema).\(table);
          INSERT INTO \(schema).\(table) SELECT * FROM kept_\(table);
          DROP TABLE kept_\(table)
          """)
      }
    }

    func pay(_ numbers: Range<UInt64>, _ amount: Int64 = 1) throws {
      for number in numbers {
        let outcome = try book.run(
          [.single(book.movement(number, book.world.id, book.users[Int(number) % book.users.count], amount))],
          on: connection)
        #expect(outcome == [.created])
      }
    }
  }

  private func withSite(users: Int = 3, _ body: (Site) throws -> Void) throws {
    try TestDatabase.withSchema { schema in
      let book = try Book(schema, users: users, funds: 1_000)
      try body(
        Site(book: book, connection: try TestDatabase.open(schema: schema), tables: LedgerTables(schema: schema)))
    }
  }

  @Test func `transfers are sealed in blocks that hold all of them once`() throws {
    try withSite { site in
      try site.pay(1..<24)
      try site.seal()
      let report = try site.verify()
      #expect(report.difference == nil)
      #expect(report.transfers == 26 && report.blocks >= 2)
      #expect(try site.connection.int("SELECT sum(transfers)::int FROM \(site.schema).block") == 26)
      #expect(try site.sealer().seal(on: site.connection).blocks == 0, "a block has transfers")
      try site.pay(24..<25)
      try site.seal()
      let longer = try site.verify(expecting: report.head)
      #expect(longer.difference == nil && longer.blocks == report.blocks + 1)
    }
  }

  @Test func `a block ends with a transaction, however many transfers it wrote`() throws {
    try withSite { site in
      let many = (100..<135).map {
        TransferRequest.single(site.book.movement($0, site.book.world.id, site.book.users[0], 1))
      }
      #expect(try site.book.run(many, on: site.connection).allSatisfy { $0 == .created })
      try site.pay(1..<3)
      try site.seal(site.sealer(5))
      let report = try site.verify()
      #expect(report.difference == nil && report.transfers == 40)
      #expect(try site.connection.int("SELECT max(transfers)::int FROM \(site.schema).block") >= 35)
      // What has waited for long is sealed in several calls.
      try site.pay(200..<230)
      #expect(try site.sealer(5, blocks: 1).seal(on: site.connection).blocks >= 1)
      try site.seal(site.sealer(5, blocks: 1))
      #expect(try site.verify().transfers == 70)
    }
  }

  /// The documented bytes, made by the server's own functions.
  @Test func `SQL makes the same hashes`() throws {
    try withSite { site in
      let hold = site.book.movement(70, site.book.users[0], site.book.users[1], 40)
      _ = try site.book.run([.hold(hold)], on: site.connection)
      _ = try site.book.run([.post(hold: hold.id, amount: 30)], on: site.connection)
      try site.pay(1..<15)
      try site.seal()
      let (block, transfer) = ("\(site.schema).block", "\(site.schema).transfer")
      let wrong = try site.connection.int(
        """
        SELECT count(*) FROM (SELECT *, lag(hash, 1, decode(repeat('00', 32), 'hex')) OVER (ORDER BY number) AS previous
                              FROM \(block)) b
        WHERE hash IS DISTINCT FROM sha256(previous || int8send(number) || int8send(first_tx) || int8send(end_tx)
          || timestamptz_send(later_than) || timestamptz_send(last_at) || int8send(transfers)
          || (SELECT sha256(string_agg(
                uuid_send(id) || int2send(kind) || uuid_send(debit) || uuid_send(credit) || int8send(amount)
                || int4send(octet_length(currency)) || convert_to(currency::text, 'UTF8')
                || CASE WHEN pending_id IS NULL THEN '\\x00'::bytea ELSE '\\x01'::bytea || uuid_send(pending_id) END
                || timestamptz_send(at) || int8send(tx), ''::bytea ORDER BY tx, id))
              FROM \(transfer) t WHERE t.tx >= b.first_tx AND t.tx < b.end_tx AND t.at > b.later_than))
        """)
      #expect(wrong == 0)
      #expect(try site.connection.int("SELECT count(*) FROM \(block)") > 1)
    }
  }

  @Test func `the first block that differs is named`() throws {
    try withSite { site in
      try site.pay(1..<40)
      try site.seal(site.sealer(8))
      let whole = try site.verify()
      let head = try #require(whole.head)
      #expect(whole.difference == nil && whole.blocks >= 4)
      let (block, transfer) = ("\(site.schema).block", "\(site.schema).transfer")
      let third = "(SELECT first_tx FROM \(block) WHERE number = 3)"
      let inThird = "id = (SELECT id FROM \(transfer) WHERE tx >= \(third) ORDER BY tx, id LIMIT 1)"
      let sabotages = [
        "UPDATE \(transfer) SET amount = amount + 1 WHERE \(inThird)",
        "UPDATE \(transfer) SET at = at - interval '1 us' WHERE \(inThird)",
        "UPDATE \(transfer) SET credit = gen_random_uuid() WHERE \(inThird)",
        "UPDATE \(transfer) SET currency = 'USD' WHERE \(inThird)",
        "UPDATE \(transfer) SET kind = 2 WHERE \(inThird)",
        "DELETE FROM \(transfer) WHERE \(inThird)",
        """
        INSERT INTO \(transfer) (id, kind, debit, credit, amount, currency, tx)
        SELECT gen_random_uuid(), 1, debit, credit, 1, 'EUR', tx FROM \(transfer) WHERE \(inThird)
        """,
        "UPDATE \(block) SET hash = sha256(hash) WHERE number = 3",
        "UPDATE \(block) SET transfers = transfers + 1 WHERE number = 3",
        "UPDATE \(block) SET last_at = last_at + interval '1 us' WHERE number = 3",
        "UPDATE \(block) SET end_tx = end_tx + 1 WHERE number = 3",
      ]
      for sabotage in sabotages {
        try site.kept {
          try site.connection.script(sabotage)
          let report = try site.verify()
          #expect(report.difference?.hasPrefix("block 3 ") == true, "\(sabotage): \(report.difference ?? "nothing")")
          #expect(report.blocks >= 2 && report.blocks <= 3)
        }
        #expect(try site.verify() == whole)
      }
      // A block that is gone, in the middle and at the end.
      try site.kept {
        try site.connection.script("DELETE FROM \(block) WHERE number = 3")
        #expect(try site.verify().difference?.contains("a block between them is gone") == true)
      }
      try site.kept {
        try site.connection.script("DELETE FROM \(block) WHERE number = \(whole.blocks)")
        #expect(try site.verify().difference == nil)
        #expect(try site.verify(expecting: head).difference?.contains("is not there") == true)
      }
      // Whoever makes the chain anew after a change is found by a head that was kept elsewhere.
      try site.connection.script("UPDATE \(transfer) SET amount = amount + 1 WHERE \(inThird); DELETE FROM \(block)")
      try site.seal(site.sealer(8))
      #expect(try site.verify().difference == nil)
      #expect(try site.verify(expecting: head).difference != nil)
    }
  }

  @Test func `a transaction that commits late is not skipped`() throws {
    try withSite { site in
      try site.seal()
      let late = try TestDatabase.open(schema: site.schema)
      try late.script(
        """
        BEGIN;
        INSERT INTO transfer (id, kind, debit, credit, amount, currency)
        VALUES (gen_random_uuid(), 1, '\(site.book.world.id)', '\(site.book.users[0])', 5, 'EUR')
        """)
      try site.pay(1..<20)
      // Nothing after the open transaction is sealed.
      _ = try site.sealer().seal(on: site.connection)
      #expect(try site.verify().transfers == 3)
      #expect(try site.sealer().lag(on: site.connection) != nil)
      try late.script("COMMIT")
      try site.seal()
      let report = try site.verify()
      #expect(report.difference == nil && report.transfers == 23)
    }
  }

  @Test func `writers, two sealers and a verifier at once lose nothing`() throws {
    try withSite { site in
      let isOver = StopFlag()
      let schema = site.schema
      let book = site.book
      let tables = site.tables
      let sealers = (0..<2).map { number in
        WorkerThread(name: "sealer") {
          do {
            let connection = try TestDatabase.open(schema: schema)
            var limits = ChainSealer.Limits()
            limits.transfers = 7 + number
            let sealer = ChainSealer(tables, limits: limits)
            while !isOver.isStopped { _ = try sealer.seal(on: connection) }
          } catch { Issue.record(error) }
        }
      }
      let verifier = WorkerThread(name: "verifier") {
        do {
          let connection = try TestDatabase.open(schema: schema)
          while !isOver.isStopped {
            let report = try ChainVerifier(tables).run(on: connection, onPage: { _ in })
            #expect(report.difference == nil)
          }
        } catch { Issue.record(error) }
      }
      let writers = (0..<6).map { number in
        WorkerThread(name: "writer") {
          do {
            let connection = try TestDatabase.open(schema: schema)
            var random = SplitMix64(seed: UInt64(number))
            for round in 0..<25 {
              let first = UInt64(number * 10_000 + round * 10)
              let requests = (0..<UInt64.random(in: 1...4, using: &random)).map {
                TransferRequest.single(book.movement(first + $0, book.world.id, book.users[number % 3], 1))
              }
              #expect(try book.run(requests, on: connection).allSatisfy { $0 == .created })
            }
          } catch { Issue.record(error) }
        }
      }
      for writer in writers { writer.join() }
      isOver.stop()
      for thread in sealers + [verifier] { thread.join() }
      try site.seal()
      let report = try site.verify()
      #expect(report.difference == nil)
      #expect(try report.transfers == site.connection.int64("SELECT count(*) FROM \(schema).transfer"))
      try Self.checkDays(site)
    }
  }

  /// As where a dump is restored: the server numbers transactions from a lower number on.
  @Test func `a restored ledger goes on with its chain`() throws {
    for isHigher in [false, true] {
      try withSite { site in
        let (block, transfer) = ("\(site.schema).block", "\(site.schema).transfer")
        // The old server's numbers are above this one's, or below; some transfers were not sealed there.
        let offset = isHigher ? 1_000_000_000 : -100
        try site.pay(1..<12)
        try site.seal()
        try site.connection.script(
          """
          UPDATE \(transfer) SET tx = greatest(tx + \(offset), 1);
          DELETE FROM \(block); DELETE FROM \(site.schema).account_day
          """)
        try Self.sealAsAnotherServer(site, offset: offset)
        let old = try site.verify()
        #expect(old.difference == nil && old.transfers > 0)
        try site.connection.script(
          """
          INSERT INTO \(transfer) (id, kind, debit, credit, amount, currency, tx)
          SELECT gen_random_uuid(), 1, '\(site.book.world.id)', '\(site.book.users[0])', 9, 'EUR', end_tx + 5
          FROM \(block) ORDER BY number DESC LIMIT 1
          """)
        try site.pay(20..<30)
        // One of the new server's, with a number that the old one has had.
        try site.connection.script(
          """
          INSERT INTO \(transfer) (id, kind, debit, credit, amount, currency, tx)
          SELECT gen_random_uuid(), 1, '\(site.book.world.id)', '\(site.book.users[0])', 9, 'EUR', 3
          """)
        var isAfresh = false
        let deadline = Instant.now() + .seconds(30)
        repeat {
          isAfresh = try site.sealer().seal(on: site.connection).isAfresh || isAfresh
        } while try site.sealer().lag(on: site.connection) != nil && Instant.now() < deadline
        #expect(isAfresh)
        try site.pay(30..<35)
        try site.seal()
        let report = try site.verify(expecting: old.head)
        #expect(report.difference == nil, "\(report.difference ?? "")")
        #expect(try report.transfers == site.connection.int64("SELECT count(*) FROM \(transfer)"))
        try Self.checkDays(site)
        // What is slipped in among the old ones is found, also behind their last block.
        try site.connection.script(
          """
          INSERT INTO \(transfer) (id, kind, debit, credit, amount, currency, tx, at)
          SELECT gen_random_uuid(), 1, debit, credit, 1, 'EUR', (SELECT max(end_tx) FROM \(block)) + 100, at
          FROM \(transfer) ORDER BY at LIMIT 1
          """)
        #expect(try site.verify().difference?.contains("are in no block") == true)
      }
    }
  }

  /// Leaves the chain as another server has made it.
  private static func sealAsAnotherServer(_ site: Site, offset: Int) throws {
    let plan = try site.connection.run(
      Command(Statement("SELECT id FROM \(site.schema).transfer ORDER BY tx, id"))
    ).count
    #expect(plan > 0)
    if offset < 0 {
      try site.seal()
    } else {
      // Its transactions are not there yet: they are sealed below a lower number and moved.
      try site.connection.script("UPDATE \(site.schema).transfer SET tx = tx - \(offset)")
      try site.seal()
      try site.connection.script("UPDATE \(site.schema).transfer SET tx = tx + \(offset)")
      try site.connection.script(
        "UPDATE \(site.schema).block SET first_tx = CASE number WHEN 1 THEN 0 ELSE first_tx + \(offset) END, "
          + "end_tx = end_tx + \(offset)")
      try rehash(site)
    }
    try site.connection.script("UPDATE \(site.schema).block SET history = history + 1")
  }

  /// Makes the hashes of blocks anew, by SQL.
  private static func rehash(_ site: Site) throws {
    try site.connection.script(
      """
      DO $$
      DECLARE b record; previous bytea := decode(repeat('00', 32), 'hex');
      BEGIN
        FOR b IN SELECT * FROM \(site.schema).block ORDER BY number LOOP
          previous := sha256(previous || int8send(b.number) || int8send(b.first_tx) || int8send(b.end_tx)
            || timestamptz_send(b.later_than) || timestamptz_send(b.last_at) || int8send(b.transfers)
            || (SELECT sha256(string_agg(
                  uuid_send(id) || int2send(kind) || uuid_send(debit) || uuid_send(credit) || int8send(amount)
                  || int4send(octet_length(currency)) || convert_to(currency::text, 'UTF8')
                  || CASE WHEN pending_id IS NULL THEN '\\x00'::bytea ELSE '\\x01'::bytea || uuid_send(pending_id) END
                  || timestamptz_send(at) || int8send(tx), ''::bytea ORDER BY tx, id))
                FROM \(site.schema).transfer t WHERE t.tx >= b.first_tx AND t.tx < b.end_tx));
          UPDATE \(site.schema).block SET hash = previous WHERE number = b.number;
        END LOOP;
      END $$
      """)
  }

  // MARK: - Moments

  /// Compares the days with all transfers, when all are sealed.
  private static func checkDays(_ site: Site) throws {
    let s = site.schema
    let wrong = try site.connection.int(
      """
      SELECT count(*) FROM (
        SELECT account, day, sum(posted) AS posted, sum(pending) AS pending FROM (
          SELECT debit AS account, (at AT TIME ZONE 'UTC')::date AS day, CASE WHEN kind IN (1, 3) THEN -amount ELSE 0 END
            AS posted, CASE kind WHEN 2 THEN amount ELSE 0 END AS pending FROM \(s).transfer
          UNION ALL SELECT credit, (at AT TIME ZONE 'UTC')::date, CASE WHEN kind IN (1, 3) THEN amount ELSE 0 END, 0
            FROM \(s).transfer
          UNION ALL SELECT r.debit, (r.at AT TIME ZONE 'UTC')::date, 0, -h.amount FROM \(s).transfer r
            JOIN \(s).transfer h ON h.id = r.pending_id) x GROUP BY 1, 2) told
      FULL JOIN \(s).account_day d USING (account, day)
      WHERE coalesce(told.posted, 0) <> coalesce(d.posted, 0) OR coalesce(told.pending, 0) <> coalesce(d.pending, 0)
      """)
    #expect(wrong == 0)
  }

  @Test func `a balance at a moment is the sum of all before it`() throws {
    try withSite { site in
      let store = AccountStore(site.tables, ledger: site.book.store)
      let user = site.book.users[0]
      let s = site.schema
      var number: UInt64 = 100
      // Three days, with holds that are resolved on a later day, some of it sealed, some not.
      for step in 0..<12 {
        let hold = site.book.movement(number, user, site.book.users[1], 20)
        _ = try site.book.run(
          [.single(site.book.movement(number + 1, site.book.world.id, user, 7)), .hold(hold)], on: site.connection)
        if step % 3 == 0 { _ = try site.book.run([.post(hold: hold.id, amount: 15)], on: site.connection) }
        if step % 3 == 1 { _ = try site.book.run([.void(hold: hold.id)], on: site.connection) }
        try site.connection.script(
          """
          UPDATE \(s).transfer SET at = '2026-03-0\(step / 4 + 1)T22:00Z'::timestamptz + interval '\(step * 8) min'
          WHERE at > '2026-04-01' AND id NOT IN (SELECT id FROM \(s).transfer WHERE kind IN (3, 4));
          UPDATE \(s).transfer SET at = '2026-03-0\(step / 4 + 2)T01:00Z' WHERE at > '2026-04-01'
          """)
        if step == 5 { try site.seal(site.sealer(4)) }
        number += 10
      }
      let moments = try site.connection.run(
        Command(Statement("SELECT DISTINCT at FROM \(s).transfer ORDER BY at"))
      ).map { (row) throws(DatabaseError) in try row.timestamp(0) }
      try #require(moments.count > 10)
      func check() throws {
        for moment in moments.flatMap({ [$0, $0 + .microseconds(1)] }) + [Timestamp.now()] {
          for account in [user, site.book.users[1], site.book.world.id] {
            let told = try site.connection.run(
              Command(
                Statement(
                  """
                  SELECT coalesce(sum(CASE WHEN kind NOT IN (1, 3) THEN 0 WHEN debit = $1 THEN -amount ELSE amount END), 0)
                           ::bigint AS posted,
                         (SELECT coalesce(sum(h.amount), 0)::bigint FROM \(s).transfer h WHERE h.kind = 2 AND h.debit = $1
                          AND h.at < $2 AND NOT EXISTS (SELECT FROM \(s).transfer r WHERE r.pending_id = h.id
                                                        AND r.at < $2)) AS pending
                  FROM \(s).transfer WHERE (debit = $1 OR credit = $1) AND at < $2
                  """), [.uuid(account), .timestamp(moment)])
            ).only
            let found = try store.find(account, before: moment, on: site.connection)
            #expect(try found?.balance == Balance(posted: told.int64(0), pending: told.int64(1)), "\(moment)")
          }
        }
      }
      try check()
      try site.seal(site.sealer(4))
      try check()
      try Self.checkDays(site)
      let now = try store.find(user, before: nil, on: site.connection)
      #expect(try store.find(user, before: .now() + .seconds(60), on: site.connection) == now)
      #expect(try store.find(UniqueID(high: 4, low: 4), before: .now(), on: site.connection) == nil)
    }
  }
}

extension Connection {
  fileprivate func int64(_ sql: String) throws -> Int64 { Int64(try int(sql)) }
}
