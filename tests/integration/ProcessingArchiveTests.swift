import DirectDomain
import LedgerDomain
import LedgerStore
import Money
import Postgres
import ProcessingDomain
import ProcessingStore
import RiskDomain
import Runtime
import Synchronization
import Testing
import Values

@testable import Archive

/// Nothing that is archived is ever claimed or charged again, whoever comes first.
@Suite("Archive of processing", .needsDatabase)
struct ProcessingArchiveTests {
  typealias House = ProcessingStoreTests.House

  // MARK: - What moves

  @Test func `a payment moves with its refunds and attempts once nothing of it is open`() throws {
    try House.with { house, schema in
      let ids = try house.charge(1...8)
      let connection = house.connection
      try connection.script(
        """
        DELETE FROM event WHERE key <> '\(ids[1])';
        INSERT INTO settlement (payment_id, order_id) VALUES ('\(ids[2])', 1);
        INSERT INTO exception (payment_id, kind, closed_at) VALUES ('\(ids[3])', 'a', NULL), ('\(ids[4])', 'b', now());
        \(refund("01", of: ids[5], stage: "ready", state: "PROCESSING", due: "now()"))
        \(refund("02", of: ids[6])) \(refund("03", of: ids[6]))
        INSERT INTO attempt (payment_id, asked_at, call) SELECT id, now(), 'refund' FROM payment WHERE refund_of IS NOT NULL
        """)
      try connection.script(
        """
        UPDATE payment SET reviewer = 'anna', requested_by = 'shop' WHERE id = '\(ids[6])';
        UPDATE payment SET requested_by = 'cara' WHERE refund_of = '\(ids[6])';
        INSERT INTO exception (payment_id, kind, closed_at, closed_by, note)
        SELECT id, 'refund_refused', now(), 'bert', 'paid' FROM payment WHERE refund_of = '\(ids[6])' ORDER BY id LIMIT 1
        """)
      let stored = try ids.map { try house.store.find($0, on: connection) }
      let trails = PaymentTrails(ProcessingTables(schema: schema))
      let trail = try trails.find(ids[6], on: connection)
      #expect(trail.canceller == "shop" && trail.refunds.map(\.requester) == ["cara", "cara"])
      #expect(trail.reviewer == "anna" && trail.attempts.map(\.call) == ["charge", "refund", "refund"])
      #expect(trail.attempts[0].answer == "approved" && trail.attempts[1].answeredAt == nil)
      #expect(trail.refunds.map(\.amount.minorUnits) == [1, 1] && trail.refunds[0].cause == "caller")
      #expect(trail.exceptions.map(\.closedBy) == ["bert"] && trail.exceptions[0].operationID == trail.refunds[0].id)
      #expect(try house.archive(olderThan: .seconds(3_600)) == 0)
      #expect(try house.archive() == 4)
      #expect(try house.archive() == 0)
      #expect(try connection.ids("SELECT id FROM payment_archive") == [ids[0], ids[4], ids[6], ids[7]])
      #expect(try connection.int("SELECT count(*) FROM refund_archive WHERE refund_of = '\(ids[6])'") == 2)
      #expect(try connection.int("SELECT count(*) FROM attempt_archive") == 6)
      #expect(try connection.int("SELECT count(*) FROM attempt_archive WHERE filed_under = '\(ids[6])'") == 3)
      #expect(try connection.int("SELECT count(*) FROM attempt") == 5)
      #expect(try connection.int("SELECT count(*) FROM all_payment") == 11)
      #expect(try connection.int("SELECT count(*) FROM all_attempt") == 11)
      #expect(try ids.map { try house.store.find($0, on: connection) } == stored)
      #expect(try trails.find(ids[6], on: connection) == trail)
      #expect(try trails.find(UniqueID.random(), on: connection).attempts == [])
      let refund = try connection.ids("SELECT id FROM refund_archive")[0]
      #expect(try house.store.find(refund, on: connection)?.payment.id == refund)
      #expect(try connection.int("SELECT count(*) FROM payment_archive_197001") == 4)
    }
  }

  private func refund(
    _ number: String, of payment: UniqueID, stage: String = "done", state: String = "COMPLETED", due: String = "NULL"
  ) -> String {
    """
    INSERT INTO payment (id, user_id, payee_id, method, amount, currency, debit, credit, since, state, version, stage,
                         has_hold, inquiries, due, refund_of, cause, takes_rest)
    SELECT 'ffffffff-0000-0000-0000-0000000000\(number)', user_id, payee_id, method, 1, currency, credit, debit, now(),
           '\(state)', 2, '\(stage)', false, 0, \(due), id, 'caller', false FROM payment WHERE id = '\(payment)';
    """
  }

  @Test func `an archive has the columns of its live table`() throws {
    try House.with { house, _ in
      let payment = try house.connection.columns(of: "payment")
      for table in ["payment_archive", "refund_archive", "all_payment"] {
        #expect(try house.connection.columns(of: table) == payment)
      }
      let attempt = try house.connection.columns(of: "attempt")
      #expect(try house.connection.columns(of: "attempt_archive") == ["filed_under uuid"] + attempt)
      #expect(try house.connection.columns(of: "all_attempt") == attempt)
    }
  }

  // MARK: - Whoever comes again

  /// The two orders in which a claim and the mover can meet: the mover has deleted the row when the claim inserts, or
  /// the claim has seen the row and waits for its lock.
  @Test(arguments: [true, false])
  func `a claim that meets the mover finds the payment archived`(isDeletedFirst: Bool) throws {
    try House.with { house, schema in
      let (store, claim, new) = (house.store, house.claim, [house.new(1, asks: true), house.new(2)])
      try meet(house, schema, isDeletedFirst: isDeletedFirst) { connection in
        guard case .done(let results) = try store.claim(new, by: claim, on: connection) else { return nil }
        // The other payment of the batch is claimed all the same.
        guard case .looked = results[1] else { return nil }
        return results[0]
      }
    }
  }

  @Test(arguments: [true, false])
  func `a cancel of an unclaimed payment that meets the mover finds it archived`(isDeletedFirst: Bool) throws {
    try House.with { house, schema in
      let (store, ends) = (house.store, [house.new(1), house.new(2)].map { UnclaimedPayment($0, ends: .cancelled) })
      try meet(house, schema, isDeletedFirst: isDeletedFirst) { try store.end(ends, on: $0)[0] }
    }
  }

  /// Has `body` ask for a payment that is just being archived.
  private func meet(
    _ house: House, _ schema: String, isDeletedFirst: Bool,
    _ body: @escaping @Sendable (Connection) throws -> RequestResult?
  ) throws {
    let id = try house.charge(1...1)[0]
    try house.connection.script("DELETE FROM event")
    let stored = try #require(try house.store.find(id, on: house.connection))
    let plan = ProcessingArchive.plan(ProcessingTables(schema: schema))
    let mover = try TestDatabase.open(schema: schema)
    try plan.months.make(
      ArchiveMonth(name: "any", first: .init(high: 0, low: 0), end: .init(high: 99, low: 0)), on: mover)
    let lock = Command(
      plan.lock, [.uuid(UniqueID(high: 0, low: 0)), .uuid(UniqueID(high: 99, low: 0)), .int64(9), .interval(.zero)])
    #expect(try mover.run([.begin, lock])[1].only.bool(1))
    if isDeletedFirst { try mover.run(plan.move([id])) }
    let result = Mutex<Result<RequestResult?, any Error>?>(nil)
    let thread = WorkerThread(name: "again") {
      let found = Result { try body(TestDatabase.open(schema: schema)) }
      result.withLock { $0 = found }
    }
    // It waits: for the transaction that has deleted the row, or for the row's lock.
    let deadline = Instant.now() + .seconds(20)
    while try house.connection.int(
      "SELECT count(*) FROM pg_locks w JOIN pg_locks h ON h.transactionid = w.transactionid AND h.granted"
        + " WHERE NOT w.granted AND h.pid = \(try mover.int("SELECT pg_backend_pid()"))") == 0
    {
      try #require(Instant.now() < deadline)
    }
    if !isDeletedFirst { try mover.run(plan.move([id])) }
    try mover.run(.commit)
    thread.join()
    #expect(try result.withLock { $0 }?.get() == .known(stored))
    try expectUntouched(house, [id])
  }

  @Test func `whatever is archived is never executed again`() throws {
    try House.with { house, _ in
      let ids = try house.charge(1...3)
      try house.connection.script("DELETE FROM event")
      let stored = try ids.map { try #require(try house.store.find($0, on: house.connection)) }
      #expect(try house.archive() == 3)
      let again = (1...3).map { house.new($0, asks: true) }
      #expect(try house.claimed(again) == stored.map { .known($0) })
      #expect(
        try house.claimed(again + [house.new(4, .account, .block)]).prefix(3) == stored.map { .known($0) }.prefix(3))
      #expect(
        try house.store.end(again.map { UnclaimedPayment($0, ends: .cardLost) }, on: house.connection)
          == stored.map { .known($0) })
      try expectUntouched(house, ids)
    }
  }

  /// Not one row, attempt, event or posting more than one payment each has.
  private func expectUntouched(_ house: House, _ ids: [UniqueID]) throws {
    let list = ids.map { "'\($0)'" }.joined(separator: ", ")
    #expect(try house.connection.ids("SELECT id FROM payment WHERE id IN (\(list))") == [])
    #expect(try house.connection.ids("SELECT id FROM payment_archive") == ids)
    #expect(try house.connection.int("SELECT count(*) FROM attempt WHERE payment_id IN (\(list))") == 0)
    #expect(try house.connection.int("SELECT count(*) FROM attempt_archive") == ids.count)
    #expect(try house.connection.int("SELECT count(*) FROM event WHERE key IN (\(list))") == 0)
    let balances = try house.ledger.balances(of: house.users, on: house.connection)
    #expect(balances[house.users[1]] == Balance(posted: Int64(100 * ids.count)))
  }

  /// A month that is dropped takes its payments with it, and none of them comes back.
  @Test func `a message older than what is kept is refused`() throws {
    try House.with { house, _ in
      try house.connection.script(
        "INSERT INTO archive_floor (below) VALUES ('\(UniqueID(high: 50, low: 3 << 4))')")
      let live = try house.claimed([house.new(3)])
      let results = try house.claimed([house.new(1), house.new(2), house.new(3)])
      let old = RequestResult.unreadable("it is older than what is kept")
      #expect(results.prefix(2) == [old, old])
      guard case .looked(let step)? = live.first else { throw TestFailure() }
      #expect(results[2] == .known(step.stored))
      #expect(try house.store.end([UnclaimedPayment(house.new(1), ends: .cancelled)], on: house.connection) == [old])
      #expect(try house.connection.ids("SELECT id FROM payment") == [UniqueID(high: 50, low: 3 << 4)])
    }
  }

  @Test func `old months are dropped as a whole, and younger ones stay`() throws {
    try House.with { house, schema in
      let ids = try house.charge(1...2)
      let connection = house.connection
      let young = UniqueID.lowest(at: .now() + .seconds(-100 * 86_400))
      try connection.script(
        """
        DELETE FROM event;
        \(refund("07", of: ids[0]))
        UPDATE payment SET id = '\(young)' WHERE id = '\(ids[1])';
        UPDATE attempt SET payment_id = '\(young)' WHERE payment_id = '\(ids[1])'
        """)
      #expect(try house.archive() == 2)
      let plan = ProcessingArchive.plan(ProcessingTables(schema: schema))
      // Whatever is kept for a hundred years is never too old.
      #expect(try plan.drop(olderThan: .seconds(36_500 * 86_400), on: connection).flatMap(\.tables) == [])
      #expect(try connection.ids("SELECT below FROM archive_floor") == [UniqueID(high: 0, low: 0)])
      guard case .known? = try house.claimed([house.new(1)]).first else { throw TestFailure() }
      // A process was killed between detaching a month and dropping it.
      try connection.script("ALTER TABLE payment_archive DETACH PARTITION payment_archive_197001")
      let dropped = try plan.drop(olderThan: .seconds(200 * 86_400), on: connection)
      #expect(dropped.flatMap(\.troubles).map { "\($0)" } == [])
      #expect(
        dropped.map(\.tables) == [["payment_archive_197001"], ["refund_archive_197001"], ["attempt_archive_197001"]])
      #expect(try connection.ids("SELECT id FROM all_payment") == [young])
      #expect(try connection.int("SELECT count(*) FROM all_attempt") == 1)
      #expect(try house.claimed([house.new(1)]) == [.unreadable("it is older than what is kept")])
      #expect(try connection.ids("SELECT below FROM archive_floor")[0] < young)
      // A floor never comes down.
      _ = try plan.drop(olderThan: .seconds(300 * 86_400), on: connection)
      #expect(try house.claimed([house.new(1)]) == [.unreadable("it is older than what is kept")])
      #expect(try plan.drop(olderThan: .seconds(1), on: connection).map(\.tables.count) == [1, 1, 1])
    }
  }

  struct TestFailure: Error {}

  // MARK: - Steps

  @Test func `a step finds an archived payment, and what it opens is seen to`() throws {
    try House.with { house, schema in
      let ids = try house.charge(1...2, answer: .declined)
      let connection = house.connection
      try connection.script("DELETE FROM event; \(refund("07", of: ids[0]))")
      #expect(try house.archive() == 2)
      // Somebody cancels: it is final.
      guard case .looked(let cancelled)? = try house.applied([StepRequest(ids[1], .cancel)]).first else {
        throw TestFailure()
      }
      #expect(cancelled.outcome == .refused(.alreadyFinal))
      #expect(try house.archive() == 1)
      // The bank says that it has charged after all.
      let late = StepRequest(ids[0], .charged(.approved, askedAt: .now()))
      guard case .looked(let step)? = try house.applied([late]).first else { throw TestFailure() }
      #expect(step.outcome == .contradicted(.chargedNotCompleted))
      #expect(step.stored.payment.state == .rejected)
      #expect(try connection.int("SELECT count(*) FROM exception WHERE closed_at IS NULL") == 1)
      #expect(try connection.int("SELECT count(*) FROM payment") == 2)
      // What the bank was asked before is with it again.
      let asked = "SELECT count(*) FROM attempt WHERE payment_id = '\(ids[0])' AND answer = 'declined'"
      #expect(try connection.int(asked) == 1)
      #expect(try house.archive() == 0)
      try connection.script("UPDATE exception SET closed_at = now()")
      #expect(try house.archive() == 1)
      #expect(try connection.int("SELECT count(*) FROM refund_archive") == 1)
      // A step of its refund finds both.
      let refund = try connection.ids("SELECT id FROM refund_archive")[0]
      guard case .looked = try house.applied([StepRequest(refund, .cancel)]).first else { throw TestFailure() }
      #expect(try connection.ids("SELECT id FROM payment") == [ids[0], refund])
      #expect(try house.applied([StepRequest(UniqueID(high: 1, low: 1), .cancel)]) == [.missing])
    }
  }

  @Test func `what a statement says of an archived payment is kept once, beside what the bank was asked`() throws {
    try House.with { house, _ in
      let ids = try house.charge(1...1)
      let connection = house.connection
      try connection.script("DELETE FROM event; UPDATE attempt SET card_token = 'tok'")
      let said = AttemptAnswer(
        askedAt: Timestamp(microseconds: 0), answer: .declined, detail: "statement a.csv, line 2")
      for round in 1...3 {
        #expect(try house.archive() == 1)
        let word = StepRequest(ids[0], .stated(.declined, covering: nil), answer: said)
        guard case .looked(let step)? = try house.applied([word]).first else { throw TestFailure() }
        #expect(step.outcome == .contradicted(.completedNotCharged), "\(round)")
        #expect(try connection.int("SELECT count(*) FROM attempt_archive") == 0)
        #expect(try connection.int("SELECT count(*) FROM attempt WHERE call = 'charge' AND card_token = 'tok'") == 1)
        #expect(try connection.int("SELECT count(*) FROM attempt WHERE call = 'statement'") == 1)
        try connection.script("UPDATE exception SET closed_at = now()")
      }
    }
  }

  // MARK: - Beside each other

  /// While payments are archived and brought back, messages come again and people ask, each with no more patience for a
  /// lock than 50 ms.
  @Test func `nobody waits 50 ms for the mover, and every payment stays the one that it is`() throws {
    try House.with { house, schema in
      let numbers = 1...600 as ClosedRange<UInt64>
      let ids = try house.charge(numbers)
      try house.connection.script("DELETE FROM event")
      let (store, claim, all) = (house.store, house.claim, numbers.map { house.new($0, asks: true) })
      let failures = Mutex<[String]>([])
      let isOver = Mutex(false)
      func thread(_ name: String, _ body: @escaping @Sendable (Connection, Int) throws -> Void) -> WorkerThread {
        WorkerThread(name: name) {
          do {
            let connection = try TestDatabase.open(schema: schema)
            try connection.script("SET lock_timeout = '50ms'; SET enable_seqscan = off")
            var round = 0
            while !isOver.withLock(\.self) {
              try body(connection, round)
              round += 1
            }
          } catch {
            failures.withLock { $0.append("\(name): \(error)") }
          }
        }
      }
      let plan = ProcessingArchive.plan(ProcessingTables(schema: schema))
      let moved = Mutex(0)
      let threads = [
        thread("mover") { connection, round in
          var walk = ArchiveWalk(plan, olderThan: .milliseconds(1))
          var pace = ArchivePace()
          while !isOver.withLock(\.self) {
            let start = Instant.now()
            let batch = try walk.step(size: pace.size, on: connection)
            _ = pace.note(Instant.now() - start)
            moved.withLock { $0 += batch.moved }
          }
        },
        thread("messages") { connection, round in
          let new = (0..<20).map { all[(round * 20 + $0) % 600] }
          guard case .done(let results) = try store.claim(new, by: claim, on: connection),
            results.allSatisfy({ if case .known(let stored) = $0 { stored.payment.state == .completed } else { false } }
            )
          else { throw TestFailure() }
        },
        thread("people") { connection, round in
          let id = ids[round * 7 % 600]
          guard case .done(let results) = try store.apply([StepRequest(id, .cancel)], by: nil, on: connection),
            case .looked(let step)? = results.first, step.outcome == .refused(.alreadyFinal)
          else { throw TestFailure() }
          guard try store.find(id, on: connection) != nil else { throw TestFailure() }
        },
      ]
      let end = Instant.now() + .seconds(3)
      var seen: Set<Int> = []
      while Instant.now() < end, failures.withLock(\.isEmpty) {
        seen.insert(try house.connection.int("SELECT count(*) FROM all_payment"))
      }
      isOver.withLock { $0 = true }
      for thread in threads { thread.join() }
      #expect(failures.withLock(\.self) == [])
      #expect(seen == [600])
      #expect(moved.withLock(\.self) > 600)
      #expect(try house.connection.int("SELECT count(DISTINCT id) FROM all_payment WHERE state = 'COMPLETED'") == 600)
      #expect(try house.connection.int("SELECT count(*) FROM all_attempt") == 600)
      #expect(try house.connection.int("SELECT count(*) FROM event") == 0)
    }
  }
}

extension Connection {
  /// The ids of a query, in their order.
  func ids(_ sql: String) throws -> [UniqueID] {
    try run(Command(Statement(sql))).map { try $0.uuid(0) }.sorted()
  }
}

extension ProcessingStoreTests.House {
  /// Claims account payments, asks the bank and takes its answer in.
  func charge(_ numbers: ClosedRange<UInt64>, answer: BankAnswer = .approved) throws -> [UniqueID] {
    var ids: [UniqueID] = []
    for start in stride(from: numbers.lowerBound, through: numbers.upperBound, by: 200) {
      let new = (start...min(start + 199, numbers.upperBound)).map { self.new($0, asks: true) }
      let steps = try claimed(new).map { result in
        guard case .looked(let step) = result else { throw ProcessingArchiveTests.TestFailure() }
        return StepRequest(
          step.stored.payment.id, .charged(answer, askedAt: step.at),
          answer: AttemptAnswer(askedAt: step.at, answer: answer, detail: "200"))
      }
      _ = try applied(steps)
      ids += new.map(\.id)
    }
    return ids
  }

  func claimed(_ new: [NewPayment]) throws -> [RequestResult] {
    guard case .done(let results) = try store.claim(new, by: claim, on: connection) else {
      throw ProcessingArchiveTests.TestFailure()
    }
    return results
  }

  func applied(_ requests: [StepRequest]) throws -> [RequestResult] {
    guard case .done(let results) = try store.apply(requests, by: nil, on: connection) else {
      throw ProcessingArchiveTests.TestFailure()
    }
    return results
  }

  /// Archives whatever is finished, a few at a time. - Returns: how many payments were moved.
  func archive(olderThan age: Duration = .zero) throws -> Int {
    let connection = try TestDatabase.open(schema: schema)
    var walk = ArchiveWalk(ProcessingArchive.plan(ProcessingTables(schema: schema)), olderThan: age)
    var moved = 0
    while true {
      let batch = try walk.step(size: 3, on: connection)
      moved += batch.moved
      if batch.isOver { return moved }
    }
  }
}
