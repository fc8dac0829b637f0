import Bank
import LedgerDomain
import Postgres
import ProcessingDomain
import Processor
import Runtime
import Testing
import Values

/// What a processor owes a payment when an answer of the database is lost.
@Suite("Processor faults", .needsDatabase, .serialized)
struct ProcessorFaultTests {
  typealias Bench = ProcessorBench

  /// Has a transaction carried out and the answer to its COMMIT lost: its last statements wait for `table` until
  /// answers are held.
  private func lose(
    _ bench: Bench, _ forwarder: TCPForwarder, table: String, until committed: String, _ begin: () throws -> Void
  ) async throws {
    let blocker = try TestDatabase.open()
    try blocker.run([
      .begin, Command(Statement("LOCK TABLE \(bench.schema).\(table) IN ACCESS EXCLUSIVE MODE")),
    ])
    try begin()
    let watcher = try TestDatabase.open()
    try await eventually {
      try watcher.int(
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '\(bench.schema).\(table)'::regclass") > 0
    }
    forwarder.setHoldingAnswers(true)
    try blocker.run(.rollback)
    try await eventually { try bench.count(committed) > 0 }
    forwarder.setHoldingAnswers(false)
    forwarder.cut()
  }

  private func attempts(_ bench: Bench, _ call: BankCall = .charge) throws -> Int {
    try TestDatabase.open().int(
      "SELECT count(*) FROM \(bench.schema).attempt WHERE call = '\(call.rawValue)'")
  }

  @Test func `a claim whose answer was lost is asked for anew, and sent once`() async throws {
    try await Bench.with { bench in
      let bank = FakeBank(slots: 10)
      let forwarder = try DatabaseFaultTests.forwarder()
      try await bench.with(bank, port: forwarder.port) { processor in
        let outcome = Monitor<Result<[PaymentProcessor.Taken], any Error>?>(nil)
        try await lose(bench, forwarder, table: "event_wait", until: "stage = 'asked'") {
          _ = WorkerThread(name: "lane") {
            let result = Result {
              let connection = try Connection.open(
                TestDatabase.configuration(port: forwarder.port), logger: TestDatabase.quiet)
              while true {
                do {
                  return try processor.execute([Bench.terms(1)], on: connection)
                } catch let error as DatabaseError where error.code == .unavailable {
                  continue
                }
              }
            }
            outcome.update { $0 = result }
          }
        }
        let error = try #require(throws: DatabaseError.self) {
          try #require(outcome.wait(until: .now() + .seconds(10)) { $0 }).get()
        }
        #expect(error.code == .outcomeUnknown)
        // The message comes again meanwhile, and asks nothing.
        #expect(try await bench.execute([Bench.terms(1)], processor) == [.known])
        try await eventually { try bench.state(1) == "COMPLETED" }
      }
      #expect(bank.charges == [Bench.id(1): 1] && bank.free == 10)
      // What was asked for first was never sent.
      #expect(try attempts(bench) == 2)
    }
  }

  @Test func `asking whose answer was lost is done anew, and sent once`() async throws {
    try await Bench.with { bench in
      let bank = FakeBank(slots: 10)
      bank.setOpen(false)
      let forwarder = try DatabaseFaultTests.forwarder()
      try await bench.with(bank, port: forwarder.port) { processor in
        _ = try await bench.execute([Bench.terms(1)], processor)
        try await lose(bench, forwarder, table: "attempt", until: "stage = 'asked'") { bank.setOpen(true) }
        try await eventually { try bench.state(1) == "COMPLETED" }
      }
      #expect(bank.charges == [Bench.id(1): 1] && bank.free == 10)
      #expect(try attempts(bench) == 2)
    }
  }

  @Test func `the bank's answer is told until the tables have it`() async throws {
    try await Bench.with { bench in
      let gate = Gate()
      let bank = FakeBank(slots: 10) { _, _, _ in
        await gate.pass()
        return .approved
      }
      let forwarder = try DatabaseFaultTests.forwarder()
      try await bench.with(bank, port: forwarder.port, patience: .milliseconds(300)) { processor in
        _ = try await bench.execute([Bench.terms(1), Bench.terms(2)], processor)
        try await eventually { bank.underWay == 2 }
        // Nothing gets through for a while, then an answer is lost.
        forwarder.setAccepting(false)
        forwarder.cut()
        gate.open()
        try await eventually { bank.underWay == 0 }
        // Longer than a step waits.
        try await Task.sleep(for: .milliseconds(700))
        #expect(try bench.count("stage = 'asked'") == 2)
        // A message that comes again does not ask, though the tables look as if nothing was sent.
        #expect(try await bench.execute([Bench.terms(1)], processor) == [.known])
        try await lose(bench, forwarder, table: "event_wait", until: "state = 'COMPLETED'") {
          forwarder.setAccepting(true)
        }
        try await eventually { try bench.count("state = 'COMPLETED'") == 2 }
      }
      #expect(bank.charges == [Bench.id(1): 1, Bench.id(2): 1] && bank.free == 10)
      #expect(try attempts(bench) == 2)
      #expect(try TestDatabase.open().int("SELECT count(*) FROM \(bench.schema).exception") == 0)
      #expect(try bench.balance(of: Bench.payee).posted == 200)
    }
  }

  @Test func `what is committed too late is not sent under`() async throws {
    try await Bench.with { bench in
      let bank = FakeBank(slots: 10)
      bank.setOpen(false)
      try await bench.with(bank) { processor in
        _ = try await bench.execute([Bench.terms(1)], processor)
        let blocker = try TestDatabase.open()
        try blocker.run([
          .begin, Command(Statement("LOCK TABLE \(bench.schema).attempt IN ACCESS EXCLUSIVE MODE")),
        ])
        bank.setOpen(true)
        // Longer than the time within which a request is sent.
        try await Task.sleep(for: PaymentRules.sendWithin + .milliseconds(200))
        try blocker.run(.rollback)
        try await eventually { try bench.state(1) == "COMPLETED" }
      }
      #expect(bank.charges == [Bench.id(1): 1])
      #expect(try attempts(bench) == 2)
    }
  }

  @Test func `a card whose claim was lost is charged once`() async throws {
    try await Bench.with { bench in
      let bank = FakeBank(slots: 10)
      let forwarder = try DatabaseFaultTests.forwarder()
      try await bench.with(bank, role: .gateway, port: forwarder.port) { processor in
        let place = try #require(processor.reserveCard())
        let card = try Bench.card(1)
        try await lose(bench, forwarder, table: "event_wait", until: "stage = 'asked'") {
          processor.submit(card, at: place)
        }
        try await eventually { try bench.state(1) == "COMPLETED" }
      }
      #expect(bank.charges == [Bench.id(1): 1] && bank.free == 10)
      #expect(try attempts(bench) == 2)
    }
  }

  @Test func `a card whose row somebody holds for long waits on, and is charged`() async throws {
    try await Bench.with { bench in
      let bank = FakeBank(slots: 10)
      bank.setOpen(false)
      let gateway = try bench.processor(bank, role: .gateway, parameters: ["lock_timeout": "100ms"])
      gateway.start()
      let place = try #require(gateway.reserveCard())
      gateway.submit(try Bench.card(1), at: place)
      try await eventually { try bench.count("stage = 'ready'") == 1 }
      let blocker = try TestDatabase.open()
      try blocker.run([.begin, Command(Statement("SELECT id FROM \(bench.schema).payment FOR UPDATE"))])
      bank.setOpen(true)
      // Longer than a step waits for the row.
      try await Task.sleep(for: .milliseconds(700))
      try blocker.run(.rollback)
      try await eventually { try bench.count("stage = 'done'") == 1 }
      #expect(try bench.state(1) == "COMPLETED")
      try await blocking { gateway.stop(until: .now() + .seconds(1)) }
      #expect(bank.charges == [Bench.id(1): 1] && bank.free == 10)
    }
  }

  @Test func `what was committed too late is asked for anew also when somebody holds its row`() async throws {
    try await Bench.with { bench in
      let bank = FakeBank(slots: 10)
      bank.setOpen(false)
      let processor = try bench.processor(bank, lease: .seconds(1), parameters: ["lock_timeout": "100ms"])
      processor.start()
      _ = try await bench.execute([Bench.terms(1)], processor)
      try bench.script(
        """
        CREATE FUNCTION \(bench.schema).late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          IF NOT EXISTS (SELECT FROM \(bench.schema).attempt) THEN PERFORM pg_sleep(2.3); END IF;
          RETURN NEW;
        END $$;
        CREATE TRIGGER late BEFORE INSERT ON \(bench.schema).attempt
        FOR EACH ROW EXECUTE FUNCTION \(bench.schema).late()
        """)
      bank.setOpen(true)
      let watcher = try TestDatabase.open()
      try await eventually {
        try watcher.int(
          """
          SELECT count(*) FROM pg_locks
          WHERE mode = 'RowShareLock' AND relation = '\(bench.schema).payment'::regclass
          """) > 0
      }
      try await blocking {
        let blocker = try TestDatabase.open()
        // Granted as soon as "asked at" is committed.
        try blocker.run([.begin, Command(Statement("SELECT id FROM \(bench.schema).payment FOR UPDATE"))])
        // Longer than a step waits for the row, and than it takes to sweep.
        try blocker.run(Command(Statement("SELECT pg_sleep(1.2)")))
        try blocker.run(.rollback)
      }
      try await eventually { try bench.count("stage = 'done'") == 1 }
      #expect(try bench.state(1) == "COMPLETED")
      try await blocking { processor.stop(until: .now() + .seconds(1)) }
      #expect(bank.charges == [Bench.id(1): 1] && bank.free == 10)
    }
  }

  @Test func `an outage of the database loses no lease, and no card`() async throws {
    try await Bench.with { bench in
      let bank = FakeBank(slots: 10)
      bank.setOpen(false)
      let forwarder = try DatabaseFaultTests.forwarder()
      let gateway = try bench.processor(bank, role: .gateway, lease: .seconds(1), port: forwarder.port)
      gateway.start()
      let place = try #require(gateway.reserveCard())
      gateway.submit(try Bench.card(1), at: place)
      try await eventually { try bench.count("stage = 'ready'") == 1 }
      forwarder.setAccepting(false)
      forwarder.cut()
      try await eventually {
        try TestDatabase.open().int("SELECT count(*) FROM \(bench.schema).owner WHERE leased_until > now()") == 0
      }
      forwarder.setAccepting(true)
      bank.setOpen(true)
      try await eventually { try bench.count("stage = 'done'") == 1 }
      #expect(try bench.state(1) == "COMPLETED")
      try await blocking { gateway.stop(until: .now() + .seconds(1)) }
      #expect(bank.charges == [Bench.id(1): 1])
    }
  }

  @Test func `a review's decision is told again to whoever has made it`() async throws {
    try await Bench.with { bench in
      let bank = FakeBank(slots: 10)
      try await bench.with(bank) { processor in
        _ = try await bench.execute([Bench.terms(1)], processor)
        try await eventually { try bench.state(1) == "COMPLETED" }
        try bench.script(
          """
          INSERT INTO \(bench.schema).payment (id, user_id, payee_id, method, source, amount, currency, debit, credit,
            since, state, version, reason, stage, has_hold, inquiries, due)
          SELECT '\(Bench.id(2))', user_id, payee_id, method, source, amount, currency, debit, credit, now(), 'REVIEW', 3,
            'review_required', 'review', false, 0, now() + interval '1 h' FROM \(bench.schema).payment
          """)
        let decide = { (approves: Bool, person: String) in
          await processor.review(Bench.id(2), approves: approves, by: person, deadline: .now() + .seconds(9))
        }
        guard case .done(let payment) = await decide(true, "Ann") else { throw ProcessingStoreTests.TestFailure() }
        #expect(payment.stage == .ready && payment.reviewer == "Ann")
        try await eventually { try bench.state(2) == "COMPLETED" }
        guard case .done = await decide(true, "Ann") else { throw ProcessingStoreTests.TestFailure() }
        #expect(await decide(true, "Bob") == .refused(.alreadyFinal))
        #expect(await decide(false, "Ann") == .refused(.alreadyFinal))
      }
      #expect(bank.charges == [Bench.id(1): 1, Bench.id(2): 1])
    }
  }
}
