import DirectDomain
import LedgerDomain
import Money
import Testing
import Values

@testable import ProcessingDomain

/// A payment that has ended, its refunds, its ledger and a clock.
private struct Bench {
  static let euro = Currency("EUR")!
  static let clearing = LedgerAccount.ours(.clearing, euro)
  static let suspense = LedgerAccount.ours(.suspense, euro)
  static let payer = LedgerAccount(id: UniqueID(high: 1, low: 2), kind: .user, currency: euro)
  static let payee = LedgerAccount(id: UniqueID(high: 1, low: 3), kind: .user, currency: euro)
  static let mine = Claim(owner: UniqueID(high: 2, low: 1), epoch: 1)

  let engine = PaymentEngine(rules: PaymentRules())
  let payment: ProcessedPayment
  var total = RefundTotal()
  var refund: ProcessedPayment?
  var ledger: LedgerBatch
  var now = Timestamp(microseconds: 1_000_000_000)
  var effects = StepEffects()
  private var count: UInt64 = 0

  init(_ method: PaymentMethod = .card, _ state: PaymentState = .completed, funds: Int64 = 100) {
    payment = ProcessedPayment(
      UniqueID(high: 9, low: 0x5550), method, Money(minorUnits: 100, Self.euro),
      method == .balance ? Self.payer.id : Self.clearing.id, Self.payee.id, now, state, .done)
    ledger = LedgerBatch(
      accounts: [Self.clearing, Self.suspense, Self.payer, Self.payee],
      balances: [Self.payee.id: Balance(posted: funds)], locked: [Self.payee.id], transfers: [])
  }

  mutating func open(_ amount: Int64?, _ cause: RefundCause = .caller) -> RefundDecision {
    count += 1
    let order = RefundOrder(
      id: UniqueID(high: 10, low: count << 4), origin: RefundOrigin(of: payment.id, cause: cause), amount: amount)
    let decision = engine.open(order, of: payment, total: total, at: now, ledger: &ledger)
    if case .opened(let refund, let effects) = decision {
      (self.refund, self.effects) = (refund, effects)
      total.add(refund)
    }
    return decision
  }

  @discardableResult
  mutating func step(_ step: PaymentStep) -> StepOutcome {
    guard var payment = refund else { return .ignored }
    let outcome = engine.apply(step, to: &payment, at: now, ledger: &ledger)
    refund = payment
    if case .changed(let effects) = outcome { self.effects = effects }
    return outcome
  }

  mutating func ask() { step(.ask(by: Self.mine, after: nil)) }

  var kinds: [Transfer.Kind] { ledger.transfers.map(\.kind) }
}

@Suite struct RefundTests {
  @Test func `a refund reserves the payee's money, asks the bank and posts`() throws {
    var bench = Bench()
    _ = bench.open(60)
    let opened = try #require(bench.refund)
    #expect(opened.state == .processing && opened.version == 2 && opened.stage == .ready && opened.due == bench.now)
    #expect(opened.hasHold && !opened.needsCardNumber && opened.chore == .charge && bench.kinds == [.pending])
    #expect(bench.ledger.changes[Bench.payee.id] == Balance(pending: 60))
    bench.ask()
    #expect(bench.refund?.stage == .asked(at: bench.now) && bench.effects.call == .refund)
    bench.step(.charged(.approved, askedAt: bench.now))
    #expect(bench.refund?.state == .completed && bench.kinds == [.pending, .post] && bench.effects.isPublished)
    #expect(bench.ledger.changes[Bench.payee.id] == Balance(posted: -60))
    #expect(bench.ledger.changes[Bench.clearing.id] == Balance(posted: 60))
  }

  @Test func `a balance goes back at once`() {
    var bench = Bench(.balance)
    _ = bench.open(nil)
    #expect(bench.refund?.state == .completed && bench.refund?.version == 3 && bench.effects.isPublished)
    #expect(bench.kinds == [.single] && bench.ledger.changes[Bench.payer.id] == Balance(posted: 100))
  }

  @Test func `the refunds of a payment are never more than was paid`() {
    var bench = Bench()
    _ = bench.open(70)
    #expect(bench.open(31) == .refused(.exceedsPayment))
    #expect(bench.open(0) == .refused(.exceedsPayment) && bench.open(-5) == .refused(.exceedsPayment))
    guard case .opened(let rest, _) = bench.open(nil) else {
      Issue.record("the rest is not given back")
      return
    }
    #expect(rest.amount.minorUnits == 30)
    #expect(bench.open(nil) == .refused(.exceedsPayment) && bench.open(1) == .refused(.exceedsPayment))
    bench.total = RefundTotal(count: 1, amount: .max)
    #expect(bench.open(1) == .refused(.exceedsPayment))
    bench.total = RefundTotal(count: 1, amount: .min)
    #expect(bench.open(1) == .refused(.exceedsPayment))
    bench.total = RefundTotal(count: RefundTotal.maximum)
    #expect(bench.open(1) == .refused(.tooMany))
  }

  @Test(arguments: [PaymentState.processing, .review, .unknown, .rejected, .error])
  func `only what is COMPLETED goes back, and no refund does`(state: PaymentState) {
    var bench = Bench(.account, state)
    #expect(bench.open(nil) == .refused(.notRefundable) && bench.open(nil, .orderDead) == .refused(.notRefundable))
    #expect(bench.kinds.isEmpty)
    var completed = Bench()
    _ = completed.open(50)
    let refund = completed.refund!
    let order = RefundOrder(
      id: UniqueID(high: 11, low: 0), origin: RefundOrigin(of: refund.id, cause: .caller), amount: nil)
    #expect(
      completed.engine.open(order, of: refund, total: RefundTotal(), at: completed.now, ledger: &completed.ledger)
        == .refused(.notRefundable))
  }

  @Test(arguments: [PaymentMethod.card, .balance])
  func `without the money nothing is opened for a caller, and what nobody asks for waits`(method: PaymentMethod) {
    var poor = Bench(method, funds: 99)
    #expect(poor.open(nil) == .refused(.insufficientFunds))
    #expect(poor.kinds.isEmpty)
    _ = poor.open(nil, .orderDead)
    #expect(poor.refund?.stage == .ready && poor.refund?.hasHold == false && poor.effects.exception == .refundRefused)
    #expect(poor.refund?.reason == .insufficientFunds && poor.refund?.chore == .charge)
    let first = poor.refund!.due!
    #expect(first > poor.now)
    poor.now = first
    poor.ask()
    // A person is told once.
    #expect(poor.effects.exception == nil && poor.effects.call == nil && poor.refund!.due! > first)
    poor.ledger = LedgerBatch(
      accounts: [Bench.clearing, Bench.payer, Bench.payee],
      balances: [Bench.payee.id: Balance(posted: 100)], locked: [Bench.payee.id], transfers: [])
    poor.ask()
    #expect(poor.refund?.reason == nil)
    #expect(method == .balance ? poor.refund?.state == .completed : poor.effects.call == .refund)
  }

  @Test func `a refusal of the bank gives the money back to the payee`() {
    var bench = Bench()
    _ = bench.open(nil)
    bench.ask()
    bench.step(.charged(.declined, askedAt: bench.now))
    #expect(bench.refund?.state == .rejected && bench.kinds == [.pending, .void])
    #expect(bench.ledger.changes[Bench.payee.id] == Balance())
  }

  @Test func `an unknown outcome is asked about, and is reversed before it is an ERROR`() {
    var bench = Bench(.account)
    _ = bench.open(40)
    bench.ask()
    bench.step(.charged(.unclear, askedAt: bench.now))
    #expect(bench.refund?.state == .unknown && bench.refund?.due != nil && bench.refund?.hasHold == true)
    bench.now = bench.now + .seconds(700)
    bench.step(.inquired(.noSuchPayment, askedAt: bench.now))
    #expect(bench.refund?.state == .unknown && bench.effects.call == .reverse)
    bench.step(.reversed(.reversed))
    #expect(bench.refund?.state == .error && bench.kinds == [.pending, .void])
  }

  @Test func `what was not sent is ready again, without a card`() {
    var bench = Bench()
    _ = bench.open(nil)
    bench.ask()
    bench.step(.charged(.notSent, askedAt: bench.now))
    #expect(bench.refund?.stage == .ready && bench.refund?.claim == nil && bench.refund?.hasHold == true)
    bench.ask()
    #expect(bench.effects.call == .refund)
    // Whoever takes over asks about it: no number was lost.
    bench.step(.takeOver(from: Bench.mine.owner))
    #expect(bench.refund?.state == .unknown)
  }

  @Test(arguments: [PaymentState.rejected, .error])
  func `a charge without a payment is put aside, and goes back from there`(state: PaymentState) {
    var bench = Bench(.card, state, funds: 0)
    _ = bench.open(nil, .chargedNotCompleted)
    #expect(bench.kinds == [.single, .pending])
    #expect(bench.ledger.transfers[0].id == TransferID.of(bench.payment.id, .suspense))
    #expect(bench.refund?.debit == Bench.suspense.id && bench.refund?.credit == Bench.clearing.id)
    bench.ask()
    bench.step(.charged(.approved, askedAt: bench.now))
    #expect(bench.refund?.state == .completed)
    for account in [Bench.suspense, Bench.clearing] { #expect(bench.ledger.changes[account.id] == Balance()) }
    #expect(bench.open(nil, .chargedNotCompleted) == .refused(.exceedsPayment))
    var completed = Bench()
    #expect(completed.open(nil, .chargedNotCompleted) == .refused(.notRefundable))
    var balance = Bench(.balance, state)
    #expect(balance.open(nil, .chargedNotCompleted) == .refused(.notRefundable))
  }

  @Test func `a charge that a person has moved out of suspense does not go back`() {
    var bench = Bench(.card, .error, funds: 0)
    _ = bench.open(nil, .chargedNotCompleted)
    bench.ask()
    bench.step(.charged(.declined, askedAt: bench.now))
    bench.total = RefundTotal(count: 1)
    var untouched = bench
    guard case .opened = untouched.open(nil, .chargedNotCompleted) else {
      Issue.record("a refused refund may be made again")
      return
    }
    let movement = TransferRequest.Movement(
      id: TransferID.of(bench.payment.id, .release), debit: Bench.suspense.id, credit: Bench.payer.id,
      amount: bench.payment.amount)
    #expect(bench.ledger.decide(.single(movement)) == .created)
    #expect(bench.open(nil, .chargedNotCompleted) == .refused(.exceedsPayment))
  }
}
