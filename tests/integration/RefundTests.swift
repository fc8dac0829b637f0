import Archive
import Bank
import DirectDomain
import LedgerDomain
import LedgerStore
import Logger
import Money
import Outbox
import Postgres
import ProcessingDomain
import ProcessingStore
import Runtime
import Synchronization
import Testing
import Values

@testable import Processor

@Suite("Refunds", .needsDatabase, .serialized)
struct RefundTests {
  typealias Bench = ProcessorBench

  private static func wish(
    _ number: Int, of payment: Int, _ amount: Int64? = nil, _ cause: RefundCause = .caller, note: String? = nil
  ) -> NewRefund {
    NewRefund(
      RefundOrder(
        id: UniqueID(high: 61, low: UInt64(number) << 4), origin: RefundOrigin(of: Bench.id(payment), cause: cause),
        amount: amount), note: note, requester: "shop (ann@desk)")
  }

  private func refund(
    _ processor: PaymentProcessor, _ wish: NewRefund
  ) async -> RefundAnswer { await processor.refund(wish, deadline: .now() + .seconds(20)) }

  /// Has payments completed that are paid through the bank, 100 each.
  private func pay(_ numbers: ClosedRange<Int>, _ bench: Bench, _ processor: PaymentProcessor) async throws {
    _ = try await bench.execute(numbers.map { Bench.terms($0) }, processor)
    try await eventually { try bench.count("state = 'COMPLETED' AND refund_of IS NULL") >= numbers.upperBound }
  }

  private func refunds(of payment: Int, _ bench: Bench) throws -> [StoredRefund] {
    try RefundReader(ProcessingTables(schema: bench.schema)).list(of: Bench.id(payment), on: TestDatabase.open())
  }

  @Test func `money goes back through the bank, in parts, and never more than was paid`() async throws {
    try await Bench.with { bench in
      let bank = FakeBank(slots: 10)
      try await bench.with(bank, role: .gateway) { processor in
        try await pay(1...1, bench, processor)
        let wish = Self.wish(1, of: 1, 60, note: "torn")
        guard case .done(let first, isRepetition: false) = await refund(processor, wish) else { throw BenchFailure() }
        #expect(first.stored.payment.state == .processing && first.note == "torn")
        #expect(first.stored.payment.requester == "shop (ann@desk)")
        try await eventually { try bench.count("state = 'COMPLETED' AND refund_of IS NOT NULL") == 1 }
        #expect(try bench.balance(of: Bench.payee) == Balance(posted: 40))
        let asked = try #require(bank.refunded(first.stored.payment.id))
        #expect(asked.chargeID == Bench.id(1) && asked.amount == Money(minorUnits: 60, Bench.euro))
        // The same wish again finds its refund; another one under its id does not.
        guard case .done(let again, isRepetition: true) = await refund(processor, wish) else { throw BenchFailure() }
        #expect(again.stored.payment.state == .completed && again.stored.payment.amount.minorUnits == 60)
        for (amount, note) in [(59, "torn"), (60, nil), (nil, "torn")] as [(Int64?, String?)] {
          #expect(await refund(processor, Self.wish(1, of: 1, amount, note: note)) == .differs)
        }
        #expect(await refund(processor, Self.wish(2, of: 1, 41)) == .refused(.exceedsPayment))
        guard case .done(let rest, _) = await refund(processor, Self.wish(3, of: 1)) else { throw BenchFailure() }
        #expect(rest.stored.payment.amount.minorUnits == 40 && rest.takesRest)
        try await eventually { try bench.count("state = 'COMPLETED' AND refund_of IS NOT NULL") == 2 }
        #expect(await refund(processor, Self.wish(4, of: 1)) == .refused(.exceedsPayment))
        #expect(await refund(processor, Self.wish(5, of: 9)) == .missing)
        #expect(try refunds(of: 1, bench).map(\.stored.payment.amount.minorUnits) == [60, 40])
        #expect(try bench.count("true") == 3)
      }
      #expect(try bench.balance(of: Bench.payee) == Balance())
      #expect(bank.count(.refund, UniqueID(high: 61, low: 1 << 4)) == 1 && bank.free == 10)
    }
  }

  @Test func `of many refunds at once as many are opened as the payment bears`() async throws {
    try await Bench.with { bench in
      try await bench.with(FakeBank(slots: 10)) { processor in
        try await pay(1...1, bench, processor)
        let opened = try await withThrowingTaskGroup(of: Bool.self) { group in
          for number in 1...16 {
            group.addTask {
              let results = try await blocking {
                try bench.store().open([Self.wish(number, of: 1, 30)], on: TestDatabase.open())
              }
              if case .opened = results[0] { return true }
              #expect(results == [.refused(.exceedsPayment)])
              return false
            }
          }
          return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(opened == 3)
        #expect(try bench.count("refund_of IS NOT NULL") == 3)
        // And the same wish of many callers is opened once.
        let once = try await withThrowingTaskGroup(of: Bool.self) { group in
          for _ in 1...8 {
            group.addTask {
              let results = try await blocking {
                try bench.store().open([Self.wish(20, of: 1, 10)], on: TestDatabase.open())
              }
              if case .opened = results[0] { return true }
              return false
            }
          }
          return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(once == 1)
        try await eventually { try bench.count("state = 'COMPLETED' AND refund_of IS NOT NULL") == 4 }
      }
      #expect(try bench.balance(of: Bench.payee) == Balance())
    }
  }

  @Test func `a balance goes back at once, and only while the payee has it`() async throws {
    try await Bench.with { bench in
      let mine = try bench.fund(Bench.payer, 200)
      let bank = FakeBank(slots: 10)
      try await bench.with(bank) { processor in
        _ = try await bench.execute([Bench.terms(1, .balance(accountID: mine))], processor)
        guard case .done(let refund, _) = await refund(processor, Self.wish(1, of: 1, 70)) else { throw BenchFailure() }
        #expect(refund.stored.payment.state == .completed && refund.stored.payment.version == 3)
        #expect(try bench.balance(of: Bench.payer) == Balance(posted: 170))
        #expect(try bench.balance(of: Bench.payee) == Balance(posted: 30))
        try bench.script("UPDATE \(bench.accountTable) SET posted = 29 WHERE posted = 30")
        #expect(await self.refund(processor, Self.wish(2, of: 1)) == .refused(.insufficientFunds))
        #expect(try bench.count("refund_of IS NOT NULL") == 1)
        // A repeated payment is no refund, and a refund is not paid back.
        let back = NewRefund(
          RefundOrder(
            id: UniqueID(high: 62, low: 0), origin: RefundOrigin(of: refund.stored.payment.id, cause: .caller),
            amount: nil))
        #expect(await self.refund(processor, back) == .refused(.notRefundable))
        let taken = NewRefund(
          RefundOrder(id: Bench.id(1), origin: RefundOrigin(of: Bench.id(1), cause: .caller), amount: 5))
        #expect(await self.refund(processor, taken) == .differs)
      }
      #expect(bank.order.isEmpty)
      let events = try TestDatabase.open().run(
        Command(
          Statement("SELECT convert_from(payload, 'UTF8') FROM \(bench.schema).event WHERE key = $1 ORDER BY seq"),
          [.text(UniqueID(high: 61, low: 1 << 4).description)])
      ).map { try PaymentResult(try $0.bytes(0)) }
      #expect(events.map(\.state) == [.processing, .completed] && events.allSatisfy { $0.refundOf == Bench.id(1) })
    }
  }

  @Test func `a refund whose answer is lost becomes UNKNOWN, is asked about, and is not made again`() async throws {
    try await Bench.with { bench in
      let bank = FakeBank(slots: 10) { call, _, number in
        if call == .refund { return .unclear }
        return call == .inquire && number == 1 ? .unclear : .approved
      }
      try await bench.with(bank) { processor in
        try await pay(1...1, bench, processor)
        guard case .done(let opened, _) = await refund(processor, Self.wish(1, of: 1)) else { throw BenchFailure() }
        let id = opened.stored.payment.id
        try await eventually { try bench.count("state = 'UNKNOWN' AND refund_of IS NOT NULL AND has_hold") == 1 }
        try await eventually {
          try bench.script("UPDATE \(bench.schema).due SET at = now()")
          return try bench.count("state = 'COMPLETED' AND refund_of IS NOT NULL") == 1
        }
        #expect(bank.count(.refund, id) == 1 && bank.count(.inquire, id) == 2)
      }
      #expect(try bench.balance(of: Bench.payee) == Balance())
    }
  }

  @Test func `what the bank refuses stays with the payee, and may be given back by another refund`() async throws {
    try await Bench.with { bench in
      let bank = FakeBank(slots: 10) { call, id, _ in
        call == .refund && id == UniqueID(high: 61, low: 1 << 4) ? .declined : .approved
      }
      try await bench.with(bank) { processor in
        try await pay(1...1, bench, processor)
        _ = await refund(processor, Self.wish(1, of: 1))
        try await eventually { try bench.count("state = 'REJECTED' AND reason = 'bank_declined'") == 1 }
        #expect(try bench.balance(of: Bench.payee) == Balance(posted: 100))
        _ = await refund(processor, Self.wish(2, of: 1))
        try await eventually { try bench.count("state = 'COMPLETED' AND refund_of IS NOT NULL") == 1 }
      }
    }
  }

  @Test func `without room at the bank a refund waits in the tables`() async throws {
    try await Bench.with { bench in
      let bank = FakeBank(slots: 10)
      try await bench.with(bank) { processor in
        try await pay(1...1, bench, processor)
        bank.setOpen(false)
        _ = await refund(processor, Self.wish(1, of: 1))
        #expect(try bench.count("stage = 'ready' AND has_hold AND refund_of IS NOT NULL") == 1)
        bank.setOpen(true)
        try await eventually { try bench.count("state = 'COMPLETED' AND refund_of IS NOT NULL") == 1 }
      }
    }
  }

  @Test func `an archived payment is given back, and a repeated wish finds its archived refund`() async throws {
    try await Bench.with { bench in
      try await bench.with(FakeBank(slots: 10)) { processor in
        try await pay(1...1, bench, processor)
        _ = await refund(processor, Self.wish(1, of: 1, 60))
        try await eventually { try bench.count("state = 'COMPLETED' AND refund_of IS NOT NULL") == 1 }
        func archive() throws {
          let connection = try TestDatabase.open()
          try connection.script("DELETE FROM \(bench.schema).event")
          var walk = ArchiveWalk(ProcessingArchive.plan(ProcessingTables(schema: bench.schema)), olderThan: .zero)
          #expect(try walk.step(size: 10, on: connection).moved == 1)
          #expect(try bench.count("true") == 0)
        }
        try archive()
        #expect(try refunds(of: 1, bench).map(\.stored.payment.amount.minorUnits) == [60])
        guard case .done(_, isRepetition: true) = await refund(processor, Self.wish(1, of: 1, 60)) else {
          throw BenchFailure()
        }
        try archive()
        #expect(await refund(processor, Self.wish(2, of: 1, 41)) == .refused(.exceedsPayment))
        guard case .done(let rest, isRepetition: false) = await refund(processor, Self.wish(3, of: 1)) else {
          throw BenchFailure()
        }
        #expect(rest.stored.payment.amount.minorUnits == 40)
        try await eventually { try bench.count("state = 'COMPLETED' AND refund_of IS NOT NULL") == 2 }
      }
      #expect(try bench.balance(of: Bench.payee) == Balance())
    }
  }

  // MARK: - What nobody asks for

  private func automatic(
    _ bench: Bench, _ processor: PaymentProcessor, _ policy: OrderDeadPolicy = .refund,
    logger: Logger = TestDatabase.quiet
  ) throws -> AutomaticRefunds {
    AutomaticRefunds(
      SerialConnection(try TestDatabase.configuration(), logger: TestDatabase.quiet, stop: StopFlag()),
      reader: RefundReader(ProcessingTables(schema: bench.schema)), policy: policy, processor: processor,
      logger: logger)
  }

  private func exceptions(_ bench: Bench, _ condition: String) throws -> Int {
    try TestDatabase.open().int("SELECT count(*) FROM \(bench.schema).exception WHERE \(condition)")
  }

  @Test func `a dead order's payment is given back once, as far as it was not before`() async throws {
    try await Bench.with { bench in
      let bank = FakeBank(slots: 10)
      try await bench.with(bank) { processor in
        try await pay(1...3, bench, processor)
        guard case .done = await refund(processor, Self.wish(1, of: 2, 30)) else { throw BenchFailure() }
        guard case .done = await refund(processor, Self.wish(2, of: 3)) else { throw BenchFailure() }
        try bench.script(
          """
          INSERT INTO \(bench.schema).exception (payment_id, kind)
          SELECT id, 'order_dead' FROM \(bench.schema).payment WHERE refund_of IS NULL
          """)
        let holding = try automatic(bench, processor, .hold)
        try await blocking { _ = holding.run() }
        #expect(try bench.count("cause = 'order_dead'") == 0)
        let refunds = try automatic(bench, processor)
        let second = try automatic(bench, processor)
        try await blocking {
          _ = refunds.run()
          _ = second.run()
        }
        try await eventually { try bench.count("state = 'COMPLETED' AND cause = 'order_dead'") == 2 }
        let amounts = try (1...3).map { try self.refunds(of: $0, bench).map(\.stored.payment.amount.minorUnits) }
        #expect(amounts == [[100], [30, 70], [100]])
        #expect(bank.count(.refund, AutomaticRefunds.id(of: RefundOrigin(of: Bench.id(1), cause: .orderDead))) == 1)
        // The third had gone back before: a person has to say so.
        let closing = try automatic(bench, processor)
        try await blocking { _ = closing.run() }
        #expect(try exceptions(bench, "closed_at IS NULL AND payment_id = '\(Bench.id(3))'") == 1)
        #expect(try exceptions(bench, "closed_by = 'paysaga' AND note LIKE 'given back by refund %'") == 2)
        for each in [holding, refunds, second, closing] { each.stop(until: .now()) }
      }
      #expect(try bench.balance(of: Bench.payee) == Balance())
    }
  }

  private func dies(_ numbers: ClosedRange<Int>, _ bench: Bench) throws { try contradict(numbers, .orderDead, bench) }

  private func contradict(_ numbers: ClosedRange<Int>, _ kind: PaymentException, _ bench: Bench) throws {
    for number in numbers {
      try bench.script(
        "INSERT INTO \(bench.schema).exception (payment_id, kind) VALUES ('\(Bench.id(number))', '\(kind.rawValue)')")
    }
  }

  /// Payments that the bank declines, and says to have charged afterwards.
  private func chargedAllTheSame(
    _ numbers: ClosedRange<Int>, _ bench: Bench, _ processor: PaymentProcessor
  ) async throws {
    _ = try await bench.execute(numbers.map { Bench.terms($0) }, processor)
    try await eventually { try bench.count("state = 'REJECTED'") == numbers.count }
    try contradict(numbers, .chargedNotCompleted, bench)
  }

  @Test func `what a refused refund leaves of a dead order's payment is given back, too`() async throws {
    try await Bench.with { bench in
      let mine = UniqueID(high: 61, low: 1 << 4)
      let isRefused = Mutex(false)
      let bank = FakeBank(slots: 10) { call, id, _ in
        guard id == mine else { return .approved }
        return isRefused.withLock(\.self) ? .declined : .unclear
      }
      try await bench.with(bank) { processor in
        try await pay(1...1, bench, processor)
        guard case .done = await refund(processor, Self.wish(1, of: 1, 40)) else { throw BenchFailure() }
        try await eventually { try bench.count("state = 'UNKNOWN' AND id = '\(mine)'") == 1 }
        try self.dies(1...1, bench)
        // Each sees to it for the first time, so that it also closes what is settled.
        func look() async throws {
          let refunds = try automatic(bench, processor)
          try await blocking { _ = refunds.run() }
          refunds.stop(until: .now())
        }
        try await look()
        try await eventually { try bench.count("state = 'COMPLETED' AND cause = 'order_dead'") == 1 }
        try await look()
        #expect(try exceptions(bench, "closed_at IS NULL") == 1, "40 may still be refused")
        #expect(try bench.count("cause = 'order_dead'") == 1)
        isRefused.withLock { $0 = true }
        try await eventually {
          try bench.script("UPDATE \(bench.schema).due SET at = now()")
          return try bench.count("state = 'REJECTED' AND id = '\(mine)'") == 1
        }
        try await look()
        try await eventually { try bench.count("state = 'COMPLETED' AND cause = 'order_dead'") == 2 }
        #expect(try refunds(of: 1, bench).map(\.stored.payment.amount.minorUnits) == [40, 60, 40])
        try await look()
        let ids = (0...1).map {
          AutomaticRefunds.id(of: RefundOrigin(of: Bench.id(1), cause: .orderDead), earlier: $0).description
        }
        #expect(try exceptions(bench, "note = 'given back by refund \(ids.joined(separator: ", "))'") == 1)
        try await look()
        #expect(try bench.count("refund_of IS NOT NULL") == 3)
      }
      #expect(try bench.balance(of: Bench.payee) == Balance())
    }
  }

  @Test func `an automatic refund that the bank refuses is not made again`() async throws {
    try await Bench.with { bench in
      let bank = FakeBank(slots: 10) { call, _, _ in call == .refund ? .declined : .approved }
      try await bench.with(bank) { processor in
        try await pay(1...1, bench, processor)
        try self.dies(1...1, bench)
        let refunds = try automatic(bench, processor)
        try await blocking { _ = refunds.run() }
        try await eventually { try bench.count("state = 'REJECTED' AND cause = 'order_dead'") == 1 }
        try await blocking { _ = refunds.run() }
        #expect(try bench.count("refund_of IS NOT NULL") == 1)
        #expect(try exceptions(bench, "closed_at IS NULL") == 1)
        refunds.stop(until: .now())
      }
    }
  }

  @Test func `an automatic refund that was never made is made again, a few times`() async throws {
    try await Bench.with { bench in
      let bank = FakeBank(slots: 10) { call, _, _ in call == .charge ? .declined : .unclear }
      try await bench.with(bank) { processor in
        try await chargedAllTheSame(1...1, bench, processor)
        let refunds = try automatic(bench, processor)
        for number in 1...6 {
          try await blocking { _ = refunds.run() }
          let made = min(number, 5)
          try await eventually { try bench.count("refund_of IS NOT NULL AND state <> 'PROCESSING'") == made }
          #expect(try bench.count("refund_of IS NOT NULL") == made)
          // The bank knows of none, and acknowledges the reversal.
          try await blocking {
            let store = bench.store()
            let connection = try TestDatabase.open()
            for refund in try self.refunds(of: 1, bench) where !refund.stored.payment.state.isFinal {
              let id = refund.stored.payment.id
              _ = try store.apply(
                [StepRequest(id, .stated(.reversed, covering: nil))], by: nil, on: connection)
            }
          }
          #expect(try bench.count("refund_of IS NOT NULL AND state = 'ERROR'") == made)
        }
        // Then it is for a person, and the charge is put aside, once.
        #expect(try exceptions(bench, "closed_at IS NULL") == 1)
        refunds.stop(until: .now())
        let suspense = LedgerAccount.ours(.suspense, Bench.euro).id
        let aside = try await blocking { [ledger = bench.ledger] in
          try ledger.balances(of: [suspense], on: TestDatabase.open())
        }
        #expect(aside[suspense] == Balance(posted: 100))
      }
    }
  }

  @Test func `a payment that cannot be given back is told, passed over, and stops no other`() async throws {
    try await Bench.with { bench in
      let lines = Mutex<[String]>([])
      let logger = Logger(label: "test") { line in
        lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) }
      }
      func told(_ text: String) -> Int { lines.withLock { $0.count { $0.contains("cannot") && $0.contains(text) } } }
      try await bench.with(FakeBank(slots: 10)) { processor in
        try await pay(1...3, bench, processor)
        try self.dies(1...3, bench)
        // As a trigger or a constraint of somebody else.
        try bench.script(
          """
          CREATE FUNCTION \(bench.schema).refuse() RETURNS trigger LANGUAGE plpgsql AS $$
          BEGIN
            IF NEW.refund_of = '\(Bench.id(1))' THEN RAISE EXCEPTION 'not this one'; END IF;
            RETURN NEW;
          END $$;
          CREATE TRIGGER refuse BEFORE INSERT ON \(bench.schema).payment FOR EACH ROW
          EXECUTE FUNCTION \(bench.schema).refuse()
          """)
        let refunds = try automatic(bench, processor, logger: logger)
        try await blocking { _ = refunds.run() }
        try await eventually { try bench.count("state = 'COMPLETED' AND cause = 'order_dead'") == 2 }
        #expect(told("not this one") == 1 && told("\(Bench.id(1))") == 1, "\(lines.withLock(\.self))")
        // It comes again after a while, not at once.
        try bench.script("DROP TRIGGER refuse ON \(bench.schema).payment")
        try await blocking { _ = refunds.run() }
        #expect(try bench.count("cause = 'order_dead'") == 2)
        refunds.stop(until: .now())
        // Without the table it is told as well.
        try bench.script("ALTER TABLE \(bench.schema).exception RENAME TO elsewhere")
        let lost = try automatic(bench, processor, logger: logger)
        try await blocking { _ = lost.run() }
        #expect(told("exception") == 1, "\(lines.withLock(\.self))")
        lost.stop(until: .now())
      }
    }
  }

  @Test func `a charge without a payment is put aside and given back`() async throws {
    try await Bench.with { bench in
      let bank = FakeBank(slots: 10) { call, _, number in call == .charge ? .declined : .approved }
      try await bench.with(bank) { processor in
        _ = try await bench.execute([Bench.terms(1)], processor)
        try await eventually { try bench.count("state = 'REJECTED'") == 1 }
        // A late word of the bank.
        try await blocking {
          _ = try bench.store().apply(
            [StepRequest(Bench.id(1), .inquired(.approved, askedAt: .now()))], by: nil, on: TestDatabase.open())
        }
        #expect(try exceptions(bench, "kind = 'charged_not_completed' AND closed_at IS NULL") == 1)
        let refunds = try automatic(bench, processor)
        try await blocking { _ = refunds.run() }
        try await eventually { try bench.count("state = 'COMPLETED' AND cause = 'charged_not_completed'") == 1 }
        let closing = try automatic(bench, processor)
        try await blocking { _ = closing.run() }
        #expect(try exceptions(bench, "closed_at IS NULL") == 0)
        for each in [refunds, closing] { each.stop(until: .now()) }
      }
      #expect(try bench.state(1) == "REJECTED bank_declined")
      let ours = [LedgerAccount.Kind.clearing, .suspense].map { LedgerAccount.ours($0, Bench.euro).id }
      let balances = try await blocking { [ledger = bench.ledger] in
        let connection = try TestDatabase.open()
        try connection.run(ledger.fold())
        return try ledger.balances(of: ours, on: connection)
      }
      for account in ours { #expect(balances[account] == Balance()) }
    }
  }

  private func release(
    _ number: Int, to target: SuspenseTarget, _ bench: Bench, log: OperationLog
  ) async throws -> SuspenseRelease {
    try await blocking {
      try bench.store().release(
        Bench.id(number), to: target, by: "ann", note: "the bank\nagrees", log: log, on: TestDatabase.open())
    }
  }

  @Test func `a charge that cannot go back is moved out of suspense once, also from the archive`() async throws {
    try await Bench.with { bench in
      let log = OperationLog(try OutboxTables(schema: bench.schema, channel: "test_processing"))
      let clearing = LedgerAccount.ours(.clearing, Bench.euro).id
      let suspense = LedgerAccount.ours(.suspense, Bench.euro).id
      let isRefused = Mutex(false)
      let bank = FakeBank(slots: 10) { call, _, _ in
        call == .charge || isRefused.withLock(\.self) ? .declined : .unclear
      }
      func release(_ number: Int, to target: SuspenseTarget) async throws -> SuspenseRelease {
        try await self.release(number, to: target, bench, log: log)
      }
      let mine = try bench.fund(Bench.payer, 5)
      try await bench.with(bank) { processor in
        _ = try await bench.execute([Bench.terms(1)], processor)
        try await eventually { try bench.count("state = 'REJECTED'") == 1 }
        #expect(try await release(1, to: .fees) == .notPutAside)
        #expect(try await release(2, to: .fees) == .missing)
        try contradict(1...1, .chargedNotCompleted, bench)
        let refunds = try automatic(bench, processor)
        try await blocking { _ = refunds.run() }
        try await eventually { try bench.count("state = 'UNKNOWN' AND refund_of IS NOT NULL") == 1 }
        #expect(try await release(1, to: .fees) == .goesBack)
        isRefused.withLock { $0 = true }
        try await eventually {
          try bench.script("UPDATE \(bench.schema).due SET at = now()")
          return try bench.count("state = 'REJECTED' AND refund_of IS NOT NULL") == 1
        }
        // Only to users, besides what has a word.
        for other in [UniqueID.random(), clearing, suspense] {
          #expect(try await release(1, to: .user(other)) == .refused(.unknownAccount(other)))
        }
        let dollars = UniqueID.random()
        try await blocking { [ledger = bench.ledger] in
          let holder = LedgerStore.Holder(owner: Bench.payer, currency: Currency("USD")!)
          _ = try TestDatabase.open().run([ledger.open([holder], newID: { dollars })])
        }
        #expect(try await release(1, to: .user(dollars)) == .refused(.otherCurrency(dollars)))
        #expect(try exceptions(bench, "closed_at IS NULL") == 1)
        // Somebody closes the exception, so that the payment goes to the archive.
        try bench.script(
          """
          UPDATE \(bench.schema).exception SET closed_at = now(), closed_by = 'bob', note = 'later';
          DELETE FROM \(bench.schema).event
          """)
        var walk = ArchiveWalk(ProcessingArchive.plan(ProcessingTables(schema: bench.schema)), olderThan: .zero)
        #expect(try walk.step(size: 10, on: TestDatabase.open()).moved == 1)
        let movement = TransferRequest.Movement(
          id: TransferID.of(Bench.id(1), .release), debit: suspense, credit: mine,
          amount: Money(minorUnits: 100, Bench.euro))
        #expect(try await release(1, to: .user(mine)) == .done(movement, isRepetition: false))
        #expect(try await release(1, to: .user(mine)) == .done(movement, isRepetition: true))
        #expect(try await release(1, to: .world) == .refused(.differs(.credit)))
        #expect(try exceptions(bench, "closed_by = 'ann' AND note = 'the bank agrees'") == 1)
        // A statement lists it once more, when the refund looks as if it could be made again.
        try bench.script(
          """
          UPDATE \(bench.schema).exception SET closed_at = NULL;
          UPDATE \(bench.schema).payment SET state = 'ERROR' WHERE refund_of IS NOT NULL
          """)
        let again = try automatic(bench, processor)
        try await blocking { _ = again.run() }
        #expect(try bench.count("refund_of IS NOT NULL") == 1)
        #expect(try exceptions(bench, "closed_at IS NOT NULL AND closed_by = 'ann' AND note = 'the bank agrees'") == 1)
        for each in [refunds, again] { each.stop(until: .now()) }
      }
      let (balances, entries) = try await blocking { [ledger = bench.ledger] in
        let connection = try TestDatabase.open()
        return (
          try ledger.balances(of: [mine, suspense], on: connection),
          try log.entries(action: .suspenseRelease, limit: 9, on: connection)
        )
      }
      #expect(balances == [mine: Balance(posted: 105), suspense: Balance()])
      #expect(entries.map(\.actor) == ["ann"] && entries[0].key == Bench.id(1).description)
      #expect(entries.first?.detail?.hasSuffix("to account \(mine): the bank agrees") == true)
    }
  }

  @Test func `a charge that the bank has never made comes back to clearing once statements are complete`() async throws
  {
    try await Bench.with { bench in
      let log = OperationLog(try OutboxTables(schema: bench.schema, channel: "test_processing"))
      let tables = ProcessingTables(schema: bench.schema)
      let bank = FakeBank(slots: 10) { _, _, _ in .declined }
      try await bench.with(bank) { processor in
        try await chargedAllTheSame(1...1, bench, processor)
        let refunds = try automatic(bench, processor)
        try await blocking { _ = refunds.run() }
        try await eventually { try bench.count("state = 'REJECTED' AND refund_of IS NOT NULL") == 1 }
        let reader = ClearingReader(LedgerTables(schema: bench.ledgerSchema))
        func clearing() async throws -> (days: [ClearingDay], settlements: [OneSidedTransfer]) {
          try await blocking {
            let connection = try TestDatabase.open()
            let (from, to) = (Timestamp.now() + .seconds(-86_400), Timestamp.now() + .seconds(86_400))
            return (
              try reader.days(from: from, to: to, on: connection),
              try reader.oneSided(from: from, to: to, settlementsOnly: true, limit: 9, on: connection)
            )
          }
        }
        #expect(try await clearing().days.map(\.openCount) == [1])
        #expect(try await release(1, to: .clearing, bench, log: log) == .notCovered)
        // What the bank was asked a day ago it knows by now.
        try bench.script(
          "UPDATE \(bench.schema).attempt SET asked_at = asked_at - interval '1 day' WHERE payment_id = '\(Bench.id(1))'"
        )
        try await blocking {
          let now = Timestamp.now()
          try StatementStore(tables).insert(
            ReconciledStatement(
              digest: [UInt8](repeating: 0, count: 32), name: "empty", period: now + .seconds(-200_000)...now,
              counts: ReconciledStatement.Counts()),
            on: TestDatabase.open())
        }
        guard case .done(let movement, isRepetition: false) = try await release(1, to: .clearing, bench, log: log)
        else {
          Issue.record("it is not moved")
          return
        }
        #expect(movement.credit == LedgerAccount.ours(.clearing, Bench.euro).id)
        #expect(try await release(1, to: .clearing, bench, log: log) == .done(movement, isRepetition: true))
        #expect(try await release(1, to: .fees, bench, log: log) == .refused(.differs(.credit)))
        let balances = try await blocking { [ledger = bench.ledger] in
          try ledger.balances(
            of: [.clearing, .suspense].map { LedgerAccount.ours($0, Bench.euro).id }, on: TestDatabase.open())
        }
        #expect(balances.values.allSatisfy { $0 == Balance() })
        let after = try await clearing()
        #expect(after.days.allSatisfy { $0.openCount == 0 } && after.settlements.isEmpty)
        #expect(try exceptions(bench, "closed_by = 'ann'") == 1)
        // A statement lists it after all.
        let settlement = TransferRequest.Movement(
          id: TransferID.of(Bench.id(1), .settlement), debit: LedgerAccount.ours(.world, Bench.euro).id,
          credit: LedgerAccount.ours(.clearing, Bench.euro).id, amount: movement.amount)
        try await blocking { [ledger = bench.ledger] in
          _ = try ledger.settle([settlement], on: TestDatabase.open())
        }
        try bench.script("UPDATE \(bench.schema).exception SET closed_at = NULL")
        let again = try automatic(bench, processor)
        try await blocking { _ = again.run() }
        #expect(try exceptions(bench, "closed_at IS NULL") == 1)
        #expect(try await clearing().settlements.map(\.id) == [settlement.id])
        for each in [refunds, again] { each.stop(until: .now()) }
      }
    }
  }

  @Test func `of refunds and moves out of suspense at once a charge has one`() async throws {
    try await Bench.with { bench in
      let log = OperationLog(try OutboxTables(schema: bench.schema, channel: "test_processing"))
      let numbers = 1...6
      let bank = FakeBank(slots: 10) { call, _, _ in call == .charge ? .declined : .unclear }
      var moved = 0
      try await bench.with(bank) { processor in
        try await chargedAllTheSame(numbers, bench, processor)
        let refunds = try automatic(bench, processor)
        try await blocking { _ = refunds.run() }
        refunds.stop(until: .now())
        try await eventually { try bench.count("state = 'UNKNOWN'") == numbers.count }
        // None was made, so that each may be made again.
        try await blocking {
          let ids = try numbers.flatMap { try self.refunds(of: $0, bench).map(\.stored.payment.id) }
          _ = try bench.store().apply(
            ids.map { StepRequest($0, .stated(.reversed, covering: nil)) }, by: nil, on: TestDatabase.open())
        }
        #expect(try bench.count("state = 'ERROR'") == numbers.count)
        for number in numbers {
          let done = try await withThrowingTaskGroup(of: (moved: Int, back: Int).self) { group in
            for target in [SuspenseTarget.fees, .world, .fees, .world] {
              group.addTask {
                let result = try await self.release(number, to: target, bench, log: log)
                if case .done(_, isRepetition: false) = result { return (1, 0) }
                return (0, 0)
              }
            }
            for place in 0..<4 {
              group.addTask {
                let wish = Self.wish(number * 10 + place, of: number, nil, .chargedNotCompleted)
                let results = try await blocking { try bench.store().open([wish], on: TestDatabase.open()) }
                if case .opened = results[0] { return (0, 1) }
                #expect(results == [.refused(.exceedsPayment)])
                return (0, 0)
              }
            }
            return try await group.reduce((moved: 0, back: 0)) { ($0.moved + $1.moved, $0.back + $1.back) }
          }
          #expect(done.moved + done.back == 1, "payment \(number)")
          moved += done.moved
        }
      }
      let suspense = LedgerAccount.ours(.suspense, Bench.euro).id
      let left = try await blocking { [ledger = bench.ledger] in
        try ledger.balances(of: [suspense], on: TestDatabase.open())
      }
      let back = Int64(100 * (numbers.count - moved))
      #expect(left[suspense] == Balance(posted: back, pending: back))
    }
  }

  @Test func `an automatic refund waits for a payee who has spent the money`() async throws {
    try await Bench.with { bench in
      let bank = FakeBank(slots: 10)
      try await bench.with(bank) { processor in
        try await pay(1...1, bench, processor)
        try await blocking { [ledger = bench.ledger] in _ = try TestDatabase.open().run(ledger.fold()) }
        try bench.script(
          """
          UPDATE \(bench.accountTable) SET posted = 40 WHERE posted = 100;
          INSERT INTO \(bench.schema).exception (payment_id, kind) VALUES ('\(Bench.id(1))', 'order_dead')
          """)
        let refunds = try automatic(bench, processor)
        try await blocking { _ = refunds.run() }
        let id = AutomaticRefunds.id(of: RefundOrigin(of: Bench.id(1), cause: .orderDead))
        #expect(try bench.count("id = '\(id)' AND stage = 'ready' AND NOT has_hold") == 1)
        #expect(try exceptions(bench, "kind = 'refund_refused' AND payment_id = '\(id)' AND closed_at IS NULL") == 1)
        // It is looked at again and again, and a person is told once.
        try bench.script(
          "UPDATE \(bench.schema).exception SET closed_at = now() WHERE kind = 'refund_refused'; "
            + "UPDATE \(bench.schema).due SET at = now()")
        try await eventually {
          try TestDatabase.open().int("SELECT count(*) FROM \(bench.schema).due WHERE at > now()") == 1
        }
        #expect(try exceptions(bench, "kind = 'refund_refused' AND closed_at IS NULL") == 0)
        #expect(bank.count(.refund, id) == 0)
        try bench.script(
          "UPDATE \(bench.accountTable) SET posted = 100 WHERE posted = 40; "
            + "UPDATE \(bench.schema).due SET at = now()")
        try await eventually { try bench.count("id = '\(id)' AND state = 'COMPLETED'") == 1 }
        refunds.stop(until: .now())
      }
      #expect(try bench.balance(of: Bench.payee) == Balance())
    }
  }

  @Test func `a row that is no refund of ours is refused by its table`() async throws {
    try await Bench.with { bench in
      try await bench.with(FakeBank(slots: 10)) { processor in
        try await pay(1...1, bench, processor)
        guard case .done = await refund(processor, Self.wish(1, of: 1, 60)) else { throw BenchFailure() }
        try await eventually { try bench.count("state = 'COMPLETED'") == 2 }
        let isRefund = "refund_of IS NOT NULL"
        for (change, of) in [
          ("cause = NULL", isRefund), ("takes_rest = NULL", isRefund), ("refund_of = id", isRefund),
          ("refund_of = NULL", isRefund), ("cause = 'because'", isRefund), ("order_id = 7", isRefund),
          ("source = '4711'", isRefund), ("note = ''", isRefund), ("note = repeat('x', 501)", isRefund),
          ("note = 'x'", "refund_of IS NULL"), ("cause = 'caller'", "refund_of IS NULL"),
          ("takes_rest = true", "refund_of IS NULL"),
        ] {
          #expect(throws: DatabaseError.self, "\(change)") {
            try bench.script("UPDATE \(bench.schema).payment SET \(change) WHERE \(of)")
          }
        }
      }
    }
  }

  struct BenchFailure: Error {}
}
