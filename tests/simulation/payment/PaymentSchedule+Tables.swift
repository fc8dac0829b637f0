import DirectDomain
import LedgerDomain
import Money
import ProcessingDomain
import Randomness
import SimulationSupport
import Values

/// Transactions, and what must hold after each.
extension PaymentSchedule {
  /// Inserts a payment. - Returns: false when there is one already.
  @discardableResult
  func open(_ payment: ProcessedPayment) -> Bool {
    if tables.payments[payment.id] != nil, sabotage != .claimAgain { return false }
    let before = tables.payments[payment.id]
    tables.payments[payment.id] = payment
    tables.events[payment.id, default: []].append(
      PaymentEvent(payment: payment.id, version: payment.version, state: payment.state))
    if let before { checkChange(from: before, to: payment) }
    return true
  }

  /// Carries out a step, with the row locked. - Returns: nil when there is no such payment.
  func transact(_ id: UniqueID, _ step: PaymentStep, by process: Process?) -> StepOutcome? {
    guard let stored = tables.payments[id] else { return nil }
    var payment = stored
    if sabotage == .staleRead, let seen = process?.seen[id] { payment = seen }
    var step = step
    if sabotage == .ignoreClaim, case .ask = step, let claim = payment.claim {
      let after: Timestamp? = if case .asked(let askedAt) = payment.stage { askedAt } else { nil }
      step = .ask(by: claim, after: after)
    }
    var ledger = tables.ledger(for: id)
    let outcome = engine.apply(step, to: &payment, at: timestamp, ledger: &ledger)
    say("\(id.low >> 20) \(step) -> \(outcome)")
    mark(1, Int(id.low >> 20))
    process?.seen[id] = payment
    switch outcome {
    case .changed(let effects):
      tables.payments[id] = payment
      tables.write(ledger, losesVoids: sabotage == .loseVoids)
      if effects.isPublished, sabotage != .loseEvents || !payment.state.isFinal {
        tables.events[id, default: []].append(
          PaymentEvent(payment: id, version: payment.version, state: payment.state))
      }
      if let exception = effects.exception { find(exception, of: id) }
      checkChange(from: stored, to: payment)
      if payment.state == .review, stored.state != .review { planReview(id) }
    case .contradicted(let exception):
      contradictions += 1
      find(exception, of: id)
      checkContradiction(exception, of: payment)
    case .ignored, .refused:
      if payment != stored, sabotage != .staleRead { violate("D4: an ignored step changed \(id)") }
    }
    return outcome
  }

  private func find(_ exception: PaymentException, of payment: UniqueID) {
    tables.exceptions[payment, default: []].insert(exception)
    if sabotage == .trustApproval, exception == .chargeDoubtful || exception == .reversalNotAcknowledged {
      tables.exceptions[payment, default: []].insert(.chargedNotCompleted)
    }
  }

  private func planReview(_ id: UniqueID) {
    plan(after: milliseconds(100...400_000)) {
      _ = self.transact(id, .review(approves: self.random.roll(0.6), by: "Ann"), by: nil)
    }
  }

  // MARK: - The oracle

  func checkChange(from before: ProcessedPayment, to after: ProcessedPayment) {
    let id = after.id
    if before.state.isFinal { violate("D4: \(id) was \(before.state) and is \(after.state)") }
    if after.version != before.version + (after.state == before.state ? 0 : 1) {
      violate("D4: \(id) went from version \(before.version) to \(after.version)")
    }
    let versions = tables.events[id, default: []].map(\.version)
    if versions != Array(2...max(2, after.version)) || tables.events[id]!.last!.state != after.state {
      violate("D5: \(id) is \(after.state) in version \(after.version) and has events \(tables.events[id]!)")
    }
    if after.state == .unknown || after.state == .review, after.due == nil {
      violate("D2: nobody will look at \(id) again")
    }
    if after.state.isFinal != (after.stage == .done) { violate("D4: \(after) contradicts itself") }
    checkLedger(of: after)
  }

  private func checkLedger(of payment: ProcessedPayment) {
    let hold = TransferID.of(payment.id, .payment)
    let first = tables.transfers[hold]?.kind
    let resolution = tables.transfers[TransferID.resolution(of: hold)]?.kind
    let isPaid = first == .single || resolution == .post
    let isHeld = first == .pending && resolution == nil
    if isPaid != (payment.state == .completed) { violate("D3: \(payment.id) is \(payment.state), paid: \(isPaid)") }
    if isHeld != payment.hasHold { violate("D3: \(payment.id) says hold \(payment.hasHold), the ledger \(isHeld)") }
    if payment.state.isFinal, isHeld { violate("D3: \(payment.id) is \(payment.state) and holds money") }
    let sum = tables.balances.values.reduce(0) { $0 + $1.posted }
    if sum != 0 { violate("D3: the ledger's sum is \(sum)") }
    let holds = tables.transfers.values.filter {
      $0.kind == .pending && tables.transfers[TransferID.resolution(of: $0.id)] == nil
    }
    let held = holds.reduce(0) { $0 + $1.amount.minorUnits }
    if tables.balances.values.reduce(0, { $0 + $1.pending }) != held { violate("D3: open holds are \(held)") }
    for transfer in [tables.transfers[hold], tables.transfers[TransferID.resolution(of: hold)]].compactMap({ $0 }) {
      let isRight =
        transfer.amount == payment.amount && transfer.debit == payment.debit && transfer.credit == payment.credit
      if !isRight { violate("D3: \(transfer) is not of \(payment)") }
    }
    if payment.state == .processing, payment.claim == nil, payment.due == nil {
      violate("D2: nobody has \(payment.id), and nobody will look")
    }
    for account in SimulatedTables.accounts where account.kind.isGuarded {
      if tables.balances[account.id]!.available < 0 { violate("D3: \(account.id) is below zero") }
    }
  }

  /// The bank here is honest, unless the schedule says otherwise: only a charge that was undone may seem to contradict
  /// us.
  private func checkContradiction(_ exception: PaymentException, of payment: ProcessedPayment) {
    let operation = bank.operations[payment.id]!
    let isExpected =
      switch exception {
      case .chargeDoubtful: operation.isReversed
      case .reversalNotAcknowledged: operation.isKept
      case .chargedNotCompleted: operation.breaksItsWord
      default: false
      }
    if !isExpected { violate("truth: \(payment.id) is \(payment.state), and somebody says \(exception)") }
  }

  func checkTruth(of payment: ProcessedPayment) {
    let operation = bank.operations[payment.id]!
    let isCharged = operation.charges > 0
    // What a bank without reversals has charged late is for the person who was told.
    // What it has charged after a reversal is for a person, too; what it has charged and not undone is given back.
    let isAgainstItsWord = payment.state == .error && conditions.reversals == .chargesAfterwards
    let isTold = tables.exceptions[payment.id, default: []].contains(.chargeDoubtful)
    let isGivenBack = tables.refunds(of: payment.id).contains { $0.refund?.cause == .chargedNotCompleted }
    let isForPerson =
      payment.state == .unknown && conditions.reversals == .unknown || isAgainstItsWord && isTold
      || payment.state == .rejected && operation.breaksItsWord && isGivenBack
    if payment.method.needsBank, isCharged != (payment.state == .completed), !isForPerson {
      violate("truth: \(payment.id) is \(payment.state), charged: \(isCharged)")
    }
    if !payment.method.needsBank, operation.requests > 0 { violate("truth: the bank was asked about a balance") }
    checkLedger(of: payment)
    checkRefunds(of: payment)
  }

  /// What the bank has given back is not more than it has charged, and so are our rows.
  func checkRefunds(of payment: ProcessedPayment) {
    guard payment.refund == nil else { return }
    let open = tables.total(of: payment.id).amount
    if open > payment.amount.minorUnits { violate("D3: the refunds of \(payment.id) are \(open)") }
    let paid = tables.refunds(of: payment.id).filter { bank.operations[$0.id]!.charges > 0 }
    let sum = paid.reduce(0) { $0 + $1.amount.minorUnits }
    let isCharged = !payment.method.needsBank || bank.operations[payment.id]!.charges > 0
    if sum > (isCharged ? payment.amount.minorUnits : 0) {
      violate("D3: the bank has given \(sum) of \(payment.id) back, which it has charged: \(isCharged)")
    }
  }
}
