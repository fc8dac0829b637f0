import DirectDomain
import LedgerDomain
import Money
import ProcessingDomain
import Randomness
import RiskDomain
import SimulationSupport
import Values

/// What the world knows of a payment before anybody claims it.
struct Intake {
  let id: UniqueID
  let method: PaymentMethod
  let amount: Money
  let verdict: RiskVerdict

  var debit: UniqueID { (method == .balance ? SimulatedTables.payer : SimulatedTables.clearing).id }
  var credit: UniqueID { SimulatedTables.merchant.id }
}

/// One schedule: payments, processes, tables and a bank around the engine. Everything that happens follows from the
/// seed.
final class PaymentSchedule: SimulatedWorld, Schedule {
  let sabotage: Sabotage?
  let conditions: Conditions
  let engine: PaymentEngine
  var tables = SimulatedTables()
  var bank: SimulatedBank
  var intakes: [UniqueID: Intake] = [:]
  var processes: [Process] = []
  /// Requests to charge that are on their way to the bank.
  var underWay = 0
  var contradictions = 0
  /// The refunds that were opened for each wish of a caller.
  var wishes: [UniqueID: Set<UniqueID>] = [:]
  /// Movements of money that belong to no payment.
  var externals: UInt64 = 0

  init(seed: UInt64, sabotage: Sabotage?, isTraced: Bool) {
    var random = SplitMix64(seed: seed)
    self.sabotage = sabotage
    conditions = Conditions(&random)
    bank = SimulatedBank(reversals: conditions.reversals, givesAnything: conditions.givesAnything)
    engine = PaymentEngine(rules: conditions.rules)
    processes = (0..<conditions.processes).map { Process(number: $0) }
    super.init(seed: seed, now: 1_000_000_000, isTraced: isTraced)
    self.random = random
  }

  /// The database's time.
  var timestamp: Timestamp { Timestamp(microseconds: now / 1_000) }

  // MARK: - The course of a schedule

  func run() -> String? {
    say("conditions: \(conditions)")
    move(from: SimulatedTables.world, to: SimulatedTables.payer, random.pick([1, 300, 100_000]))
    for process in processes { start(process) }
    for number in 0..<conditions.payments { planIntake(number) }
    planFaults()
    planStatements()
    advance(until: now + conditions.length) { false }
    if violation == nil { calmDown() }
    return violation
  }

  @discardableResult
  private func advance(until limit: Int64, when isDone: () -> Bool) -> Bool {
    advance(until: limit, mostSteps: 1_000_000, when: isDone)
  }

  /// Without faults every payment comes to an end, and what we say of it is what the bank did.
  private func calmDown() {
    say("calm")
    isCalm = true
    for process in processes { process.pausedUntil = 0 }
    // Refunds that wait for their payee's money get it.
    move(from: SimulatedTables.world, to: SimulatedTables.merchant, 1_000_000)
    let isOver = advance(until: now + 3 * 86_400_000_000_000) {
      self.underWay == 0 && self.tables.payments.values.count { $0.refund == nil } == self.conditions.payments
        && self.unknownCharges.isEmpty && (self.wantedRefunds.isEmpty || self.sabotage == .forgetRefunds)
        && self.tables.payments.values.allSatisfy { $0.state.isFinal || self.staysUnknown($0) }
    }
    guard violation == nil else { return }
    if !isOver {
      let open = tables.payments.values.filter { !$0.state.isFinal && !staysUnknown($0) }.map(\.id).min()
      return violate(
        "D2: \(open.map { "\($0) is not final: \(tables.payments[$0]!)" } ?? "a payment was never claimed")")
    }
    for payment in tables.payments.values.sorted(by: { $0.id < $1.id }) { checkTruth(of: payment) }
    if let missing = wantedRefunds.first { violate("refunds: \(missing) was not opened") }
    if let payment = notGivenBack.first { violate("refunds: \(payment) is of a dead order, and not given back") }
  }

  /// Without reversals only a statement tells that the bank never saw a payment. When it is the bank that does not
  /// know them, a person has been told.
  private func staysUnknown(_ payment: ProcessedPayment) -> Bool {
    let operation = bank.operations[payment.id]!
    guard payment.state == .unknown else { return false }
    if !conditions.rules.hasReversals { return operation.requests == 0 }
    guard case .reversing = payment.stage, conditions.reversals == .unknown, !operation.isDeclined else { return false }
    return tables.exceptions[payment.id, default: []].contains(.reversalNotAcknowledged)
  }

  // MARK: - What happens by itself

  func move(from debit: LedgerAccount, to credit: LedgerAccount, _ amount: Int64) {
    var batch = LedgerBatch(
      accounts: SimulatedTables.accounts, balances: tables.balances, locked: [debit.id], transfers: [])
    let movement = TransferRequest.Movement(
      id: UniqueID(high: 2, low: externals << 4), debit: debit.id, credit: credit.id,
      amount: Money(minorUnits: amount, SimulatedTables.euro))
    externals += 1
    if batch.decide(.single(movement)) != .created { violate("money could not be moved") }
    tables.write(batch)
  }

  private func planIntake(_ number: Int) {
    let id = UniqueID(high: 100, low: UInt64(number) << 20)
    let intake = Intake(
      id: id, method: random.pick(PaymentMethod.allCases),
      amount: Money(minorUnits: random.draw(1...200), SimulatedTables.euro),
      verdict: random.roll(conditions.blocks) ? .block : random.roll(conditions.reviews) ? .review : .allow)
    intakes[id] = intake
    bank.operations[id] = Operation(
      isApproved: !random.roll(conditions.declines), breaksItsWord: random.roll(conditions.brokenDeclines))
    plan(after: random.draw(0...conditions.length)) { self.arrive(intake) }
    if random.roll(conditions.cancels) {
      plan(after: random.draw(0...conditions.length)) { self.cancel(id) }
    }
    planRefunds(of: id)
  }

  private func arrive(_ intake: Intake) {
    say("\(intake.id) arrives: \(intake)")
    guard intake.method == .card else {
      deliver(intake)
      while random.roll(conditions.repeats) { plan(after: milliseconds(0...60_000)) { self.deliver(intake) } }
      return
    }
    plan(after: 30_000_000_000) { self.sweepCard(intake) }
    let process = random.pick(processes)
    guard process.isUp, process.pausedUntil <= now else { return }
    process.cards.insert(intake.id)
    claim(intake, by: process)
  }

  /// A message: its offset is committed after the transaction, so that it comes again when that is not known.
  func deliver(_ intake: Intake) {
    let process = random.pick(processes)
    guard process.isUp, process.pausedUntil <= now else {
      return plan(after: milliseconds(10...1_000)) { self.deliver(intake) }
    }
    claim(intake, by: process)
  }

  /// A card that nobody has claimed in time never will be.
  private func sweepCard(_ intake: Intake) {
    guard tables.payments[intake.id] == nil else { return }
    say("\(intake.id): the card is lost")
    open(
      ProcessedPayment(
        unclaimed: intake.id, method: intake.method, amount: intake.amount, debit: intake.debit, credit: intake.credit,
        ends: .cardLost, at: timestamp))
  }

  private func cancel(_ id: UniqueID) {
    let intake = intakes[id]!
    if tables.payments[id] != nil {
      _ = transact(id, .cancel, by: nil)
    } else {
      open(
        ProcessedPayment(
          unclaimed: id, method: intake.method, amount: intake.amount, debit: intake.debit, credit: intake.credit,
          ends: .cancelled, at: timestamp))
    }
  }

  private func planFaults() {
    plan(every: conditions.crashEvery) {
      let process = self.random.pick(self.processes)
      self.say("process \(process.number) crashes")
      self.crash(process)
      self.plan(after: self.milliseconds(10...20_000)) { self.start(process) }
    }
    plan(every: conditions.spendEvery) {
      let available = self.tables.balances[SimulatedTables.merchant.id]!.available
      guard available > 0, !self.isCalm else { return }
      self.move(from: SimulatedTables.merchant, to: SimulatedTables.world, self.random.draw(1...available))
    }
    plan(every: conditions.pauseEvery) {
      let process = self.random.pick(self.processes)
      process.pausedUntil = self.now + self.milliseconds(1...60_000)
      self.say("process \(process.number) is stopped until \(Double(process.pausedUntil) / 1e9)")
    }
  }
}
