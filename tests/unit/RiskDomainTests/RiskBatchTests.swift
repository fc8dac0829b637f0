import DirectDomain
import Money
import Randomness
import RiskDomain
import Testing
import Values

@Suite struct RiskBatchTests {
  static let euro = Currency("EUR")!
  static let now = Timestamp(microseconds: 1_800_000_000_000_000)
  static let user = RiskKey(.user, UniqueID(high: 1, low: 1))
  static let payee = RiskKey(.payee, UniqueID(high: 1, low: 2))
  static let card = RiskKey(.card, Array(repeating: 9, count: 32))

  /// More than two payments of a card in a minute are blocked, a sum above 1,000 of a user in an hour is reviewed.
  static let rules = RiskRules(rules: [
    RiskRule(name: "card", points: 80, limit: RiskLimit(.card, .count(in: .minute, above: 2))),
    RiskRule(name: "user", points: 70, limit: RiskLimit(.user, .sum(in: .hour, above: [euro: 1_000]))),
  ])

  private func payment(_ number: UInt64, _ amount: Int64 = 100, _ keys: [RiskKey] = [user, payee, card]) -> RiskPayment
  {
    RiskPayment(
      id: UniqueID(high: 2, low: number), facts: RiskFacts(method: .card, amount: Money(minorUnits: amount, Self.euro)),
      keys: keys)
  }

  private func batch(
    _ histories: [RiskKey: RiskHistory] = [user: RiskHistory(), card: RiskHistory()], damaged: Set<RiskKey> = [],
    lists: [RiskKey: Set<RiskList>] = [:], failure: RiskFailure = .closed
  ) -> RiskBatch {
    RiskBatch(
      rules: Self.rules, failure: failure, histories: histories, damaged: damaged, lists: lists, now: Self.now)
  }

  @Test func `each payment counts for those after it, and what is blocked does not count`() {
    var batch = batch()
    let verdicts = (1...4).map { batch.decide(payment($0)).verdict }
    #expect(verdicts == [.allow, .allow, .block, .block])
    #expect(batch.history(Self.card).usage(at: Self.now, in: Self.euro).minute.count == 2)
    // Who only looks at the card pays on with another one.
    let other = RiskKey(.card, Array(repeating: 8, count: 32))
    #expect(batch.decide(payment(5, 801, [Self.user, other])).reasons == ["user"])
    #expect(batch.counted == [Self.user, Self.card])
    #expect(batch.records.count == 5)
  }

  /// New cards of a user, and failures.
  static let strict = RiskRules(rules: [
    RiskRule(name: "new_user", points: 1, firstUse: .user), RiskRule(name: "new_card", points: 2, firstUse: .card),
    RiskRule(name: "failing", points: 80, limit: RiskLimit(.card, .failures(above: 1))),
  ])

  private func strict(_ histories: [RiskKey: RiskHistory]) -> RiskBatch {
    RiskBatch(rules: Self.strict, failure: .closed, histories: histories, damaged: [], lists: [:], now: Self.now)
  }

  @Test func `a user, and a card of a user, is new once`() {
    let other = RiskKey(.card, Array(repeating: 8, count: 32))
    var batch = strict([Self.user: RiskHistory(), Self.card: RiskHistory(), other: RiskHistory()])
    #expect(batch.decide(payment(1)).reasons == ["new_card", "new_user"])
    #expect(batch.decide(payment(2)).reasons == [])
    #expect(batch.decide(payment(3, 100, [Self.user, other])).reasons == ["new_card"])
    // Without a card there is none to be new.
    #expect(batch.decide(payment(4, 100, [Self.user])).reasons == [])
    // Another user's card is new to this one, and known under each of its keys.
    let second = RiskKey(.user, UniqueID(high: 1, low: 9))
    let known = batch.history(Self.user)
    #expect(known.knows(other) && known.isRemembered)
    var later = strict([second: RiskHistory(), Self.user: known, Self.card: RiskHistory(), other: RiskHistory()])
    #expect(later.decide(payment(5, 100, [second, Self.card])).reasons == ["new_card", "new_user"])
    let changed = RiskPayment(
      id: UniqueID(high: 2, low: 6), facts: RiskFacts(method: .card, amount: Money(minorUnits: 1, Self.euro)),
      keys: [Self.user, RiskKey(.card, Array(repeating: 7, count: 32))], earlierKeys: [Self.card])
    #expect(later.decide(changed).reasons == [])
  }

  @Test func `failures are counted of what was declined and of what is blocked`() {
    var batch = strict([Self.user: RiskHistory(), Self.card: RiskHistory()])
    for number in 1...2 {
      #expect(batch.decide(payment(UInt64(number))).verdict == .allow)
      batch.fail(payment(UInt64(number)))
    }
    #expect(batch.decide(payment(3)).reasons == ["failing"])
    // Only what a rule limits is counted.
    #expect(batch.history(Self.card).failureCount(at: Self.now) == 3)
    #expect(batch.history(Self.user).failureCount(at: Self.now) == 0)
  }

  @Test func `what was counted under earlier keys is added, and counting goes on under the first`() {
    let old = RiskKey(.card, Array(repeating: 7, count: 32))
    var histories = [Self.user: RiskHistory(), Self.card: RiskHistory(), old: RiskHistory()]
    histories[old]?.add(Money(minorUnits: 100, Self.euro), at: Self.now)
    let payments = (1...3).map { number in
      RiskPayment(
        id: payment(number).id, facts: payment(number).facts, keys: [Self.user, Self.card], earlierKeys: [old])
    }
    var batch = batch(histories)
    #expect(payments.map { batch.decide($0).verdict } == [.allow, .block, .block])
    #expect(batch.counted == [Self.user, Self.card])
    guard case .features(let features) = batch.records[1].evidence else {
      Issue.record("no features")
      return
    }
    #expect(features.usage[.card]?.minute == RiskCount(count: 2, sum: 200))
    var listed = self.batch(histories, lists: [old: [.block]])
    #expect(listed.decide(payments[0]).reasons == ["block_list.card"])
    // A damaged one is decided by RISK_FAIL once, and begins anew.
    var damaged = self.batch([Self.user: RiskHistory(), Self.card: RiskHistory()], damaged: [old], failure: .open)
    #expect(damaged.decide(payments[0]).verdict == .allow)
    #expect(damaged.counted == [Self.user, Self.card, old] && damaged.history(old) == RiskHistory())
  }

  @Test func `a list decides, block before allow`() {
    var allowed = batch(lists: [Self.user: [.allow]])
    #expect((1...4).allSatisfy { allowed.decide(payment($0, 9_000)).verdict == .allow })
    #expect(allowed.records[3].decision.reasons == ["allow_list.user"])
    var both = batch(lists: [Self.user: [.allow], Self.payee: [.block]])
    #expect(both.decide(payment(1)) == RiskDecision(verdict: .block, score: 99, reasons: ["block_list.payee"]))
    #expect(both.counted.isEmpty)
  }

  @Test func `who has a damaged history is decided by RISK_FAIL, and begins anew`() {
    var batch = batch([Self.user: RiskHistory()], damaged: [Self.card])
    #expect(batch.decide(payment(1)).verdict == .block)
    #expect(batch.decide(payment(2, 100, [Self.user])).verdict == .allow)
    #expect(batch.records.map(\.evidence)[0] == .unavailable(.closed))
    var open = self.batch([Self.user: RiskHistory()], damaged: [Self.card], failure: .open)
    #expect((1...4).map { open.decide(payment($0)).verdict } == [.allow, .allow, .allow, .allow])
    #expect(open.counted == [Self.user, Self.card])
    #expect(open.history(Self.card).usage(at: Self.now, in: Self.euro).minute.count == 4)
  }

  @Test func `who sees nothing counts nothing`() {
    var blind = RiskBatch(rules: Self.rules, failingAs: .open)
    #expect(blind.decide(payment(1)).reasons == ["features_unavailable"])
    #expect(blind.counted.isEmpty && blind.records.count == 1)
  }

  /// Payments in batches of any size: the same decisions, and each is the same when it is made again from its record.
  @Test(arguments: UInt64(0)..<10)
  func `batches decide as single payments do, and records replay`(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let payments = (UInt64(0)..<60).map { number -> RiskPayment in
      let keys = [
        RiskKey(.user, UniqueID(high: 1, low: .random(in: 1...3, using: &random))),
        RiskKey(.card, Array(repeating: .random(in: 1...20, using: &random), count: 32)),
      ]
      return payment(number, .random(in: 1...600, using: &random), keys)
    }
    func play(_ sizes: (inout SplitMix64) -> Int) -> [RiskRecord] {
      var random = SplitMix64(seed: seed)
      var histories: [RiskKey: RiskHistory] = [:]
      var records: [RiskRecord] = []
      var rest = payments[...]
      while !rest.isEmpty {
        let next = rest.prefix(sizes(&random))
        rest = rest.dropFirst(next.count)
        let keys = Set(next.flatMap(\.keys))
        let found = Dictionary(uniqueKeysWithValues: keys.map { ($0, histories[$0] ?? RiskHistory()) })
        var batch = batch(found)
        for payment in next { batch.decide(payment) }
        for key in batch.counted { histories[key] = RiskHistory(packed: batch.history(key).packed) }
        records += batch.records
      }
      return records
    }
    let single = play { _ in 1 }
    #expect(play { Int.random(in: 1...20, using: &$0) } == single)
    let again = try RiskRules(canonical: Self.rules.canonical)
    for record in single {
      #expect(record.replay(again) == nil)
      guard case .features(let features) = record.evidence else { continue }
      var json: [UInt8] = []
      features.appendJSON(to: &json)
      #expect(try RiskFeatures(json: json) == features)
    }
    #expect(Set(single.map(\.decision.verdict)).count == 3)
  }
}
