import DirectDomain
import LedgerDomain
import Logger
import Money
import Postgres
import ProcessingDomain
import ProcessingStore
import Randomness
import RiskDomain
import RiskStore
import Runtime
import Synchronization
import Testing
import Values

/// What risk counts when payments end, and what it remembers of users.
@Suite("Risk of failures and first uses", .needsDatabase)
struct RiskFailureTests {
  typealias House = ProcessingStoreTests.House

  /// More than two failures in ten minutes block.
  private static let failing = RiskRules(
    rules: [RiskSubject.card, .account, .user].map {
      RiskRule(name: "failing_\($0)", points: 80, limit: RiskLimit($0, .failures(above: 2)))
    })

  /// Claims payments, and asks the bank for those that may.
  private func claim(_ house: House, _ payments: [NewPayment], on connection: Connection? = nil) throws -> [StepResult]
  {
    guard case .done(let results) = try house.store.claim(payments, by: house.claim, on: connection ?? house.connection)
    else { throw ProcessingStoreTests.TestFailure() }
    return try results.map { result in
      guard case .looked(let step) = result else { throw ProcessingStoreTests.TestFailure() }
      return step
    }
  }

  @discardableResult
  private func apply(
    _ house: House, _ steps: [StepRequest], on connection: Connection? = nil
  ) throws -> [PaymentState] {
    guard case .done(let results) = try house.store.apply(steps, by: nil, on: connection ?? house.connection) else {
      throw ProcessingStoreTests.TestFailure()
    }
    return try results.map { result in
      guard case .looked(let step) = result else { throw ProcessingStoreTests.TestFailure() }
      return step.stored.payment.state
    }
  }

  private func answered(_ answer: BankAnswer, _ claimed: StepResult) -> StepRequest {
    StepRequest(claimed.stored.payment.id, .charged(answer, askedAt: claimed.at))
  }

  private func reasons(_ house: House, _ payment: NewPayment) throws -> [String] {
    let entry = try RiskDecisions(house.risk).find(payment.id, on: house.connection)
    guard case .decision(let decision)? = entry else { throw ProcessingStoreTests.TestFailure() }
    return decision.record.decision.reasons
  }

  // MARK: - Failures

  @Test func `what the bank declines is a failure for the next claim, and nothing else is`() throws {
    try House.with(risk: Self.failing) { house, _ in
      func pay(_ number: UInt64, _ answer: BankAnswer?, card: UInt8 = 1) throws -> PaymentState {
        let claimed = try claim(house, [house.new(number, .card, asks: true, user: number, card: card)])
        guard let answer else { return claimed[0].stored.payment.state }
        return try apply(house, [answered(answer, claimed[0])])[0]
      }
      #expect(try pay(1, .approved) == .completed && pay(2, .unclear) == .unknown && pay(3, .notSent) == .processing)
      let late = UniqueID(high: 50, low: 2 << 4)
      #expect(try pay(4, .declined) == .rejected)
      // UNKNOWN, and then declined after all; the bank says so twice.
      let asked = try #require(try house.store.find(late, on: house.connection)).payment.since
      for _ in 0..<2 {
        #expect(try apply(house, [StepRequest(late, .inquired(.declined, askedAt: asked))]) == [.rejected])
      }
      #expect(try pay(5, .declined) == .rejected)
      // Three failures by now, one each of users who have nothing else in common.
      #expect(try pay(6, nil) == .rejected)
      #expect(try reasons(house, house.new(6)) == ["failing_card"])
      #expect(try pay(7, nil, card: 2) == .processing)
      var findings: [RiskDecisions.Finding] = []
      try RiskDecisions(house.risk).replay(on: house.connection) { _, found in
        findings += found
        return true
      }
      #expect(findings == [])
    }
  }

  @Test func `failures are counted by account and user, of what is blocked and of what a person declines`() throws {
    let review = RiskRules(
      rules: Self.failing.rules + [RiskRule(name: "review", points: 70, amountAbove: [ProcessingStoreTests.euro: 100])])
    try House.with(risk: review) { house, _ in
      // Three of one account by three users.
      for number in 1...3 as ClosedRange<UInt64> {
        let claimed = try claim(house, [house.new(number, asks: true, user: 10 + number)])
        #expect(try apply(house, [answered(.declined, claimed[0])]) == [.rejected])
      }
      #expect(try claim(house, [house.new(4, asks: true, user: 4)])[0].stored.payment.reason == .riskBlocked)
      #expect(try reasons(house, house.new(4)) == ["failing_account"])
      // A person declines three times; cancelling is no failure.
      for number in 20...22 as ClosedRange<UInt64> {
        let id = try claim(house, [house.new(number, .token, .review, user: 5)])[0].stored.payment.id
        #expect(try apply(house, [StepRequest(id, .review(approves: false, by: "ann"))]) == [.rejected])
      }
      for number in 30...33 as ClosedRange<UInt64> {
        let id = try claim(house, [house.new(number, .token, .review, user: 6)])[0].stored.payment.id
        #expect(try apply(house, [StepRequest(id, .cancel)]) == [.rejected])
      }
      #expect(try claim(house, [house.new(40, .token, user: 5)])[0].stored.payment.state == .rejected)
      #expect(try reasons(house, house.new(40)) == ["failing_user"])
      #expect(try claim(house, [house.new(41, .token, user: 6)])[0].stored.payment.state == .processing)
    }
  }

  @Test func `failures at once are each counted, and claims and ends never wait in a circle`() throws {
    try House.with(risk: Self.failing) { house, schema in
      let faults = Mutex<[String]>([])
      // Shared, but for its connection, which no thread uses.
      nonisolated(unsafe) let shared = house
      let threads = (0..<8).map { number in
        WorkerThread(name: "risk-\(number)") {
          do {
            let connection = try TestDatabase.open(schema: schema)
            var random = SplitMix64(seed: UInt64(number))
            for round in 0..<8 {
              let new = (0..<8).map { place in
                shared.new(
                  UInt64((number * 100 + round) * 100 + place), .card, asks: true,
                  user: .random(in: 1...5, using: &random), card: .random(in: 1...5, using: &random))
              }
              let open = try claim(shared, new, on: connection).filter { $0.stored.payment.state == .processing }
              try apply(shared, open.shuffled(using: &random).map { answered(.declined, $0) }, on: connection)
            }
          } catch {
            faults.withLock { $0.append("\(error)") }
          }
        }
      }
      for thread in threads { thread.join() }
      #expect(faults.withLock { $0 } == [])
      #expect(try house.connection.int("SELECT count(*) FROM \(schema).payment WHERE state = 'REJECTED'") == 512)
      // Each is a failure, those that were blocked, too.
      let probe = (1...5).map { house.new(900_000 + UInt64($0), .card, user: UInt64($0), card: UInt8($0)) }
      _ = try claim(house, probe)
      for subject in ["user", "card"] {
        let sum = try house.connection.int(
          """
          SELECT sum((features->'failures'->>'\(subject)')::int) FROM \(house.riskSchema).decision
          WHERE payment_id > '00000000-0000-0032-0000-000000d00000'
          """)
        #expect(sum == 512)
      }
    }
  }

  @Test func `what cannot be counted keeps no answer of the bank back`() throws {
    try House.with(risk: Self.failing) { house, _ in
      let new = (1...3).map { house.new(UInt64($0), .card, asks: true, card: 1) }
      let claimed = try claim(house, new)
      for table in ["usage", "decision"] {
        try house.connection.script("ALTER TABLE \(house.riskSchema).\(table) RENAME TO away")
        let place = table == "usage" ? 0 : 1
        #expect(try apply(house, [answered(.declined, claimed[place])]) == [.rejected])
        try house.connection.script("ALTER TABLE \(house.riskSchema).away RENAME TO \(table)")
      }
      #expect(try apply(house, [answered(.declined, claimed[2])]) == [.rejected])
      let probe = house.new(9, .card, card: 1)
      _ = try claim(house, [probe])
      let counted = "SELECT (features->'failures'->>'card')::int FROM \(house.riskSchema).decision"
      #expect(try house.connection.int("\(counted) WHERE payment_id = '\(probe.id)'") == 1)
    }
  }

  @Test func `without a rule on failures an end counts nothing and takes no lock`() throws {
    let busy = RiskRule(name: "busy", points: 80, limit: RiskLimit(.card, .count(in: .hour, above: 9)))
    let counts = RiskRules(rules: [busy])
    try House.with(risk: counts) { house, _ in
      let claimed = try claim(house, [house.new(1, .card, asks: true, card: 1)])
      // Somebody holds the lock of the card.
      let other = try TestDatabase.open(schema: house.schema)
      let held = RiskPayment(
        id: UniqueID(high: 1, low: 1),
        facts: RiskFacts(method: .card, amount: Money(minorUnits: 1, ProcessingStoreTests.euro)),
        userID: UniqueID(high: 1, low: 1), payeeID: UniqueID(high: 1, low: 2),
        cardFingerprints: [Array(repeating: 1, count: 32)], account: nil)
      try other.run([.begin] + RiskBook(house.risk, rules: counts).reads([held]).prefix(1))
      try house.connection.script("SET lock_timeout = '2s'")
      #expect(try apply(house, [answered(.declined, claimed[0])]) == [.rejected])
      try other.run(.rollback)
    }
  }

  // MARK: - First use

  @Test func `a user and what the user pays with are new once, however long ago`() throws {
    let rules = RiskRules(
      rules: [RiskSubject.user, .card, .account].map { subject in
        RiskRule(name: "new_\(subject.rawValue)", points: 20, firstUse: subject)
      } + [
        RiskRule(name: "large", points: 99, amountAbove: [ProcessingStoreTests.euro: 101])
      ])
    try House.with(risk: rules) { house, _ in
      func new(_ number: UInt64, _ method: PaymentMethod, user: UInt64 = 1, card: UInt8? = nil) throws -> [String] {
        let payment = house.new(number, method, user: user, card: card)
        _ = try claim(house, [payment])
        return try reasons(house, payment)
      }
      // What is blocked is no use.
      _ = try claim(house, [house.new(90, .card, .block, card: 1)])
      #expect(try new(1, .card, card: 1) == ["new_user", "new_card"])
      #expect(try new(2, .card, card: 1) == [])
      #expect(try new(3, .account) == ["new_account"])
      #expect(try new(4, .account) == [] && new(5, .token) == [])
      #expect(try new(6, .card, user: 2, card: 1) == ["new_user", "new_card"])
      // Both in one transaction: the second is not new.
      let pair = [house.new(7, .card, user: 3, card: 3), house.new(8, .card, user: 3, card: 3)]
      _ = try claim(house, pair)
      #expect(try pair.map { try reasons(house, $0) } == [["new_user", "new_card"], []])
      // A row that remembers stays for longer than its counts.
      let usage = "\(house.riskSchema).usage"
      let kept = "SELECT count(*) FROM \(usage) WHERE until = (now() AT TIME ZONE 'UTC')::date + 400"
      #expect(try house.connection.int(kept) == 3)
      try house.connection.script("UPDATE \(usage) SET until = until - 399")
      #expect(try RiskCare(house.risk).run(on: house.connection) == 0)
      #expect(try new(9, .card, card: 1) == [])
      try house.connection.script("UPDATE \(usage) SET until = until - 400")
      #expect(try RiskCare(house.risk).run(on: house.connection) == 3)
      #expect(try new(10, .card, card: 1) == ["new_user", "new_card"])
    }
  }
}
