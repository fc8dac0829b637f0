import DirectDomain
import LedgerDomain
import Money
import ProcessingDomain
import Randomness
import SimulationSupport
import Values

/// Refunds: callers who want them, the orders that die, and what the processes give back by themselves.
extension PaymentSchedule {
  func planRefunds(of payment: UniqueID) {
    if random.roll(conditions.deadOrders) {
      plan(after: random.draw(0...conditions.length)) { self.kill(payment) }
    }
    guard random.roll(conditions.refunds) else { return }
    for number in 0..<UInt64(random.draw(1...4)) {
      let isReused = sabotage == .reuseRefundID
      let id = UniqueID(high: 200, low: payment.low | (isReused ? 0 : number << 4))
      let order = RefundOrder(
        id: id, origin: RefundOrigin(of: payment, cause: .caller),
        amount: random.roll(0.3) ? nil : Int64(random.draw(1...150)))
      plan(after: random.draw(0...conditions.length)) {
        self.want(order)
        while self.random.roll(self.conditions.repeats) {
          self.plan(after: self.milliseconds(0...60_000)) { self.want(order) }
        }
      }
    }
  }

  /// The order of a payment dies once it is paid.
  private func kill(_ payment: UniqueID) {
    guard let row = tables.payments[payment], row.state.isFinal else {
      return isCalm ? () : plan(after: milliseconds(100...10_000)) { self.kill(payment) }
    }
    if row.state == .completed { tables.exceptions[payment, default: []].insert(.orderDead) }
  }

  /// A caller's call. When its answer is lost, it is made again.
  private func want(_ order: RefundOrder) {
    let process = random.pick(processes)
    guard process.isUp, process.pausedUntil <= now else { return }
    if chance(conditions.lostCommits) {
      faults += 1
      if random.roll(0.5) { _ = open(order) }
      return plan(after: milliseconds(10...3_000)) { self.want(order) }
    }
    guard let refund = open(order), hasRoom(process), holdsLease(process), refund.stage == .ready,
      process.inHand.insert(refund.id).inserted
    else { return }
    ask(process, refund.id, by: process.claim, after: nil)
  }

  /// What should be given back and has no refund.
  var wantedRefunds: [RefundOrigin] {
    tables.exceptions.sorted { $0.key < $1.key }.flatMap { id, exceptions -> [RefundOrigin] in
      guard let payment = tables.payments[id], payment.refund == nil, payment.state.isFinal,
        tables.total(of: id).amount < payment.amount.minorUnits
      else { return [] }
      let cause: RefundCause = payment.state == .completed ? .orderDead : .chargedNotCompleted
      let isFound = exceptions.contains(cause == .orderDead ? .orderDead : .chargedNotCompleted)
      // What the bank refuses to give back is for a person.
      let isOpen = tables.refunds(of: id).contains { $0.refund?.cause == cause && $0.state != .completed }
      return isFound && !isOpen ? [RefundOrigin(of: id, cause: cause)] : []
    }
  }

  /// What the bank has charged after it had acknowledged the reversal, or after it had said "declined".
  var unknownCharges: [UniqueID] {
    tables.payments.values.filter { payment in
      (payment.state == .error || payment.state == .rejected) && bank.operations[payment.id]!.charges > 0
        && tables.exceptions[payment.id, default: []].isDisjoint(with: [.chargedNotCompleted, .chargeDoubtful])
    }.map(\.id).sorted()
  }

  /// Dead orders whose payments are not given back, although nothing that is open or refused explains it.
  var notGivenBack: [UniqueID] {
    tables.payments.values.filter { payment in
      guard payment.state == .completed, tables.exceptions[payment.id, default: []].contains(.orderDead) else {
        return false
      }
      let refunds = tables.refunds(of: payment.id)
      let given = refunds.filter { $0.state == .completed }.reduce(0) { $0 + $1.amount.minorUnits }
      let isExplained = refunds.contains {
        !$0.state.isFinal || $0.state != .completed && ($0.refund?.cause.isAutomatic ?? false)
      }
      return given < payment.amount.minorUnits && !isExplained
    }.map(\.id).sorted()
  }

  /// Somebody asks the bank about what is over.
  func lookForCharges(_ process: Process) {
    for id in unknownCharges { commit(process, id, .inquired(.approved, askedAt: timestamp)) }
  }

  func seeToRefunds(_ process: Process) {
    guard sabotage != .forgetRefunds else { return }
    for origin in wantedRefunds {
      let number = tables.refunds(of: origin.payment).count { $0.refund?.cause == origin.cause }
      let id = UniqueID(
        high: origin.cause == .orderDead ? 300 : 301, low: origin.payment.low | UInt64(min(number, 15)) << 4)
      if chance(conditions.lostCommits) {
        faults += 1
        if random.roll(0.5) { _ = open(RefundOrder(id: id, origin: origin, amount: nil)) }
      } else {
        _ = open(RefundOrder(id: id, origin: origin, amount: nil))
      }
    }
  }

  /// One transaction, with the payment's row locked. - Returns: nil when nothing was opened now.
  private func open(_ order: RefundOrder) -> ProcessedPayment? {
    var order = order
    if sabotage == .refundAgain {
      let number = UInt64(wishes[order.id]?.count ?? 0)
      order = RefundOrder(
        id: UniqueID(high: order.id.high, low: order.id.low | number << 8), origin: order.origin, amount: order.amount)
    }
    let wish = UniqueID(high: order.id.high, low: order.id.low & ~0xFFF00)
    if tables.payments[order.id] != nil, sabotage != .reuseRefundID { return nil }
    guard let payment = tables.payments[order.origin.payment] else { return nil }
    let total = sabotage == .refundBeyond ? RefundTotal() : tables.total(of: payment.id)
    // The ledger alone would refuse an id that was used.
    var ledger =
      sabotage == .reuseRefundID
      ? LedgerBatch(
        accounts: SimulatedTables.accounts, balances: tables.balances, locked: [payment.credit], transfers: [])
      : tables.ledger(for: order.id, refundOf: payment.id)
    let decision = engine.open(order, of: payment, total: total, at: timestamp, ledger: &ledger)
    say("\(order) -> \(decision)")
    guard case .opened(let refund, let effects) = decision else { return nil }
    let before = tables.payments[refund.id]
    tables.payments[refund.id] = refund
    tables.write(ledger)
    var events = [PaymentEvent(payment: refund.id, version: 2, state: .processing)]
    if effects.isPublished {
      events.append(PaymentEvent(payment: refund.id, version: refund.version, state: refund.state))
    }
    tables.events[refund.id, default: []] += events
    if let exception = effects.exception { tables.exceptions[refund.id, default: []].insert(exception) }
    if bank.operations[refund.id] == nil {
      bank.operations[refund.id] = Operation(isApproved: !random.roll(conditions.declines), refundOf: payment.id)
    }
    if let before { checkChange(from: before, to: refund) }
    wishes[wish, default: []].insert(refund.id)
    if wishes[wish]!.count > 1 { violate("D6: a wish has the refunds \(wishes[wish]!)") }
    checkRefunds(of: payment)
    return refund
  }
}
