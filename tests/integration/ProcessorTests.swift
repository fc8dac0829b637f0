import Cards
import DirectDomain
import Foundation
import LedgerDomain
import LedgerStore
import Metrics
import Migrator
import Money
import Outbox
import Postgres
import ProcessingDomain
import ProcessingSchema
import ProcessingSettings
import ProcessingStore
import RiskDomain
import RiskStore
import Runtime
import Testing
import Values

@testable import Processor

/// Tables of their own, and processors on them.
final class ProcessorBench: Sendable {
  static let euro = Currency("EUR")!
  static let payer = UniqueID(high: 7, low: 1)
  static let payee = UniqueID(high: 7, low: 2)

  let schema: String
  let ledger: LedgerStore
  let leases: OwnerLeases
  private let riskSchema: String
  let ledgerSchema: String
  /// The ledger's table of accounts.
  var accountTable: String { "\(ledgerSchema).account" }
  private let outbox: OutboxTables

  static func with(_ body: (ProcessorBench) async throws -> Void) async throws {
    try await TestDatabase.withSchemaAsync { schema in
      try await TestDatabase.withSchemaAsync { ledger in
        try await TestDatabase.withSchemaAsync { risk in
          try await body(ProcessorBench(schema, ledger: ledger, risk: risk))
        }
      }
    }
  }

  private init(_ schema: String, ledger ledgerSchema: String, risk: String) throws {
    self.schema = schema
    self.ledgerSchema = ledgerSchema
    riskSchema = risk
    outbox = try OutboxTables(schema: schema, channel: "test_processing")
    for line in try ProcessingSchema.lines(schema: schema, ledger: ledgerSchema, risk: risk, outbox: outbox) {
      try Migrator(configuration: TestDatabase.configuration(), line: line, logger: TestDatabase.quiet).up()
    }
    ledger = LedgerStore(LedgerTables(schema: ledgerSchema))
    leases = OwnerLeases(ProcessingTables(schema: schema))
  }

  /// - Parameters:
  ///   - port: where a forwarder to the database listens.
  ///   - parameters: of the sessions.
  func processor(
    _ bank: FakeBank, role: PaymentProcessor.Role = .processor, rules: PaymentRules = PaymentRules(),
    lease: Duration = .seconds(30), cards: Int = 100, port: UInt16? = nil, patience: Duration = .seconds(10),
    parameters: [String: String] = [:]
  ) throws -> PaymentProcessor {
    var options = ProcessorOptions()
    options.rules = rules
    options.lease = lease
    options.poolSize = 2
    options.cardQueue = cards
    return PaymentProcessor(
      options, role, store: store(rules), ledger: ledger, leases: leases, bank: bank,
      database: try TestDatabase.configuration(
        port: port, parameters: ["enable_seqscan": "off"].merging(parameters) { $1 }), program: "test",
      patience: patience, logger: TestDatabase.quiet, metrics: MetricsRegistry(), onCommit: {})
  }

  func store(_ rules: PaymentRules = PaymentRules()) -> ProcessingStore {
    ProcessingStore(
      ProcessingTables(schema: schema), ledger: ledger,
      // Many payments of one user are no risk here.
      risk: RiskBook(RiskTables(schema: riskSchema), rules: RiskRules(rules: [])),
      outbox: OutboxWriter(outbox, shards: ShardMap(count: 64)), engine: PaymentEngine(rules: rules),
      topic: "direct.results")
  }

  /// Runs `body` with a processor that works.
  func with(
    _ bank: FakeBank, role: PaymentProcessor.Role = .processor, rules: PaymentRules = PaymentRules(),
    cards: Int = 100, port: UInt16? = nil, patience: Duration = .seconds(10), stopWithin grace: Duration = .seconds(10),
    _ body: (PaymentProcessor) async throws -> Void
  ) async throws {
    let processor = try processor(bank, role: role, rules: rules, cards: cards, port: port, patience: patience)
    processor.start()
    do {
      try await body(processor)
    } catch {
      try? await blocking { processor.stop(until: .now() + .seconds(2)) }
      throw error
    }
    try await blocking { processor.stop(until: .now() + grace) }
  }

  static func id(_ number: Int) -> UniqueID { UniqueID(high: 60, low: UInt64(number) << 4) }

  static func terms(
    _ number: Int, _ source: PaymentInstruction.Source? = .account(number: "4711"), payer: UniqueID = payer,
    orderID: Int64? = nil
  ) -> PaymentTerms {
    PaymentTerms(
      paymentID: id(number), userID: payer, payeeID: payee, source: source, amount: Money(minorUnits: 100, euro),
      orderID: orderID)
  }

  /// As a lane of the inbox does it.
  func execute(
    _ terms: [PaymentTerms], _ processor: PaymentProcessor, port: UInt16? = nil
  ) async throws -> [PaymentProcessor.Taken] {
    try await blocking {
      let connection = try Connection.open(TestDatabase.configuration(port: port), logger: TestDatabase.quiet)
      while true {
        do {
          return try processor.execute(terms, on: connection)
        } catch let error as DatabaseError where error.code == .unavailable {
          continue
        }
      }
    }
  }

  /// An account with money on it.
  func fund(_ owner: UniqueID, _ amount: Int64) throws -> UniqueID {
    let connection = try TestDatabase.open()
    let holder = LedgerStore.Holder(owner: owner, currency: Self.euro)
    try connection.run([ledger.open([Self.euro]), ledger.open([holder], newID: { UniqueID.random() })])
    let account = try #require(try ledger.accounts(connection.run(ledger.find([holder])))[holder])
    let movement = TransferRequest.Movement(
      id: UniqueID(high: 8, low: UInt64.random(in: 1...(1 << 40)) << 4),
      debit: LedgerAccount.ours(.world, Self.euro).id, credit: account, amount: Money(minorUnits: amount, Self.euro))
    try connection.transaction { connection throws(DatabaseError) in
      var batch = try ledger.batch(connection.run(ledger.reads([movement])))
      #expect(batch.decide(.single(movement)) == .created)
      try connection.run(ledger.writes(batch))
    }
    return account
  }

  /// State and reason of a payment; nil when there is none.
  func state(_ number: Int) throws -> String? {
    try TestDatabase.open().run(
      Command(
        Statement("SELECT state || coalesce(' ' || reason, '') FROM \(schema).payment WHERE id = $1"),
        [.uuid(Self.id(number))])
    ).first.map { try $0.text(0) }
  }

  func count(_ condition: String) throws -> Int {
    try TestDatabase.open().int("SELECT count(*) FROM \(schema).payment WHERE \(condition)")
  }

  func balance(of owner: UniqueID) throws -> Balance {
    let connection = try TestDatabase.open()
    let holder = LedgerStore.Holder(owner: owner, currency: Self.euro)
    let account = try #require(try ledger.accounts(connection.run(ledger.find([holder])))[holder])
    return try #require(try ledger.balances(of: [account], on: connection)[account])
  }

  func script(_ sql: String) throws { try TestDatabase.open().script(sql) }

  static func card(_ number: Int) throws -> CardPayment {
    let json = #"{"number":"4242424242424242","cvv":"123","exp_month":12,"exp_year":2040}"#
    var scanner = try JSONScanner(Array(json.utf8), maximumBytes: 1_000)
    let details = try CardDetails(reading: &scanner)
    let card = try PaymentCard(details, at: Timestamp.now())
    return CardPayment(terms(number, nil), card: card, fingerprints: [Array(repeating: 1, count: 32)])
  }
}

@Suite("Processor", .needsDatabase, .serialized)
struct ProcessorTests {
  typealias Bench = ProcessorBench

  @Test func `each method is paid, and only from an account of the payer`() async throws {
    try await Bench.with { bench in
      let bank = FakeBank(slots: 10)
      let mine = try bench.fund(Bench.payer, 150)
      try await bench.with(bank) { processor in
        let other = UniqueID(high: 7, low: 9)
        let taken = try await bench.execute(
          [
            Bench.terms(1), Bench.terms(2, .token("tok")), Bench.terms(3, .balance(accountID: mine)),
            Bench.terms(4, .balance(accountID: mine)), Bench.terms(5, .balance(accountID: mine), payer: other),
          ], processor)
        #expect(taken == [.claimed, .claimed, .claimed, .claimed, .refused])
        let place = try #require(processor.reserveCard())
        processor.submit(try Bench.card(6), at: place)
        try await eventually { try bench.count("state = 'COMPLETED'") == 4 }
        #expect(try bench.state(4) == "REJECTED insufficient_funds")
        #expect(try bench.state(5) == "REJECTED ledger_refused")
        #expect(try await bench.execute([Bench.terms(1), Bench.terms(5)], processor) == [.known, .known])
      }
      #expect(bank.charges == [Bench.id(1): 1, Bench.id(2): 1, Bench.id(6): 1])
      #expect(bank.digits(Bench.id(6)) == 16)
      #expect(bank.free == 10)
      #expect(try bench.balance(of: Bench.payee) == Balance(posted: 400))
      #expect(try bench.balance(of: Bench.payer) == Balance(posted: 50))
      // A clean stop leaves nothing behind.
      let connection = try TestDatabase.open()
      #expect(try connection.int("SELECT count(*) FROM \(bench.schema).owner") == 0)
      #expect(try connection.int("SELECT count(*) FROM \(bench.schema).claim") == 0)
      #expect(try connection.int("SELECT count(*) FROM \(bench.schema).attempt WHERE answer = 'approved'") == 3)
    }
  }

  @Test func `a message that comes again while the bank is asked asks nothing`() async throws {
    try await Bench.with { bench in
      let gate = Gate()
      let bank = FakeBank(slots: 10) { _, _, _ in
        await gate.pass()
        return .approved
      }
      try await bench.with(bank) { processor in
        #expect(try await bench.execute([Bench.terms(1), Bench.terms(1)], processor) == [.claimed, .known])
        try await eventually { bank.underWay == 1 }
        for _ in 0..<5 { #expect(try await bench.execute([Bench.terms(1)], processor) == [.known]) }
        gate.open()
        try await eventually { try bench.state(1) == "COMPLETED" }
        #expect(try await bench.execute([Bench.terms(1)], processor) == [.known])
      }
      #expect(bank.charges == [Bench.id(1): 1] && bank.free == 10)
    }
  }

  @Test func `what a dead process had asked for becomes UNKNOWN and is asked about, not charged again`() async throws {
    try await Bench.with { bench in
      let never = Gate()
      let dead = FakeBank(slots: 10) { _, _, _ in
        await never.pass()
        return .approved
      }
      let first = try bench.processor(dead, role: .gateway)
      first.start()
      _ = try await bench.execute([Bench.terms(1)], first)
      let place = try #require(first.reserveCard())
      dead.setOpen(false)
      first.submit(try Bench.card(2), at: place)
      try await eventually { try bench.count("stage = 'ready'") == 1 && dead.underWay == 1 }
      let bank = FakeBank(slots: 10)
      // Its lease ends, as if it had been stopped.
      try bench.script("UPDATE \(bench.schema).owner SET leased_until = now() - interval '1 s'")
      let second = try bench.processor(bank, lease: .seconds(1))
      second.start()
      try await eventually { try bench.state(1) == "COMPLETED" }
      #expect(try bench.state(2) == "ERROR card_data_lost")
      #expect(bank.charges.isEmpty && bank.count(.inquire, Bench.id(1)) == 1)
      // It goes on and tells what it was told: nothing changes.
      never.open()
      try await blocking {
        first.stop(until: .now() + .seconds(1))
        second.stop(until: .now() + .seconds(5))
      }
      #expect(try bench.state(1) == "COMPLETED")
      #expect(dead.charges == [Bench.id(1): 1])
      #expect(try bench.balance(of: Bench.payee) == Balance(posted: 100))
    }
  }

  @Test func `what the bank is asked is in the tables before, a row a call`() async throws {
    try await Bench.with { bench in
      let gates: [BankCall: Gate] = [.charge: Gate(), .inquire: Gate(), .reverse: Gate()]
      let bank = FakeBank(slots: 10) { call, _, _ in
        await gates[call]?.pass()
        return call == .charge ? .unclear : call == .inquire ? .noSuchPayment : .reversed
      }
      func attempts() throws -> [String] {
        let rows = "SELECT call || coalesce(' ' || answer, '') FROM \(bench.schema).attempt ORDER BY asked_at"
        return try TestDatabase.open().run(Command(Statement(rows))).map { try $0.text(0) }
      }
      try await bench.with(bank, rules: PaymentRules(bankTimeout: .zero, bankHorizon: .zero)) { processor in
        _ = try await bench.execute([Bench.terms(1)], processor)
        try await eventually { bank.count(.charge, Bench.id(1)) == 1 }
        #expect(try attempts() == ["charge"])
        gates[.charge]?.open()
        try await eventually { bank.count(.inquire, Bench.id(1)) == 1 }
        #expect(try attempts() == ["charge unclear", "inquire"])
        // By now the bank knows what it was asked for, so that its answer counts.
        try bench.script("UPDATE \(bench.schema).payment SET asked_at = asked_at - interval '1 minute'")
        gates[.inquire]?.open()
        try await eventually { bank.count(.reverse, Bench.id(1)) == 1 }
        #expect(try attempts() == ["charge unclear", "inquire no_such_payment", "reverse"])
        gates[.reverse]?.open()
        try await eventually { try bench.state(1) == "ERROR bank_never_charged" }
      }
      #expect(try attempts() == ["charge unclear", "inquire no_such_payment", "reverse reversed"])
      #expect(bank.order.count == 3)
    }
  }

  @Test func `thousands wait for a slow bank, and nothing else waits for them`() async throws {
    try await Bench.with { bench in
      let gate = Gate()
      let bank = FakeBank(slots: 5_000) { _, _, _ in
        await gate.pass()
        return .approved
      }
      let mine = try bench.fund(Bench.payer, 100)
      try await bench.with(bank) { processor in
        for first in stride(from: 0, to: 3_000, by: 250) {
          _ = try await bench.execute((first..<first + 250).map { Bench.terms($0 + 1) }, processor)
        }
        try await eventually { bank.underWay == 3_000 }
        _ = try await bench.execute([Bench.terms(4_000, .balance(accountID: mine))], processor)
        #expect(try bench.state(4_000) == "COMPLETED")
        gate.open()
        try await eventually { try bench.count("state = 'COMPLETED'") == 3_001 }
      }
      #expect(bank.charges.count == 3_000 && bank.charges.values.allSatisfy { $0 == 1 })
      #expect(bank.mostUnderWay == 3_000 && bank.free == 5_000)
      #expect(try bench.balance(of: Bench.payee) == Balance(posted: 300_100))
    }
  }

  @Test func `without room at the bank payments wait in the tables, and go on as soon as there is some`() async throws {
    try await Bench.with { bench in
      let bank = FakeBank(slots: 3)
      bank.setOpen(false)
      try await bench.with(bank) { processor in
        _ = try await bench.execute((1...50).map { Bench.terms($0) }, processor)
        let place = try #require(processor.reserveCard())
        processor.submit(try Bench.card(51), at: place)
        try await eventually { try bench.count("stage = 'ready'") == 51 }
        #expect(try bench.count("claim_owner IS NOT NULL") == 1, "only the card is somebody's")
        let opened = Instant.now()
        bank.setOpen(true)
        try await eventually { try bench.count("state = 'COMPLETED'") == 51 }
        // Woken by the bank: by polls alone it would take 17 s.
        #expect(Instant.now() - opened < .seconds(5))
      }
      #expect(bank.mostUnderWay <= 3 && bank.free == 3)
      #expect(bank.charges.count == 51 && bank.charges.values.allSatisfy { $0 == 1 })
    }
  }

  @Test(arguments: [false, true])
  func `a newcomer does not pass who waits for the bank`(isCard: Bool) async throws {
    try await Bench.with { bench in
      let bank = FakeBank(slots: 1)
      bank.setOpen(false)
      try await bench.with(bank, role: isCard ? .gateway : .processor) { processor in
        func arrive(_ number: Int) async throws {
          if isCard {
            processor.submit(try Bench.card(number), at: try #require(processor.reserveCard()))
          } else {
            _ = try await bench.execute([Bench.terms(number)], processor)
          }
        }
        try await arrive(1)
        try await eventually { try bench.count("stage = 'ready'") == 1 }
        if isCard { try await eventually { processor.waitingCards.count == 1 } }
        // There is room, and whoever waits has not heard of it yet.
        bank.setOpen(true, wakes: false)
        try await arrive(2)
        try await eventually { try bench.count("state = 'COMPLETED'") == 2 }
      }
      #expect(bank.order == [Bench.id(1), Bench.id(2)])
    }
  }

  @Test func `what was not sent is asked for again, and a card only while it may wait`() async throws {
    try await Bench.with { bench in
      let bank = FakeBank(slots: 4) { call, id, number in id == Bench.id(3) || number == 1 ? .notSent : .approved }
      try await bench.with(bank, rules: PaymentRules(cardWait: .seconds(3))) { processor in
        _ = try await bench.execute([Bench.terms(1)], processor)
        for number in [2, 3] {
          let place = try #require(processor.reserveCard())
          processor.submit(try Bench.card(number), at: place)
        }
        try await eventually { try bench.count("stage = 'done'") == 3 }
        #expect(try bench.state(1) == "COMPLETED")
        #expect(try bench.state(2) == "COMPLETED")
        #expect(try bench.state(3) == "ERROR bank_unavailable")
      }
      #expect(bank.charges[Bench.id(1)] == 2 && bank.charges[Bench.id(2)] == 2 && bank.free == 4)
      #expect(try bench.balance(of: Bench.payee) == Balance(posted: 200))
    }
  }

  @Test func `a cancel and the bank never both have their way`() async throws {
    try await Bench.with { bench in
      let bank = FakeBank(slots: 100)
      try await bench.with(bank) { processor in
        let answers = await withTaskGroup(of: (Int, PaymentAnswer).self) { group in
          for number in 1...60 {
            group.addTask { (number, await processor.cancel(Bench.terms(number), deadline: .now() + .seconds(20))) }
            if number % 3 == 0 {
              _ = try? await bench.execute([number - 2, number - 1, number].map { Bench.terms($0) }, processor)
            }
          }
          return await group.reduce(into: [Int: PaymentAnswer]()) { $0[$1.0] = $1.1 }
        }
        try await eventually { try bench.count("stage = 'done'") == 60 }
        for (number, answer) in answers {
          switch answer {
          case .done(let payment):
            #expect(payment.reason == .cancelled && bank.charges[payment.id] == nil)
            #expect(try bench.state(number) == "REJECTED cancelled")
          case .refused: #expect(try bench.state(number) == "COMPLETED" && bank.charges[Bench.id(number)] == 1)
          default: Issue.record("\(answer)")
          }
        }
        // The same wish again has the same answer.
        for (number, answer) in answers {
          guard case .done = answer else { continue }
          #expect(await processor.cancel(Bench.terms(number), deadline: .now() + .seconds(9)) == answer)
        }
        #expect(
          await processor.review(Bench.id(61), approves: true, by: "Ann", deadline: .now() + .seconds(9)) == .missing)
      }
      #expect(bank.free == 100)
    }
  }

  @Test func `cards have places, and a card that nobody claimed is ended once`() async throws {
    try await Bench.with { bench in
      let bank = FakeBank(slots: 1)
      bank.setOpen(false)
      try await bench.with(bank, role: .gateway, cards: 2, stopWithin: .seconds(1)) { processor in
        var first = processor.reserveCard()
        let second = try #require(processor.reserveCard())
        #expect(first != nil && processor.reserveCard() == nil)
        first = nil
        #expect(processor.reserveCard() != nil)
        processor.submit(try Bench.card(1), at: second)
        processor.submit(try Bench.card(1), at: second)
        try await eventually { try bench.count("stage = 'ready'") == 1 }
        let lost = await processor.endUnclaimed(Bench.terms(2, nil), .cardLost, deadline: .now() + .seconds(9))
        guard case .done(let payment) = lost else { throw ProcessingStoreTests.TestFailure() }
        #expect(payment.reason == .cardDataLost && payment.state == .error)
        // One that somebody has stays as it is.
        let claimed = await processor.endUnclaimed(Bench.terms(1, nil), .cardLost, deadline: .now() + .seconds(9))
        guard case .done(let own) = claimed else { throw ProcessingStoreTests.TestFailure() }
        #expect(own.stage == .ready)
      }
      // The gateway ended before the bank was asked.
      #expect(try bench.state(1) == "ERROR card_data_lost")
      #expect(bank.charges.isEmpty)
    }
  }

  @Test func `a process that has lost its lease comes back as a new owner`() async throws {
    try await Bench.with { bench in
      let gate = Gate()
      let bank = FakeBank(slots: 10) { _, id, _ in
        if id == Bench.id(1) { await gate.pass() }
        return .approved
      }
      try await bench.with(bank) { processor in
        _ = try await bench.execute([Bench.terms(1)], processor)
        try await eventually { bank.underWay == 1 }
        let owner = try TestDatabase.open().run(Command(Statement("SELECT id FROM \(bench.schema).owner"))).only.uuid(0)
        // Somebody else takes its work over.
        try bench.script("UPDATE \(bench.schema).owner SET epoch = epoch + 1")
        _ = try await bench.execute([Bench.terms(2)], processor)
        try await eventually { try bench.state(2) == "COMPLETED" }
        #expect(
          try TestDatabase.open().int("SELECT count(*) FROM \(bench.schema).owner WHERE id <> '\(owner)'") == 1)
        // What the bank says to what it had asked before is true all the same.
        gate.open()
        try await eventually { try bench.state(1) == "COMPLETED" }
      }
      #expect(bank.charges == [Bench.id(1): 1, Bench.id(2): 1])
    }
  }

  @Test func `a claim that memory does not have is given up`() async throws {
    try await Bench.with { bench in
      let bank = FakeBank(slots: 10) { call, _, _ in call == .charge ? .approved : .declined }
      let processor = try bench.processor(bank, lease: .seconds(1))
      processor.start()
      _ = try await bench.execute([Bench.terms(1)], processor)
      try await eventually { try bench.state(1) == "COMPLETED" }
      // As a transaction leaves it that committed after everybody had stopped waiting for it.
      let connection = try TestDatabase.open()
      let owner = try connection.run(Command(Statement("SELECT id, epoch FROM \(bench.schema).owner"))).only
      let claim = Claim(owner: try owner.uuid(0), epoch: try owner.int64(1))
      let terms = Bench.terms(2)
      let lost = NewPayment(
        id: terms.paymentID, method: .account, amount: terms.amount,
        debit: LedgerAccount.ours(.clearing, Bench.euro).id, credit: try bench.fund(Bench.payee, 1),
        userID: terms.userID, payeeID: terms.payeeID, source: "4711", orderID: nil, asks: true)
      guard case .done = try bench.store().claim([lost], by: claim, on: connection) else {
        throw ProcessingStoreTests.TestFailure()
      }
      try await eventually { try bench.state(2) == "REJECTED bank_declined" }
      try await blocking { processor.stop(until: .now() + .seconds(5)) }
      #expect(bank.charges == [Bench.id(1): 1])
    }
  }
}
