import DirectDomain
import Foundation
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

/// Risk in the transaction of a claim.
@Suite("Risk of claims", .needsDatabase)
struct RiskClaimTests {
  typealias House = ProcessingStoreTests.House

  static let euro = ProcessingStoreTests.euro

  /// At most five payments of a card in a minute, and of a payee when `payee` is asked for.
  private static func rules(_ subjects: RiskSubject...) -> RiskRules {
    RiskRules(
      rules: subjects.map {
        RiskRule(name: "five_\($0)", points: 80, limit: RiskLimit($0, .count(in: .minute, above: 5)))
      })
  }

  @discardableResult
  private func claim(
    _ house: House, _ payments: [NewPayment], on connection: Connection? = nil
  ) throws -> [RequestResult] {
    guard case .done(let results) = try house.store.claim(payments, by: house.claim, on: connection ?? house.connection)
    else { throw ProcessingStoreTests.TestFailure() }
    return results
  }

  private func allowed(_ results: [RequestResult]) -> Int {
    results.filter { result in
      if case .looked(let step) = result { step.stored.payment.state == .processing } else { false }
    }.count
  }

  private func decisions(_ house: House) throws -> [StoredDecision] {
    try RiskDecisions(house.risk).newest(nil, limit: 10_000, on: house.connection).map { entry in
      guard case .decision(let decision) = entry else { throw ProcessingStoreTests.TestFailure() }
      return decision
    }
  }

  // MARK: - Counting

  @Test(arguments: [RiskSubject.card, .payee])
  func `writers at once pass exactly as many as the rule allows`(subject: RiskSubject) throws {
    try House.with(risk: Self.rules(subject)) { house, _ in
      let passed = Atomic<Int>(0)
      try house.together(8) { number, house, connection in
        for round in 0..<4 {
          let new = (0..<3).map { house.new(UInt64(number * 100 + round * 10 + $0), .card, card: 1) }
          passed.add(allowed(try claim(house, new, on: connection)), ordering: .relaxed)
        }
      }
      #expect(passed.load(ordering: .relaxed) == 5)
      let decisions = try decisions(house)
      #expect(decisions.count == 96)
      #expect(decisions.filter { $0.record.decision.reasons == ["five_\(subject)"] }.count == 91)
    }
  }

  @Test func `writers of many keys in any order never wait in a circle`() throws {
    try House.with(risk: Self.rules(.user, .payee, .card, .account)) { house, schema in
      try house.together(16) { number, house, connection in
        var random = SplitMix64(seed: UInt64(number))
        for round in 0..<12 {
          let new = (0..<16).map { place in
            let isCard = Bool.random(using: &random)
            return house.new(
              UInt64((number * 100 + round) * 100 + place), isCard ? .card : .account,
              user: .random(in: 1...20, using: &random), card: isCard ? .random(in: 1...20, using: &random) : nil,
              payee: .random(in: 1...4, using: &random))
          }.shuffled(using: &random)
          try claim(house, new, on: connection)
        }
      }
      #expect(try house.connection.int("SELECT count(*) FROM \(schema).payment") == 16 * 12 * 16)
      #expect(try house.connection.int("SELECT count(*) FROM \(house.riskSchema).decision") == 16 * 12 * 16)
      for subject in RiskSubject.allCases {
        let reason = "five_\(subject)"
        let most = try house.connection.int(
          """
          SELECT max((features->'\(subject)'->'1m'->>0)::int) FROM \(house.riskSchema).decision
          WHERE NOT reasons @> ARRAY['\(reason)'] AND features ? '\(subject)'
          """)
        #expect(most <= 4)
      }
    }
  }

  @Test func `a claim that comes again counts nothing`() throws {
    try House.with(risk: Self.rules(.card)) { house, _ in
      let new = (0..<5).map { house.new(UInt64($0), .card, card: 1) }
      #expect(allowed(try claim(house, new + new)) == 5)
      let before = try decisions(house)
      for _ in 0..<3 { #expect(allowed(try claim(house, new)) == 0) }
      #expect(try decisions(house) == before)
      // The sixth is the first that does not pass: nothing was counted twice.
      #expect(before.map(\.record.decision.score) == [0, 0, 0, 0, 0])
      let next = try claim(house, [house.new(90, .card, card: 1), house.new(91, .card, card: 2)])
      #expect(allowed(next) == 1)
      // Who has lost the lease counts nothing either.
      guard
        case .lostLease = try house.store.claim(
          [house.new(92, .card, card: 2)], by: Claim(owner: UniqueID.random(), epoch: 1), on: house.connection)
      else { throw ProcessingStoreTests.TestFailure() }
      let last = try claim(house, [house.new(93, .card, card: 2)])
      #expect(allowed(last) == 1)
      guard case .features(let features) = try decisions(house)[0].record.evidence else {
        throw ProcessingStoreTests.TestFailure()
      }
      #expect(features.usage[.card]?.minute == RiskCount(count: 1, sum: 100))
    }
  }

  @Test func `a card is known again while its signing key is changed, and listed under any of them`() throws {
    try House.with(risk: Self.rules(.card)) { house, _ in
      // Gateways with the old key first, with the new one first, and without the old one.
      #expect(allowed(try claim(house, (0..<3).map { house.new(UInt64($0), .card, card: 1) })) == 3)
      #expect(allowed(try claim(house, (10..<13).map { house.new(UInt64($0), .card, cards: [2, 1]) })) == 2)
      #expect(allowed(try claim(house, (20..<24).map { house.new(UInt64($0), .card, card: 2) })) == 3)
      try house.connection.script(
        """
        INSERT INTO \(house.riskSchema).listed (list, subject, key) VALUES
          ('block', 'card', decode(repeat('05', 32), 'hex'))
        """)
      #expect(allowed(try claim(house, [house.new(30, .card, cards: [6, 5])])) == 0)
      #expect(try decisions(house)[0].record.decision.reasons == ["block_list.card"])
      #expect(try replay(house) == [])
    }
  }

  @Test func `decisions are kept with all that they were made of, and replay to the same`() throws {
    try House.with(risk: Self.rules(.card, .user)) { house, _ in
      try house.connection.script(
        """
        INSERT INTO \(house.riskSchema).listed (list, subject, key) VALUES
          ('block', 'account', sha256('4711')), ('allow', 'card', decode(repeat('07', 32), 'hex'))
        """)
      try claim(house, (0..<8).map { house.new(UInt64($0), .card, card: 1) })
      try claim(house, [house.new(20, .account), house.new(21, .card, card: 7), house.new(22, .token)])
      let kept = try decisions(house)
      #expect(
        kept.prefix(3).map(\.record.decision.reasons) == [["five_user"], ["allow_list.card"], ["block_list.account"]])
      #expect(kept.last?.record.evidence == .features(RiskFeatures(usage: [.card: RiskUsage(), .user: RiskUsage()])))
      #expect(kept.last?.record.facts == RiskFacts(method: .card, amount: Money(minorUnits: 100, Self.euro)))
      #expect(try replay(house) == [])
      // Rules of then decide, not those of today.
      let book = RiskBook(house.risk, rules: RiskRules(rules: []))
      let payment = RiskPayment(
        id: UniqueID(high: 99, low: 1), facts: RiskFacts(method: .balance, amount: Money(minorUnits: 5, Self.euro)),
        userID: UniqueID(high: 1, low: 1), payeeID: UniqueID(high: 1, low: 2), cardFingerprints: [], account: nil)
      let batch = try book.decide([payment], house.connection.run(book.reads([payment])))
      try house.connection.run(book.writes(batch))
      #expect(try replay(house) == [])
      #expect(try house.connection.int("SELECT count(*) FROM \(house.riskSchema).rule_set") == 2)
    }
  }

  @Test func `replay finds what was changed`() throws {
    try House.with(risk: Self.rules(.card)) { house, _ in
      try claim(house, (0..<7).map { house.new(UInt64($0), .card, card: 1) })
      let kept = Array(try decisions(house).reversed())
      let table = "\(house.riskSchema).decision"
      let ids = kept.map { "'\($0.record.paymentID)'" }
      try house.connection.script(
        """
        UPDATE \(table) SET score = 12 WHERE payment_id = \(ids[0]);
        UPDATE \(table) SET features = jsonb_set(features, '{card,1m,0}', '9') WHERE payment_id = \(ids[1]);
        UPDATE \(table) SET features = '{"card":1}' WHERE payment_id = \(ids[2]);
        UPDATE \(table) SET rules = repeat('0', 64) WHERE payment_id = \(ids[3]);
        UPDATE \(table) SET method = 'cash' WHERE payment_id = \(ids[4])
        """)
      let found = try replay(house)
      #expect(found.count == 5)
      guard case .differs(let stored, let again) = found[0] else { throw ProcessingStoreTests.TestFailure() }
      #expect(stored.record.decision.score == 12 && again.score == 0)
      #expect(found[4] == .unreadable(kept[4].record.paymentID, "method is cash, which this version does not know"))
      try house.connection.script("UPDATE \(house.riskSchema).rule_set SET content = content || ' '")
      #expect(try replay(house).count == 7)
    }
  }

  private func replay(_ house: House) throws -> [RiskDecisions.Finding] {
    var findings: [RiskDecisions.Finding] = []
    try RiskDecisions(house.risk).replay(on: house.connection) { _, found in
      findings += found
      return true
    }
    return findings
  }

  // MARK: - Faults

  @Test(arguments: [(RiskFailure.open, RiskVerdict.allow), (.closed, .review)])
  func `RISK_FAIL decides when features cannot be had, and is recorded`(failure: RiskFailure, verdict: RiskVerdict)
    throws
  {
    try House.with(risk: Self.rules(.user), failure: failure) { house, schema in
      try house.connection.script("ALTER TABLE \(house.riskSchema).usage RENAME TO away")
      let results = try claim(house, [house.new(1, asks: true), house.new(2, .card, asks: true, card: 1)])
      #expect(allowed(results) == (failure == .open ? 2 : 0))
      let kept = try decisions(house)
      #expect(kept.map(\.record.decision.verdict) == [failure == .open ? .allow : .block, verdict])
      #expect(kept.allSatisfy { $0.record.evidence == .unavailable(failure) })
      #expect(try replay(house) == [])
      try house.connection.script("ALTER TABLE \(house.riskSchema).away RENAME TO usage")
      #expect(allowed(try claim(house, [house.new(3)])) == 1)
      // One row that nobody can read is the fault of its payments only.
      try house.connection.script("UPDATE \(house.riskSchema).usage SET buckets = 'nonsense'")
      #expect(allowed(try claim(house, [house.new(4), house.new(5, user: 2)])) == (failure == .open ? 2 : 1))
      #expect(try decisions(house).prefix(2).map(\.record.decision.reasons) == [[], ["features_unavailable"]])
      #expect(allowed(try claim(house, [house.new(6)])) == 1)
    }
  }

  @Test func `what cannot be recorded is not done`() throws {
    try House.with(risk: Self.rules(.user)) { house, schema in
      try house.connection.script("ALTER TABLE \(house.riskSchema).decision RENAME TO away")
      #expect(throws: DatabaseError.self) { try claim(house, [house.new(1, asks: true)]) }
      #expect(try house.connection.int("SELECT count(*) FROM \(schema).payment") == 0)
      #expect(try house.connection.int("SELECT count(*) FROM \(house.riskSchema).usage") == 0)
    }
  }

  @Test func `waiting too long for a key is no lack of features, nor is an outage`() throws {
    try House.with(risk: Self.rules(.user)) { house, schema in
      // Somebody holds the lock of the user.
      try house.connection.run(.begin)
      try house.connection.run(
        Array(RiskBook(house.risk, rules: Self.rules(.user)).reads([house.new(1).asRisk]).prefix(1)))
      try house.together(2) { number, house, connection in
        if number == 0 {
          try connection.script("SET lock_timeout = '100ms'")
          #expect {
            try claim(house, [house.new(1)], on: connection)
          } throws: { error in
            (error as? DatabaseError)?.isLockTimeout == true
          }
          return
        }
        let id = try connection.int("SELECT pg_backend_pid()")
        let end = WorkerThread(name: "end") {
          let waits = "SELECT count(*) FROM pg_locks WHERE pid = \(id) AND locktype = 'advisory' AND NOT granted"
          guard let watcher = try? TestDatabase.open() else { return }
          let deadline = Instant.now() + .seconds(20)
          while (try? watcher.int(waits)) == 0, Instant.now() < deadline {}
          try? watcher.script("SELECT pg_terminate_backend(\(id))")
        }
        #expect { try claim(house, [house.new(2)], on: connection) } throws: { error in
          (error as? DatabaseError)?.code == .connectionLost
        }
        end.join()
      }
      try house.connection.run(.rollback)
      #expect(try decisions(house) == [])
      #expect(try house.connection.int("SELECT count(*) FROM \(schema).payment") == 0)
    }
  }

  @Test func `only keys of limits are locked and kept, and old ones go`() throws {
    try House.with(risk: Self.rules(.user)) { house, schema in
      try house.connection.run(.begin)
      let payment = RiskPayment(
        id: UniqueID(high: 1, low: 1), facts: RiskFacts(method: .card, amount: Money(minorUnits: 5, Self.euro)),
        userID: UniqueID(high: 1, low: 1), payeeID: UniqueID(high: 1, low: 2), cardFingerprints: [[1]], account: nil)
      let book = RiskBook(house.risk, rules: Self.rules(.user))
      let batch = try book.decide([payment], house.connection.run(book.reads([payment])))
      try house.connection.run(book.writes(batch))
      let locks =
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND objsubid = 2"
      #expect(try house.connection.int(locks) == 1)
      try house.connection.run(.commit)
      let usage = "\(house.riskSchema).usage"
      #expect(try house.connection.int("SELECT count(*) FROM \(usage)") == 1)
      try house.connection.script(
        """
        INSERT INTO \(usage) SELECT gen_random_uuid(), '', (now() AT TIME ZONE 'UTC')::date + 3 - n / 10
        FROM generate_series(1, 100) n
        """)
      let care = RiskCare(house.risk)
      #expect(try care.run(batch: 10, limit: 25, on: house.connection) == 25)
      #expect(try care.run(batch: 10, on: house.connection) == 46)
      #expect(try house.connection.int("SELECT count(*) FROM \(usage)") == 30)
    }
  }

  @Test func `the privileges in docs/operations.md are enough`() throws {
    try House.with(risk: Self.rules(.user)) { house, _ in
      let document = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
        "../../docs/operations.md")
      let words = ["processing": house.riskSchema + "_p", "risk": house.riskSchema + "_r"]
      let grants = try String(contentsOf: document, encoding: .utf8).split(separator: "\n")
        .filter { $0.hasPrefix("GRANT ") && $0.contains("risk") }
        .map { line in
          let sides = line.replacing("risk.", with: house.riskSchema + ".")
            .replacing("SCHEMA risk", with: "SCHEMA \(house.riskSchema)").components(separatedBy: " TO ")
          let roles = sides[1].dropLast().components(separatedBy: ", ").map { words[$0] ?? $0 }
          return sides[0] + " TO " + roles.joined(separator: ", ")
        }
      #expect(grants.count == 7)
      let roles = words.values.sorted()
      try house.connection.script(roles.map { "CREATE ROLE \($0)" }.joined(separator: ";"))
      defer {
        try? house.connection.script(
          "RESET ROLE; " + roles.map { "DROP OWNED BY \($0); DROP ROLE \($0)" }.joined(separator: ";"))
      }
      try house.connection.script(grants.joined(separator: ";"))
      try house.connection.script("SET ROLE \(house.riskSchema)_p")
      let failing = RiskRule(name: "failing", points: 9, limit: RiskLimit(.card, .failures(above: 1)))
      let book = RiskBook(house.risk, rules: RiskRules(rules: Self.rules(.user).rules + [failing]))
      for number in 1...2 {
        let payment = house.new(UInt64(number)).asRisk
        let batch = try book.decide([payment], house.connection.run(book.reads([payment])))
        #expect(batch.records.map(\.decision.verdict) == [.allow])
        try house.connection.run(book.writes(batch))
        _ = try book.cards(house.connection.run(book.findCards(of: [payment.id])))
        let answers = try house.connection.run(book.failureReads([payment]))
        try house.connection.run(try book.failureWrites([payment], answers, failed: [payment.id]))
      }
      try RiskCare(house.risk).run(on: house.connection)
      try house.connection.script("SET ROLE \(house.riskSchema)_r")
      #expect(try decisions(house).count == 2 && replay(house) == [])
      try house.connection.script(
        "INSERT INTO \(house.riskSchema).listed (list, subject, key) VALUES ('block', 'user', uuid_send(gen_random_uuid()))"
      )
      for table in ["\(house.schema).payment", house.ledgerTable] {
        #expect(throws: DatabaseError.self) { try house.connection.int("SELECT count(*) FROM \(table)") }
      }
      #expect(throws: DatabaseError.self) { try house.connection.script("DELETE FROM \(house.riskSchema).decision") }
    }
  }
}

extension NewPayment {
  /// What risk sees of it.
  fileprivate var asRisk: RiskPayment {
    RiskPayment(
      id: id, facts: RiskFacts(method: method, amount: amount), userID: userID, payeeID: payeeID,
      cardFingerprints: cardFingerprints, account: source)
  }
}
