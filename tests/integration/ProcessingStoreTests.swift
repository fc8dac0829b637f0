import DirectDomain
import LedgerDomain
import LedgerStore
import Migrator
import Money
import Outbox
import Postgres
import ProcessingDomain
import ProcessingSchema
import ProcessingStore
import Randomness
import RiskDomain
import RiskStore
import Runtime
import Synchronization
import Testing
import Values

@Suite("Processing store", .needsDatabase)
struct ProcessingStoreTests {
  static let euro = Currency("EUR")!

  /// Processing and its outbox in one schema, ledger and risk in two others.
  struct House {
    let schema: String
    let risk: RiskTables
    let riskSchema: String
    let store: ProcessingStore
    let leases: OwnerLeases
    let ledger: LedgerStore
    let connection: Connection
    let claim: Claim
    let users: [UniqueID]
    let ledgerTable: String

    /// Runs `body` with schemas of its own.
    static func with(
      rules: PaymentRules = PaymentRules(), risk: RiskRules = byAmount, failure: RiskFailure = .open,
      _ body: (House, _ schema: String) throws -> Void
    ) throws {
      try TestDatabase.withSchema { schema in
        try TestDatabase.withSchema { ledgerSchema in
          try TestDatabase.withSchema { riskSchema in
            let book = RiskBook(RiskTables(schema: riskSchema), rules: risk, failure: failure)
            try body(House(schema, ledgerSchema, riskSchema, rules, book), schema)
          }
        }
      }
    }

    private init(
      _ schema: String, _ ledgerSchema: String, _ riskSchema: String, _ rules: PaymentRules, _ book: RiskBook
    ) throws {
      self.schema = schema
      self.riskSchema = riskSchema
      risk = RiskTables(schema: riskSchema)
      connection = try TestDatabase.open(schema: schema)
      let outbox = try OutboxTables(schema: schema, channel: "test_processing")
      let lines = try ProcessingSchema.lines(schema: schema, ledger: ledgerSchema, risk: riskSchema, outbox: outbox)
      for line in lines {
        try Migrator(configuration: TestDatabase.configuration(), line: line, logger: TestDatabase.quiet).up()
      }
      ledger = LedgerStore(LedgerTables(schema: ledgerSchema))
      ledgerTable = ledgerSchema + ".account"
      let tables = ProcessingTables(schema: schema)
      leases = OwnerLeases(tables)
      store = ProcessingStore(
        tables, ledger: ledger, risk: book, outbox: OutboxWriter(outbox, shards: ShardMap(count: 64)),
        engine: PaymentEngine(rules: rules), topic: "direct.results")
      claim = try leases.register(UniqueID.random(), lease: .seconds(60), program: "test", on: connection)
      let holders = Set((1...2).map { LedgerStore.Holder(owner: UniqueID(high: 7, low: UInt64($0)), currency: euro) })
      try connection.run([ledger.open([euro]), ledger.open(holders, newID: { UniqueID.random() })])
      users = try ledger.accounts(connection.run(ledger.find(holders))).sorted { $0.key.owner < $1.key.owner }
        .map(\.value)
    }

    /// Every row of payments, risk and ledger, as text.
    func rows() throws -> [String] {
      try [schema, riskSchema, ledgerSchema].map { try connection.rows(of: $0) }
    }

    var ledgerSchema: String { String(ledgerTable.dropLast(".account".count)) }

    /// Has each row that is written to the table fail its statement, in whichever schema it is.
    func refuseRows(of table: String, on events: String = "INSERT OR UPDATE") throws {
      let schema = ["transfer": ledgerSchema, "decision": riskSchema][table] ?? schema
      try connection.refuseRows(of: "\(schema).\(table)", on: events)
    }

    /// Runs `body` on threads of their own, each with a connection.
    func together(_ count: Int, _ body: @escaping @Sendable (Int, House, Connection) throws -> Void) throws {
      let faults = Mutex<[String]>([])
      // Shared, but for its connection, which no thread uses.
      nonisolated(unsafe) let house = self
      let threads = (0..<count).map { number in
        WorkerThread(name: "house-\(number)") {
          do {
            try body(number, house, try TestDatabase.open(schema: house.schema))
          } catch {
            faults.withLock { $0.append("\(error)") }
          }
        }
      }
      for thread in threads { thread.join() }
      #expect(faults.withLock { $0 } == [])
    }

    /// By the amount: 100 is allowed, 101 reviewed, 102 blocked.
    static let byAmount = RiskRules(rules: [
      RiskRule(name: "review", points: 65, amountAbove: [euro: 100]),
      RiskRule(name: "block", points: 34, amountAbove: [euro: 101]),
    ])

    func new(
      _ number: UInt64, _ method: PaymentMethod = .account, _ verdict: RiskVerdict = .allow, asks: Bool = false,
      user: UInt64 = 1, card: UInt8? = nil, cards: [UInt8] = [], payee: UInt64 = 2,
      currency: Currency = euro
    ) -> NewPayment {
      let amount: Int64 = verdict == .allow ? 100 : verdict == .review ? 101 : 102
      return NewPayment(
        id: UniqueID(high: 50, low: number << 4), method: method, amount: Money(minorUnits: amount, currency),
        debit: method == .balance ? users[0] : LedgerAccount.ours(.clearing, euro).id, credit: users[1],
        userID: UniqueID(high: 7, low: user), payeeID: UniqueID(high: 7, low: payee),
        source: method == .account ? "4711" : method == .token ? "tok" : nil, orderID: nil,
        cardFingerprints: (card.map { [$0] } ?? cards).map { Array(repeating: $0, count: 32) }, asks: asks)
    }

    func results(of id: UniqueID) throws -> [String] { try events(of: id).map(\.state.rawValue) }

    func tokens(of id: UniqueID) throws -> [String?] { try events(of: id).map(\.token) }

    private func events(of id: UniqueID) throws -> [PaymentResult] {
      try connection.run(
        Command(
          Statement("SELECT convert_from(payload, 'UTF8') FROM \(schema).event WHERE key = $1 ORDER BY seq"),
          [.text(id.description)])
      ).map { try PaymentResult(try $0.bytes(0)) }
    }
  }

  private func looked(_ result: ProcessingResult<[RequestResult]>) throws -> [StepResult] {
    guard case .done(let results) = result else { throw TestFailure() }
    return try results.map { result in
      guard case .looked(let step) = result else { throw TestFailure() }
      return step
    }
  }

  struct TestFailure: Error {}

  @Test func `a payment goes its way in three transactions`() throws {
    try House.with { house, schema in
      let new = [house.new(2), house.new(1), house.new(3, .balance), house.new(4, .account, .block)]
      let claimed = try looked(house.store.claim(new, by: house.claim, on: house.connection))
      #expect(claimed.map(\.stored.payment.stage) == [.ready, .ready, .ready, .done])
      #expect(claimed[0].stored.source == "4711")
      let id = claimed[0].stored.payment.id
      // The same message again.
      guard case .done(let again) = try house.store.claim([new[0]], by: house.claim, on: house.connection),
        case .known(let known) = again[0]
      else { throw TestFailure() }
      #expect(known == claimed[0].stored)
      let asked = try looked(
        house.store.apply(
          claimed.prefix(3).map { StepRequest($0.stored.payment.id, .ask(by: house.claim, after: nil)) },
          by: house.claim,
          on: house.connection))
      #expect(asked.map(\.stored.payment.state) == [.processing, .processing, .rejected])
      #expect(asked[0].stored.payment.stage == .asked(at: asked[0].at))
      let answer = AttemptAnswer(askedAt: asked[0].at, answer: .approved, detail: "200 succeed", token: "tok_1")
      let charged = try looked(
        house.store.apply(
          [
            StepRequest(id, .charged(.approved, askedAt: asked[0].at), answer: answer),
            StepRequest(id, .charged(.approved, askedAt: asked[0].at)),
            StepRequest(asked[1].stored.payment.id, .charged(.unclear, askedAt: asked[1].at)),
          ], by: nil, on: house.connection))
      #expect(charged.map(\.outcome)[1] == .ignored)
      #expect(charged.map(\.stored.payment.state) == [.completed, .completed, .unknown])
      #expect(try house.store.find(id, on: house.connection) == charged[0].stored)
      #expect(try house.store.find(asked[1].stored.payment.id, on: house.connection) == charged[2].stored)
      #expect(try house.results(of: id) == ["PROCESSING", "COMPLETED"])
      #expect(try house.tokens(of: id) == [nil, "tok_1"])
      #expect(try house.results(of: asked[1].stored.payment.id) == ["PROCESSING", "UNKNOWN"])
      #expect(try house.results(of: asked[2].stored.payment.id) == ["PROCESSING", "REJECTED"])
      let balances = try house.ledger.balances(of: house.users, on: house.connection)
      #expect(balances[house.users[1]] == Balance(posted: 100))
      let attempts = try house.connection.run(
        Command(
          Statement("SELECT answer || ' ' || card_token FROM \(schema).attempt WHERE payment_id = $1"), [.uuid(id)]))
      #expect(try attempts.only.text(0) == "approved tok_1")
      #expect(try house.connection.int("SELECT count(*) FROM \(schema).claim") == 0)
      #expect(try house.connection.int("SELECT count(*) FROM \(schema).due") == 1)
      guard
        case .done(let missing) = try house.store.apply(
          [StepRequest(UniqueID(high: 1, low: 1), .cancel)], by: nil, on: house.connection)
      else { throw TestFailure() }
      #expect(missing == [.missing])
    }
  }

  @Test(arguments: ["payment", "decision", "transfer", "attempt", "event_wait"])
  func `a claim that cannot be written as a whole leaves nothing`(table: String) throws {
    try House.with { house, _ in
      let before = try house.rows()
      try house.refuseRows(of: table)
      #expect {
        try house.store.claim([house.new(1, asks: true)], by: house.claim, on: house.connection)
      } throws: { error in
        (error as? DatabaseError)?.isRefusal == true
      }
      #expect(try house.rows() == before)
    }
  }

  @Test(arguments: ["payment", "transfer", "attempt", "event_wait"], [BankAnswer.approved, .declined])
  func `an answer that cannot be written as a whole leaves nothing`(table: String, answer: BankAnswer) throws {
    try House.with { house, _ in
      let asked = try looked(house.store.claim([house.new(1, asks: true)], by: house.claim, on: house.connection))[0]
      let before = try house.rows()
      try house.refuseRows(of: table)
      let told = StepRequest(
        asked.stored.payment.id, .charged(answer, askedAt: asked.at),
        answer: AttemptAnswer(askedAt: asked.at, answer: answer, detail: "200"))
      #expect {
        try house.store.apply([told], by: nil, on: house.connection)
      } throws: { error in
        (error as? DatabaseError)?.isRefusal == true
      }
      #expect(try house.rows() == before)
    }
  }

  @Test func `what is allowed is asked for in the transaction of its claim`() throws {
    try House.with { house, schema in
      let new = [
        house.new(1, asks: true), house.new(2, .card, asks: true), house.new(3, .token, .review, asks: true),
        house.new(4, .account, .block, asks: true), house.new(5, .balance, asks: true), house.new(6),
      ]
      let claimed = try looked(house.store.claim(new, by: house.claim, on: house.connection))
      #expect(claimed.prefix(2).map(\.stored.payment.stage) == claimed.prefix(2).map { .asked(at: $0.at) })
      #expect(claimed.dropFirst(2).map(\.stored.payment.state) == [.review, .rejected, .rejected, .processing])
      #expect(
        claimed.map { result -> BankCall? in
          if case .changed(let effects) = result.outcome { effects.call } else { nil }
        } == [.charge, .charge, nil, nil, nil, nil])
      #expect(claimed[4].stored.payment.reason == .insufficientFunds)
      #expect(try house.connection.int("SELECT count(*) FROM \(schema).attempt WHERE call = 'charge'") == 2)
      for result in claimed {
        #expect(try house.store.find(result.stored.payment.id, on: house.connection) == result.stored)
      }
      // The same messages again ask nothing.
      guard case .done(let again) = try house.store.claim(new, by: house.claim, on: house.connection) else {
        throw TestFailure()
      }
      #expect(again == claimed.map { .known($0.stored) })
    }
  }

  @Test func `who has lost the lease changes nothing, and the rest is taken over`() throws {
    try House.with { house, schema in
      let first = house.claim
      let claimed = try looked(
        house.store.claim([house.new(1), house.new(2), house.new(3, .card)], by: first, on: house.connection))
      let ids = claimed.map(\.stored.payment.id)
      _ = try looked(
        house.store.apply([StepRequest(ids[0], .ask(by: first, after: nil))], by: first, on: house.connection))
      let second = try house.leases.register(UniqueID.random(), lease: .seconds(60), program: "b", on: house.connection)
      #expect(try house.leases.takeExpired(by: second, lease: .seconds(9), on: house.connection) == [])
      try house.connection.script(
        "UPDATE \(schema).owner SET leased_until = now() - interval '1 s' WHERE id = '\(first.owner)'")
      #expect(try house.leases.takeExpired(by: second, lease: .seconds(9), on: house.connection) == [first.owner])
      #expect(try !house.leases.renew(first, lease: .seconds(9), on: house.connection))
      guard
        case .lostLease = try house.store.apply(
          [StepRequest(ids[1], .ask(by: first, after: nil))], by: first, on: house.connection)
      else { throw TestFailure() }
      guard case .lostLease = try house.store.claim([house.new(9)], by: first, on: house.connection) else {
        throw TestFailure()
      }
      #expect(try house.store.find(UniqueID(high: 50, low: 9 << 4), on: house.connection) == nil)
      // What waits for the bank is nobody's; only the card and what the bank was asked for are taken over.
      let left = try house.leases.claims(of: first.owner, limit: 10, on: house.connection)
      #expect(left == [ids[0], ids[2]].sorted())
      let taken = try looked(
        house.store.apply(left.map { StepRequest($0, .takeOver(from: first.owner)) }, by: second, on: house.connection))
      #expect(taken.map(\.stored.payment.state) == [.unknown, .error])
      #expect(try house.store.due(limit: 10, on: house.connection)[.charge] == [ids[1]])
      try house.leases.remove(first.owner, on: house.connection)
      #expect(try house.connection.int("SELECT count(*) FROM \(schema).owner") == 1)
      // The old owner's call was answered after all.
      guard
        case .asked(let askedAt) = try looked(
          house.store.apply([StepRequest(ids[1], .ask(by: second, after: nil))], by: second, on: house.connection))[0]
          .stored.payment.stage
      else { throw TestFailure() }
      _ = askedAt
      let late = try looked(
        house.store.apply([StepRequest(ids[0], .charged(.approved, askedAt: askedAt))], by: nil, on: house.connection))
      #expect(late[0].stored.payment.state == .completed)
    }
  }

  @Test func `a process's claims are read page by page from one index`() throws {
    try House.with { house, schema in
      try house.connection.script(
        """
        INSERT INTO \(schema).claim (payment_id, owner)
        SELECT gen_random_uuid(), lpad((number % 5)::text, 32, '0')::uuid FROM generate_series(1, 2000) number;
        ANALYZE \(schema).claim
        """)
      let plan = try house.connection.run(
        Command(
          Statement(
            """
            EXPLAIN SELECT payment_id FROM \(schema).claim
            WHERE owner = lpad('1', 32, '0')::uuid AND payment_id > lpad('1', 32, '0')::uuid
            ORDER BY payment_id LIMIT 100
            """))
      ).map { try $0.text(0) }.joined(separator: "\n")
      #expect(plan.contains("claim_owner_idx") && !plan.contains("Sort") && !plan.contains("Filter"), "\(plan)")
    }
  }

  @Test func `a message that is twice in a batch is claimed once`() throws {
    try House.with { house, _ in
      let new = [house.new(1), house.new(1)]
      guard case .done(let results) = try house.store.claim(new, by: house.claim, on: house.connection),
        case .looked(let first) = results[0], case .known(let second) = results[1]
      else { throw TestFailure() }
      #expect(first.stored == second && second.payment.stage == .ready)
      // Who asks twice knowing the same is told once.
      let id = second.payment.id
      let ask = StepRequest(id, .ask(by: house.claim, after: nil))
      let asked = try looked(house.store.apply([ask, ask], by: house.claim, on: house.connection))
      #expect(asked.map { $0.outcome == .ignored } == [false, true])
    }
  }

  @Test func `of processes that claim a payment at once one has it`() throws {
    try House.with { house, schema in
      let owners = Mutex<[UniqueID: [UniqueID]]>([:])
      try house.together(8) { number, house, connection in
        let claim = try house.leases.register(UniqueID.random(), lease: .seconds(60), program: "test", on: connection)
        var random = SplitMix64(seed: UInt64(number))
        for round in 0..<10 {
          let new = (0..<20).shuffled(using: &random).prefix(12).map { house.new(UInt64(round * 20 + $0), asks: true) }
          guard case .done(let results) = try house.store.claim(new, by: claim, on: connection) else {
            throw TestFailure()
          }
          for (payment, result) in zip(new, results) {
            switch result {
            case .looked: owners.withLock { $0[payment.id, default: []].append(claim.owner) }
            case .known(let stored): #expect(stored.payment.claim?.owner != claim.owner)
            default: Issue.record("\(result)")
            }
          }
        }
      }
      let won = owners.withLock { $0 }
      #expect(won.count > 100 && won.values.allSatisfy { $0.count == 1 })
      #expect(Set(won.values.flatMap(\.self)).count > 1, "one process was always the first")
      for (id, owner) in won {
        #expect(try house.store.find(id, on: house.connection)?.payment.claim?.owner == owner[0])
      }
      #expect(try house.connection.int("SELECT count(*) FROM \(schema).payment") == won.count)
      #expect(try house.connection.int("SELECT count(*) FROM \(schema).attempt") == won.count)
    }
  }

  @Test func `transactions without a gap do not keep a lease from being renewed`() throws {
    try House.with { house, schema in
      let claimed = try looked(house.store.claim([house.new(1, .card)], by: house.claim, on: house.connection))
      let others = [try TestDatabase.open(schema: schema), try TestDatabase.open(schema: schema)]
      let check = Command(
        Statement("SELECT epoch FROM \(schema).owner WHERE id = $1 FOR KEY SHARE"), [.uuid(house.claim.owner)])
      for other in others { try other.run([.begin, check]) }
      #expect(try house.leases.renew(house.claim, lease: .seconds(60), on: house.connection))
      // Nobody raises the epoch under them.
      try house.connection.script("UPDATE \(schema).owner SET leased_until = now() - interval '1 s'")
      let taker = Claim(owner: UniqueID.random(), epoch: 1)
      #expect(try house.leases.takeExpired(by: taker, lease: .seconds(9), on: house.connection) == [])
      for other in others { try other.run(.rollback) }
      #expect(try house.leases.takeExpired(by: taker, lease: .seconds(9), on: house.connection) == [house.claim.owner])
      // An owner that has something is not forgotten.
      try house.leases.remove(house.claim.owner, on: house.connection)
      #expect(try house.connection.int("SELECT count(*) FROM \(schema).owner") == 1)
      _ = claimed
    }
  }

  @Test func `what is due and cannot go on makes room for others`() throws {
    try House.with { house, schema in
      let claimed = try looked(
        house.store.claim([house.new(1), house.new(2, .token, .review)], by: house.claim, on: house.connection))
      let ids = claimed.map(\.stored.payment.id)
      _ = try looked(
        house.store.apply([StepRequest(ids[0], .ask(by: house.claim, after: nil))], by: nil, on: house.connection))
      _ = try looked(
        house.store.apply(
          [StepRequest(ids[0], .charged(.unclear, askedAt: Timestamp.now()))], by: nil, on: house.connection))
      try house.connection.script(
        """
        UPDATE \(schema).payment SET reason = 'nonsense', due = now() - interval '1 h' WHERE id = '\(ids[0])';
        UPDATE \(schema).due SET at = now() - interval '1 h';
        INSERT INTO \(schema).due VALUES (gen_random_uuid(), 'inquiry', now() - interval '2 h');
        UPDATE \(schema).payment SET due = now() - interval '1 h' WHERE id = '\(ids[1])'
        """)
      let due = try house.store.due(limit: 10, on: house.connection).values.flatMap(\.self)
      #expect(due.count == 3)
      let steps = due.map { StepRequest($0, .fallDue) }
      guard case .done(let results) = try house.store.apply(steps, by: house.claim, on: house.connection) else {
        throw TestFailure()
      }
      #expect(results.contains(.missing))
      #expect(results.contains(.unreadable("reason is nonsense, which this version does not know")))
      #expect(try house.store.find(ids[1], on: house.connection)?.payment.reason == .reviewTimeout)
      #expect(try house.store.due(limit: 10, on: house.connection)[.inquiry] == [])
      #expect(try house.connection.int("SELECT count(*) FROM \(schema).due") == 2)
    }
  }

  @Test func `what the ledger cannot read is refused, and the rest of the batch goes on`() throws {
    try House.with { house, schema in
      let claimed = try looked(
        house.store.claim([house.new(1), house.new(2, .balance)], by: house.claim, on: house.connection))
      let ids = claimed.map(\.stored.payment.id)
      try house.connection.script("UPDATE \(house.ledgerTable) SET currency = 'ABC' WHERE id = '\(house.users[0])'")
      let asked = try looked(
        house.store.apply(
          ids.map { StepRequest($0, .ask(by: house.claim, after: nil)) }, by: house.claim, on: house.connection))
      #expect(asked.map(\.stored.payment.reason) == [nil, .ledgerRefused])
      let answer = AttemptAnswer(
        askedAt: asked[0].at, answer: .approved, detail: "a\u{0}b" + String(repeating: "\u{1F600}", count: 300))
      let charged = try looked(
        house.store.apply(
          [StepRequest(ids[0], .charged(.approved, askedAt: asked[0].at), answer: answer)], by: nil,
          on: house.connection))
      #expect(charged[0].stored.payment.state == .completed)
    }
  }

  @Test func `a row that nobody can read stops no other`() throws {
    try House.with { house, schema in
      let claimed = try looked(house.store.claim([house.new(1), house.new(2)], by: house.claim, on: house.connection))
      let ids = claimed.map(\.stored.payment.id)
      try house.connection.script("UPDATE \(schema).payment SET reason = 'nonsense' WHERE id = '\(ids[0])'")
      guard
        case .done(let results) = try house.store.apply(
          ids.map { StepRequest($0, .cancel) }, by: nil, on: house.connection)
      else { throw TestFailure() }
      #expect(results[0] == .unreadable("reason is nonsense, which this version does not know"))
      guard case .looked(let cancelled) = results[1] else { throw TestFailure() }
      #expect(cancelled.stored.payment.reason == .cancelled)
    }
  }

  @Test(arguments: UInt64(0)..<5)
  func `what the store has is what the engine decided`(seed: UInt64) throws {
    let rules = PaymentRules(bankTimeout: .seconds(1), bankHorizon: .seconds(1))
    try House.with(rules: rules) { house, schema in
      var random = SplitMix64(seed: seed)
      let other = try house.leases.register(UniqueID.random(), lease: .seconds(60), program: "b", on: house.connection)
      let fund = TransferRequest.Movement(
        id: UniqueID(high: 8, low: 0), debit: LedgerAccount.ours(.world, Self.euro).id, credit: house.users[0],
        amount: Money(minorUnits: 350, Self.euro))
      try house.connection.transaction { (connection) throws(DatabaseError) in
        var batch = try house.ledger.batch(connection.run(house.ledger.reads([fund])))
        #expect(batch.decide(.single(fund)) == .created)
        try connection.run(house.ledger.writes(batch))
      }
      // The ledger is appended to.
      try house.refuseRows(of: "transfer", on: "UPDATE OR DELETE")
      var known: [UniqueID: StoredPayment] = [:]
      for round in 0..<25 {
        let new = (0..<Int.random(in: 1...4, using: &random)).map { number in
          house.new(
            UInt64(round * 10 + number), PaymentMethod.allCases.randomElement(using: &random)!,
            [.allow, .allow, .review, .block].randomElement(using: &random)!, asks: Bool.random(using: &random))
        }
        for result in try looked(house.store.claim(new, by: house.claim, on: house.connection)) {
          known[result.stored.payment.id] = result.stored
        }
        var requests: [StepRequest] = []
        for _ in 0..<Int.random(in: 1...9, using: &random) {
          let payment = known.values.sorted { $0.payment.id < $1.payment.id }.randomElement(using: &random)!.payment
          let claim = [house.claim, other].randomElement(using: &random)!
          let answer = [BankAnswer.approved, .declined, .unclear, .notSent, .noSuchPayment].randomElement(
            using: &random)!
          let askedAt: Timestamp = if case .asked(let at) = payment.stage { at } else { Timestamp.now() }
          let steps: [PaymentStep] = [
            .ask(by: claim, after: nil), .ask(by: claim, after: nil), .ask(by: house.claim, after: nil),
            .charged(answer, askedAt: askedAt),
            .inquired(answer, askedAt: Timestamp.now() + .seconds(60)), .reversed(.reversed), .cancel,
            .fallDue, .takeOver(from: claim.owner), .review(approves: Bool.random(using: &random), by: "Ann"),
          ]
          requests.append(StepRequest(payment.id, steps.randomElement(using: &random)!))
        }
        for result in try looked(house.store.apply(requests, by: house.claim, on: house.connection)) {
          known[result.stored.payment.id] = result.stored
        }
        for (id, stored) in known { #expect(try house.store.find(id, on: house.connection) == stored) }
      }
      for stored in known.values {
        let results = try house.results(of: stored.payment.id)
        #expect(results.last == stored.payment.state.rawValue && results.count == Int(stored.payment.version) - 1)
      }
      let due = known.values.filter { $0.payment.due != nil }.count
      #expect(try house.connection.int("SELECT count(*) FROM \(schema).due") == due)
      let claims = known.values.filter { $0.payment.claim != nil }.count
      #expect(try house.connection.int("SELECT count(*) FROM \(schema).claim") == claims)
      let accounts = house.users + [.clearing, .world].map { LedgerAccount.ours($0, Self.euro).id }
      let balances = try house.ledger.balances(of: accounts, on: house.connection)
      #expect(balances.values.reduce(0) { $0 + $1.posted } == 0)
      func sum(_ isWanted: (ProcessedPayment) -> Bool) -> Int64 {
        known.values.map(\.payment).filter(isWanted).reduce(0) { $0 + $1.amount.minorUnits }
      }
      #expect(balances.values.reduce(0) { $0 + $1.pending } == sum(\.hasHold))
      let completed = sum { $0.state == .completed }
      #expect(balances[house.users[1]]?.posted == completed)
      #expect(completed > 0)
    }
  }
}
