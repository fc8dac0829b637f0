import DirectDomain
import LedgerDomain
import Money
import RiskDomain
import Testing
import Values

@testable import ProcessingDomain

/// A payment, its ledger and a clock.
private struct Bench {
  static let euro = Currency("EUR")!
  static let clearing = LedgerAccount(id: UniqueID(high: 1, low: 1), kind: .clearing, currency: euro)
  static let payer = LedgerAccount(id: UniqueID(high: 1, low: 2), kind: .user, currency: euro)
  static let payee = LedgerAccount(id: UniqueID(high: 1, low: 3), kind: .user, currency: euro)
  static let mine = Claim(owner: UniqueID(high: 2, low: 1), epoch: 1)
  static let theirs = Claim(owner: UniqueID(high: 2, low: 2), epoch: 1)

  let engine: PaymentEngine
  var payment: ProcessedPayment
  var ledger: LedgerBatch
  var now = Timestamp(microseconds: 1_000_000_000)
  var effects = StepEffects()

  init(_ method: PaymentMethod = .account, rules: PaymentRules = PaymentRules(), funds: Int64 = 500) {
    engine = PaymentEngine(rules: rules)
    payment = ProcessedPayment(
      claimed: UniqueID(high: 9, low: 0x5550), method: method, amount: Money(minorUnits: 100, Self.euro),
      debit: method == .balance ? Self.payer.id : Self.clearing.id, credit: Self.payee.id, by: Self.mine, at: now)
    ledger = LedgerBatch(
      accounts: [Self.clearing, Self.payer, Self.payee],
      balances: [Self.payer.id: Balance(posted: funds)], locked: [Self.payer.id], transfers: [])
  }

  /// A payment that the bank was asked to charge.
  static func asked(_ method: PaymentMethod = .account, rules: PaymentRules = PaymentRules()) -> Bench {
    var bench = Bench(method, rules: rules)
    bench.step(.assess(.allow, by: mine))
    bench.step(.ask(by: mine, after: nil))
    return bench
  }

  static func unknown(rules: PaymentRules = PaymentRules()) -> Bench {
    var bench = asked(rules: rules)
    bench.step(.charged(.unclear, askedAt: bench.now))
    return bench
  }

  /// A payment that the bank did not know, and was asked to reverse.
  static func reversing() -> Bench {
    var bench = unknown()
    bench.wait(700)
    bench.step(.inquired(.noSuchPayment, askedAt: bench.now))
    return bench
  }

  @discardableResult
  mutating func step(_ step: PaymentStep) -> StepOutcome {
    let outcome = engine.apply(step, to: &payment, at: now, ledger: &ledger)
    if case .changed(let effects) = outcome { self.effects = effects }
    return outcome
  }

  mutating func wait(_ seconds: Int) { now = now + .seconds(seconds) }

  var kinds: [Transfer.Kind] { ledger.transfers.map(\.kind) }
}

@Suite struct PaymentEngineTests {
  @Test func `a payment through the bank holds, asks and posts`() {
    var bench = Bench()
    #expect(bench.payment.state == .processing && bench.payment.version == 2)
    bench.step(.assess(.allow, by: Bench.mine))
    #expect(bench.payment.stage == .ready && !bench.effects.isPublished && bench.kinds.isEmpty)
    bench.step(.ask(by: Bench.mine, after: nil))
    #expect(bench.payment.stage == .asked(at: bench.now) && bench.effects.call == .charge && bench.kinds == [.pending])
    bench.step(.charged(.approved, askedAt: bench.now))
    #expect(bench.payment.state == .completed && bench.payment.version == 3 && bench.effects.isPublished)
    #expect(bench.kinds == [.pending, .post] && !bench.payment.hasHold && bench.payment.claim == nil)
    #expect(bench.ledger.changes[Bench.payee.id] == Balance(posted: 100))
  }

  @Test func `a balance is paid without the bank, or rejected`() {
    var bench = Bench(.balance)
    bench.step(.assess(.allow, by: Bench.mine))
    bench.step(.ask(by: Bench.mine, after: nil))
    #expect(bench.payment.state == .completed && bench.effects.call == nil && bench.kinds == [.single])
    var poor = Bench(.balance, funds: 99)
    poor.step(.assess(.allow, by: Bench.mine))
    poor.step(.ask(by: Bench.mine, after: nil))
    #expect(poor.payment.state == .rejected && poor.payment.reason == .insufficientFunds && poor.kinds.isEmpty)
  }

  @Test func `a refusal of the bank gives the hold back`() {
    var bench = Bench.asked()
    bench.step(.charged(.declined, askedAt: bench.now))
    #expect(bench.payment.state == .rejected && bench.payment.reason == .bankDeclined)
    #expect(bench.kinds == [.pending, .void])
  }

  @Test func `only nothing sent, of this asking, makes a payment ready again`() {
    var bench = Bench.asked()
    let first = bench.now
    bench.wait(3)
    #expect(bench.step(.ask(by: Bench.mine, after: nil)) == .ignored)
    #expect(bench.step(.ask(by: Bench.mine, after: bench.now)) == .ignored)
    bench.step(.ask(by: Bench.mine, after: first))
    #expect(bench.payment.stage == .asked(at: bench.now) && bench.kinds == [.pending])
    #expect(bench.step(.charged(.notSent, askedAt: first)) == .ignored)
    bench.step(.charged(.notSent, askedAt: bench.now))
    #expect(bench.payment.stage == .ready && bench.payment.hasHold && bench.payment.state == .processing)
    #expect(bench.payment.claim == nil && bench.payment.due != nil)
    bench.step(.cancel)
    #expect(bench.payment.reason == .cancelled && bench.kinds == [.pending, .void])
  }

  @Test(arguments: [BankAnswer.unclear, .noSuchPayment, .reversed])
  func `every other answer to a charge leaves the outcome unknown`(answer: BankAnswer) {
    var bench = Bench.asked()
    bench.step(.charged(answer, askedAt: bench.now))
    #expect(bench.payment.state == .unknown && bench.payment.reason == .bankUnclear && bench.payment.hasHold)
    #expect(bench.payment.claim == nil && bench.payment.due != nil)
    #expect(bench.step(.ask(by: Bench.mine, after: nil)) == .ignored)
    #expect(bench.step(.charged(.notSent, askedAt: bench.now)) == .ignored)
  }

  @Test func `an unknown outcome is asked about until the bank tells`() throws {
    var bench = Bench.unknown()
    for inquiries in 1...4 {
      bench.now = try #require(bench.payment.due)
      #expect(bench.step(.fallDue) == .changed(bench.effects))
      #expect(bench.effects.call == .inquire && bench.payment.inquiries == inquiries)
      #expect(bench.step(.fallDue) == .ignored)
      // The question is given 35 s. Once it was answered the next one comes by its own time.
      let late = try #require(bench.payment.due)
      bench.step(.inquired(.unclear, askedAt: bench.now))
      #expect(try #require(bench.payment.due) <= late)
      #expect(bench.step(.inquired(.unclear, askedAt: bench.now)) == .ignored)
    }
    bench.step(.inquired(.approved, askedAt: bench.now))
    #expect(bench.payment.state == .completed && bench.kinds == [.pending, .post])
  }

  @Test func `no such payment counts only after the horizon, and then only with a reversal`() throws {
    let rules = PaymentRules(bankTimeout: .seconds(30), bankHorizon: .seconds(600))
    var bench = Bench.unknown(rules: rules)
    bench.wait(631)
    #expect(bench.step(.inquired(.noSuchPayment, askedAt: bench.now)) == .ignored)
    let early = bench.now
    bench.wait(1)
    // The answer came late: the question was asked too early.
    #expect(bench.step(.inquired(.noSuchPayment, askedAt: early)) == .ignored)
    bench.step(.inquired(.noSuchPayment, askedAt: bench.now))
    #expect(bench.effects.call == .reverse && bench.payment.state == .unknown && bench.payment.hasHold)
    #expect(bench.step(.reversed(.unclear)) == .ignored)
    #expect(bench.step(.reversed(.approved)) == .contradicted(.reversalNotAcknowledged))
    // It is asked by turns what became of the payment, and for the reversal.
    for call in [BankCall.inquire, .reverse] {
      bench.now = try #require(bench.payment.due)
      bench.step(.fallDue)
      #expect(bench.effects.call == call && bench.effects.exception == nil)
      #expect(bench.step(.inquired(.approved, askedAt: bench.now)) == .ignored)
    }
    bench.step(.reversed(.reversed))
    #expect(bench.payment.state == .error && bench.payment.reason == .bankNeverCharged)
    #expect(bench.kinds == [.pending, .void])
  }

  @Test func `that the bank has declined ends a payment that is being reversed, whatever it was asked`() {
    let then = Timestamp(microseconds: 0)
    for step in [
      PaymentStep.charged(.declined, askedAt: then), .inquired(.declined, askedAt: then), .reversed(.declined),
    ] {
      var bench = Bench.reversing()
      bench.step(step)
      #expect(bench.payment.state == .rejected && bench.payment.reason == .bankDeclined, "\(step)")
      #expect(bench.kinds == [.pending, .void])
    }
    for step in [PaymentStep.charged(.reversed, askedAt: then), .inquired(.reversed, askedAt: then)] {
      var bench = Bench.reversing()
      bench.step(step)
      #expect(bench.payment.state == .error && bench.payment.reason == .bankNeverCharged, "\(step)")
    }
  }

  @Test(arguments: [BankAnswer.noSuchPayment, .unclear, .notSent])
  func `a bank that acknowledges no reversal is asked on, and a person looks`(answer: BankAnswer) throws {
    var bench = Bench.reversing()
    let began = bench.now
    var reversals = 1
    var isSeen = false
    for _ in 0..<40 {
      #expect(bench.step(.reversed(answer)) == .ignored)
      bench.now = try #require(bench.payment.due)
      bench.step(.fallDue)
      if bench.effects.exception == .reversalNotAcknowledged, !isSeen {
        isSeen = true
        #expect(reversals == 5)
        #expect(bench.now < began + .seconds(3 * 3_600), "a person sees it the same day")
      }
      if bench.effects.call == .reverse { reversals += 1 }
    }
    #expect(isSeen && bench.payment.state == .unknown && bench.payment.hasHold && reversals == 21)
    bench.step(.inquired(.declined, askedAt: bench.now))
    #expect(bench.payment.state == .rejected)
  }

  @Test func `a bank without reversals leaves it unknown for ever`() throws {
    var bench = Bench.unknown(rules: PaymentRules(hasReversals: false))
    for _ in 0..<20 {
      bench.now = try #require(bench.payment.due)
      bench.step(.fallDue)
      bench.step(.inquired(.noSuchPayment, askedAt: bench.now))
    }
    #expect(bench.payment.state == .unknown && bench.payment.hasHold && bench.kinds == [.pending])
    let wait = try #require(bench.payment.due).microseconds - bench.now.microseconds
    #expect(wait >= 86_400_000_000 && wait < 96_000_000_000)
  }

  @Test func `a final state stays, and what contradicts it is for a person`() {
    var completed = Bench.asked()
    completed.step(.charged(.approved, askedAt: completed.now))
    let paid = completed.payment
    #expect(completed.step(.charged(.approved, askedAt: completed.now)) == .ignored)
    #expect(completed.step(.inquired(.noSuchPayment, askedAt: completed.now)) == .ignored)
    #expect(completed.step(.charged(.declined, askedAt: completed.now)) == .contradicted(.completedNotCharged))
    #expect(completed.step(.reversed(.reversed)) == .contradicted(.completedNotCharged))
    #expect(completed.step(.cancel) == .refused(.alreadyFinal))
    #expect(completed.step(.review(approves: false, by: "Ann")) == .refused(.alreadyFinal))
    #expect(completed.step(.takeOver(from: Bench.mine.owner)) == .ignored)
    #expect(completed.payment == paid && completed.kinds.count == 2)

    var rejected = Bench.asked()
    rejected.step(.charged(.declined, askedAt: rejected.now))
    #expect(rejected.step(.inquired(.approved, askedAt: rejected.now)) == .contradicted(.chargedNotCompleted))
    #expect(rejected.step(.charged(.declined, askedAt: rejected.now)) == .ignored)
  }

  @Test func `what the bank says of a charge that it may still undo, or has undone, gives nothing back`() {
    let then = Timestamp(microseconds: 0)
    let approvals = [
      PaymentStep.charged(.approved, askedAt: then), .inquired(.approved, askedAt: then), .reversed(.approved),
      .stated(.approved, covering: nil),
    ]
    var ready = Bench()
    ready.step(.assess(.allow, by: Bench.mine))
    var doubted = Bench.asked()
    doubted.step(.charged(.notSent, askedAt: doubted.now))
    for open in [Bench(), ready, doubted, .asked(), .unknown(), .reversing()] {
      for approval in approvals {
        var bench = open
        let outcome = bench.step(approval)
        #expect(outcome != .contradicted(.chargedNotCompleted), "\(open.payment.stage) \(approval)")
        if case .changed(let effects) = outcome { #expect(effects.exception != .chargedNotCompleted, "\(approval)") }
      }
    }
    // Each of these may have been said before the reversal was acknowledged.
    var reversed = Bench.reversing()
    reversed.step(.reversed(.reversed))
    for approval in approvals { #expect(reversed.step(approval) == .contradicted(.chargeDoubtful), "\(approval)") }
    var rejected = Bench.unknown()
    rejected.step(.inquired(.declined, askedAt: rejected.now))
    for approval in approvals { #expect(rejected.step(approval) == .contradicted(.chargedNotCompleted), "\(approval)") }
  }

  @Test func `the dead claimant's payments go on, except what it alone had`() {
    var ready = Bench()
    ready.step(.assess(.allow, by: Bench.mine))
    #expect(ready.step(.takeOver(from: Bench.mine.owner)) == .ignored, "a payment that waits for the bank is free")
    ready.step(.ask(by: Bench.theirs, after: nil))
    #expect(ready.payment.claim == Bench.theirs && ready.payment.stage == .asked(at: ready.now))
    #expect(ready.step(.ask(by: Bench.mine, after: ready.now)) == .ignored)
    #expect(ready.step(.takeOver(from: Bench.mine.owner)) == .ignored)
    var claimed = Bench()
    claimed.step(.takeOver(from: Bench.mine.owner))
    #expect(claimed.payment.state == .error && claimed.payment.reason == .bankUnavailable)
    var card = Bench(.card)
    card.step(.assess(.allow, by: Bench.mine))
    #expect(card.step(.ask(by: Bench.theirs, after: nil)) == .ignored, "only one process has the number")
    card.step(.takeOver(from: Bench.mine.owner))
    #expect(card.payment.state == .error && card.payment.reason == .cardDataLost)
    var asked = Bench.asked(.card)
    asked.step(.takeOver(from: Bench.mine.owner))
    #expect(asked.payment.state == .unknown)
    asked.step(.charged(.approved, askedAt: asked.now))
    #expect(asked.payment.state == .completed)
  }

  @Test func `a review waits for a person, and the balance is held meanwhile`() throws {
    var balance = Bench(.balance)
    balance.step(.assess(.review, by: Bench.mine))
    #expect(balance.payment.state == .review && balance.kinds == [.pending] && balance.payment.claim == nil)
    balance.step(.review(approves: true, by: "Ann"))
    #expect(balance.payment.state == .completed && balance.kinds == [.pending, .post])
    #expect(balance.step(.review(approves: false, by: "Ann")) == .refused(.alreadyFinal))

    var late = Bench(.balance)
    late.step(.assess(.review, by: Bench.mine))
    #expect(late.payment.due == late.now + late.engine.rules.reviewTimeout)
    late.now = try #require(late.payment.due)
    late.step(.fallDue)
    #expect(late.payment.state == .rejected && late.payment.reason == .reviewTimeout)
    #expect(late.kinds == [.pending, .void])

    var account = Bench(.account)
    account.step(.assess(.review, by: Bench.mine))
    #expect(account.kinds.isEmpty)
    account.step(.review(approves: true, by: "Ann"))
    #expect(account.payment.state == .processing && account.payment.version == 4)
    #expect(account.payment.claim == nil && account.payment.chore == .charge && account.payment.due == account.now)
    #expect(account.payment.reviewer == "Ann")
    #expect(account.step(.fallDue) == .ignored, "it is asked for instead")
    #expect(account.step(.review(approves: true, by: "Ann")) == .refused(.notInReview))

    var card = Bench(.card)
    card.step(.assess(.review, by: Bench.mine))
    #expect(card.payment.state == .rejected && card.payment.reason == .reviewRequired)
    var allowed = Bench(.card, rules: PaymentRules(rejectsCardReviews: false))
    allowed.step(.assess(.review, by: Bench.mine))
    #expect(allowed.payment.stage == .ready)
  }

  @Test func `a card waits for the bank for a time that does not begin anew`() throws {
    var bench = Bench(.card, rules: PaymentRules(cardWait: .seconds(120)))
    bench.step(.assess(.allow, by: Bench.mine))
    bench.wait(100)
    bench.step(.ask(by: Bench.mine, after: nil))
    bench.wait(5)
    bench.step(.charged(.notSent, askedAt: Timestamp(microseconds: bench.now.microseconds - 5_000_000)))
    #expect(bench.step(.fallDue) == .ignored)
    bench.wait(15)
    bench.step(.fallDue)
    #expect(bench.payment.state == .error && bench.payment.reason == .bankUnavailable)
    #expect(bench.kinds == [.pending, .void])
  }

  @Test func `a card that has waited too long is not asked for any more`() throws {
    var bench = Bench(.card, rules: PaymentRules(cardWait: .seconds(120)))
    bench.step(.assess(.allow, by: Bench.mine))
    bench.wait(121)
    bench.step(.ask(by: Bench.mine, after: nil))
    #expect(bench.payment.state == .error && bench.payment.reason == .bankUnavailable)
    #expect(bench.kinds == [])
  }

  @Test(arguments: [(0, 1), (10, 5), (3_600, 60)])
  func `what could not be sent is tried less and less often`(age: Int, wait: Int) throws {
    var bench = Bench()
    bench.step(.assess(.allow, by: Bench.mine))
    bench.wait(age)
    bench.step(.ask(by: Bench.mine, after: nil))
    bench.step(.charged(.notSent, askedAt: bench.now))
    #expect(try #require(bench.payment.due) == bench.now + .seconds(wait))
    // Whoever has room later takes it.
    bench.step(.ask(by: Bench.theirs, after: nil))
    #expect(bench.payment.claim == Bench.theirs && bench.payment.chore == nil)
  }

  @Test func `once the bank was asked nobody can cancel`() {
    var bench = Bench.asked()
    #expect(bench.step(.cancel) == .refused(.bankAlreadyAsked))
    bench.step(.charged(.unclear, askedAt: bench.now))
    #expect(bench.step(.cancel) == .refused(.bankAlreadyAsked))
    let cancelled = ProcessedPayment(
      unclaimed: UniqueID(high: 1, low: 16), method: .card, amount: bench.payment.amount, debit: Bench.clearing.id,
      credit: Bench.payee.id, ends: .cancelled, at: bench.now)
    #expect(cancelled.state == .rejected && cancelled.reason == .cancelled && cancelled.version == 2)
  }

  @Test func `an answer to what was said not to be sent is asked about`() {
    var bench = Bench.asked()
    let first = bench.now
    bench.step(.charged(.notSent, askedAt: first))
    bench.wait(1)
    bench.step(.charged(.approved, askedAt: first))
    #expect(bench.payment.stage == .unknown(askedAt: first) && bench.effects.exception == .chargeDoubtful)
  }

  @Test func `a transfer that is there already is none of ours`() {
    var bench = Bench()
    bench.step(.assess(.allow, by: Bench.mine))
    let movement = TransferRequest.Movement(
      id: UniqueID(high: 9, low: 0x5550), debit: bench.payment.debit, credit: bench.payment.credit,
      amount: bench.payment.amount)
    #expect(bench.ledger.decide(.hold(movement)) == .created)
    bench.step(.ask(by: Bench.mine, after: nil))
    #expect(bench.payment.state == .rejected && bench.payment.reason == .ledgerRefused && !bench.payment.hasHold)
  }

  @Test func `broken books keep what the bank said open`() {
    var bench = Bench.asked()
    // Somebody has emptied the ledger.
    bench.ledger = LedgerBatch(accounts: [], balances: [:], locked: [], transfers: [])
    let outcome = bench.step(.charged(.approved, askedAt: bench.now))
    #expect(outcome == .changed(bench.effects) && bench.effects.exception == .ledgerRefused)
    #expect(bench.payment.state == .unknown && bench.payment.due != nil && bench.kinds.isEmpty)
    let unknown = bench.payment
    #expect(bench.step(.inquired(.approved, askedAt: bench.now)) == .contradicted(.ledgerRefused))
    #expect(bench.payment == unknown)
  }

  // MARK: - Statements

  @Test func `a statement resolves what is not known, and what it says later changes nothing`() {
    for (answer, state, reason) in [
      (BankAnswer.approved, PaymentState.completed, nil), (.declined, .rejected, PaymentReason.bankDeclined),
      (.reversed, .error, .bankNeverCharged),
    ] {
      for start in [Bench.unknown(), Bench.asked()] {
        var bench = start
        bench.step(.stated(answer, covering: nil))
        #expect(bench.payment.state == state && bench.payment.reason == reason && bench.effects.isPublished)
        #expect(!bench.payment.hasHold && bench.payment.claim == nil && bench.payment.due == nil)
        #expect(bench.kinds == [.pending, state == .completed ? .post : .void])
        #expect(bench.step(.stated(answer, covering: nil)) == .ignored)
        // The answer to the charge comes after all.
        #expect(bench.step(.charged(answer, askedAt: bench.now)) == .ignored)
        #expect(bench.step(.ask(by: Bench.mine, after: nil)) == .ignored)
      }
    }
  }

  @Test func `what contradicts a final state in a statement is for a person`() {
    var completed = Bench.asked()
    completed.step(.charged(.approved, askedAt: completed.now))
    #expect(completed.step(.stated(.declined, covering: nil)) == .contradicted(.completedNotCharged))
    #expect(completed.step(.stated(.reversed, covering: nil)) == .contradicted(.completedNotCharged))
    #expect(completed.step(.stated(.noSuchPayment, covering: nil)) == .ignored)
    var rejected = Bench.asked()
    rejected.step(.charged(.declined, askedAt: rejected.now))
    #expect(rejected.step(.stated(.approved, covering: nil)) == .contradicted(.chargedNotCompleted))
    var claimed = Bench()
    #expect(claimed.step(.stated(.approved, covering: nil)) == .contradicted(.chargeDoubtful))
    #expect(claimed.step(.stated(.declined, covering: nil)) == .ignored && claimed.payment.stage == .claimed)
  }

  @Test func `what a statement lists is not asked for again, although nothing was sent`() {
    var bench = Bench.asked()
    bench.step(.charged(.notSent, askedAt: bench.now))
    #expect(bench.payment.stage == .ready)
    bench.step(.stated(.approved, covering: nil))
    #expect(bench.payment.state == .completed && bench.kinds == [.pending, .post])
  }

  @Test func `a payment is missing in a statement only when all of its time is covered`() {
    func stated(_ bench: Bench, from: Int, to: Int) -> (bench: Bench, outcome: StepOutcome) {
      var bench = bench
      let asked = bench.now
      bench.wait(1_000)
      let outcome = bench.step(.stated(.noSuchPayment, covering: asked + .seconds(from)...asked + .seconds(to)))
      return (bench, outcome)
    }
    let without = PaymentRules(hasReversals: false)
    // 2 s to send, 30 s for the answer, 600 s until the bank shows it.
    for (from, to) in [(0, 631), (1, 700)] {
      #expect(stated(.unknown(rules: without), from: from, to: to).outcome == .ignored)
    }
    let ended = stated(.unknown(rules: without), from: 0, to: 632).bench
    #expect(ended.payment.state == .error && ended.payment.reason == .bankNeverCharged)
    #expect(ended.kinds == [.pending, .void])
    // Where there are reversals the bank has to refuse a late charge first.
    let reversing = stated(.unknown(), from: 0, to: 632).bench
    #expect(reversing.payment.state == .unknown && reversing.payment.hasHold && reversing.payment.due == reversing.now)
    guard case .reversing = reversing.payment.stage else {
      Issue.record("\(reversing.payment.stage)")
      return
    }
    var due = reversing
    due.step(.fallDue)
    #expect(due.effects.call == .reverse)
    var unknown = Bench.unknown(rules: without)
    #expect(unknown.step(.stated(.noSuchPayment, covering: nil)) == .ignored)
  }

  @Test func `a statement does not complete what is being reversed`() {
    var bench = Bench.reversing()
    #expect(bench.step(.stated(.approved, covering: nil)) == .ignored)
    bench.step(.stated(.declined, covering: nil))
    #expect(bench.payment.state == .rejected)
  }
}
