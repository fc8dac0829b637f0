import DirectDomain
import ProcessingDomain
import Randomness
import SimulationSupport
import Values

/// What a process does: it claims, asks, renews its lease, sees to what is due, and takes over from the dead.
extension PaymentSchedule {
  func start(_ process: Process) {
    guard !process.isUp else { return }
    process.isUp = true
    process.generation += 1
    process.forget()
    register(process)
    repeatedly(process, every: conditions.lease / 3) { self.renew(process) }
    repeatedly(process, every: 1_000_000_000) { self.seeToDue(process) }
    repeatedly(process, every: conditions.lease / 2) { self.takeOverFromDead(process) }
    repeatedly(process, every: 5_000_000_000) { self.sweep(process) }
    repeatedly(process, every: 1_000_000_000) { self.seeToRefunds(process) }
    repeatedly(process, every: 30_000_000_000) { self.lookForCharges(process) }
  }

  func crash(_ process: Process) {
    process.isUp = false
    process.generation += 1
    process.forget()
  }

  /// A new owner at each start, and after each lost lease.
  private func register(_ process: Process) {
    process.owners += 1
    process.claim = Claim(owner: UniqueID(high: UInt64(process.number) + 1, low: UInt64(process.owners)), epoch: 1)
    tables.owners[process.claim.owner] = (1, now + lease)
  }

  /// Happens unless the process has crashed by then; when it is stopped, after it goes on.
  func act(_ process: Process, after delay: Int64, _ action: @escaping () -> Void) {
    let generation = process.generation
    plan(after: delay) { self.perform(process, generation, action) }
  }

  private func perform(_ process: Process, _ generation: Int, _ action: @escaping () -> Void) {
    guard process.generation == generation else { return }
    guard process.pausedUntil > now else { return action() }
    plan(after: process.pausedUntil - now) { self.perform(process, generation, action) }
  }

  private func repeatedly(_ process: Process, every period: Int64, _ action: @escaping () -> Void) {
    // In calm times there is nothing to be quick for.
    let wait = isCalm ? max(period, 20_000_000_000) : period
    act(process, after: random.draw(wait / 2...wait)) {
      action()
      self.repeatedly(process, every: period, action)
    }
  }

  // MARK: - Leases

  private func isHeld(_ claim: Claim) -> Bool { tables.owners[claim.owner]?.epoch == claim.epoch }

  /// Whoever has lost the lease forgets what waits and comes back as a new owner. What the bank was asked goes on: its
  /// answer is true whoever has the payment.
  func holdsLease(_ process: Process) -> Bool {
    if isHeld(process.claim) { return true }
    say("process \(process.number) has lost its lease")
    process.queue = []
    process.cards.formIntersection(process.inHand)
    register(process)
    return false
  }

  /// In calm times it must outlast the slower renewals.
  private var lease: Int64 { isCalm ? max(conditions.lease, 90_000_000_000) : conditions.lease }

  private func renew(_ process: Process) {
    guard holdsLease(process) else { return }
    tables.owners[process.claim.owner]!.until = now + lease
  }

  private func takeOverFromDead(_ process: Process) {
    guard sabotage != .noTakeover, holdsLease(process) else { return }
    for (owner, lease) in tables.owners.sorted(by: { $0.key < $1.key })
    where lease.until < now && owner != process.claim.owner {
      tables.owners[owner] = (lease.epoch + 1, now + conditions.lease)
      let left = claims(of: owner)
      if left.isEmpty {
        tables.owners[owner] = nil
        continue
      }
      say("process \(process.number) takes over from \(owner)")
      for id in left { commit(process, id, .takeOver(from: owner)) }
    }
  }

  private func claims(of owner: UniqueID) -> [UniqueID] {
    tables.payments.values.filter { $0.claim?.owner == owner }.map(\.id).sorted()
  }

  /// What the tables say a process has, and it does not.
  private func sweep(_ process: Process) {
    guard holdsLease(process) else { return }
    for id in claims(of: process.claim.owner)
    where !process.inHand.contains(id) && !process.queue.contains(where: { $0.id == id }) {
      say("process \(process.number) does not have \(id)")
      commit(process, id, .takeOver(from: process.claim.owner))
    }
  }

  // MARK: - Claims

  func hasRoom(_ process: Process) -> Bool { process.inHand.count < conditions.slots }

  /// One transaction: the payment is inserted, risk decides, and the bank is asked when there is room.
  /// - Parameter mayBeUnsent: whether the process has lost the answer to the same transaction, and has had the payment
  ///   in hand since.
  func claim(_ intake: Intake, by process: Process, mayBeUnsent: Bool = false) {
    let id = intake.id
    guard holdsLease(process) else {
      if mayBeUnsent { process.inHand.remove(id) }
      return plan(after: 0) { self.deliverAgain(intake) }
    }
    let isReserved = mayBeUnsent || intake.method.needsBank && hasRoom(process) && process.inHand.insert(id).inserted
    let claim = process.claim
    if chance(conditions.lostCommits) {
      faults += 1
      if random.roll(0.5) { _ = insert(intake, by: claim, asks: isReserved, process) }
      // Its offset is not stored: it comes again, also when the process is gone by then.
      plan(after: milliseconds(10...30_000)) { self.deliverAgain(intake) }
      return act(process, after: milliseconds(10...3_000)) {
        self.claim(intake, by: process, mayBeUnsent: isReserved)
      }
    }
    let outcome = insert(intake, by: claim, asks: isReserved, process)
    // What is in hand already belongs to whoever took it in hand.
    if isReserved {
      if let outcome {
        settle(process, id, claim, outcome)
      } else {
        goOn(process, id, claim, after: nil, mayBeUnsent: mayBeUnsent)
      }
    } else if sabotage == .resumeAsked, let payment = tables.payments[id], case .asked(let askedAt) = payment.stage {
      ask(process, id, by: claim, after: askedAt)
    }
    // A card that found no room has been claimed, and waits in memory.
    if !process.inHand.contains(id) { enqueue(process, id) }
  }

  /// - Returns: nil when somebody has claimed it before.
  private func insert(_ intake: Intake, by claim: Claim, asks: Bool, _ process: Process) -> StepOutcome? {
    let payment = ProcessedPayment(
      claimed: intake.id, method: intake.method, amount: intake.amount, debit: intake.debit, credit: intake.credit,
      by: claim, at: timestamp)
    guard open(payment) else { return nil }
    let outcome = transact(intake.id, .assess(intake.verdict, by: claim), by: process)
    guard asks || !intake.method.needsBank, tables.payments[intake.id]?.stage == .ready else { return outcome }
    return transact(intake.id, .ask(by: claim, after: nil), by: process)
  }

  private func deliverAgain(_ intake: Intake) { if intake.method != .card { deliver(intake) } }

  // MARK: - Asking

  /// Asks for a payment in hand. Its answer may be lost; then it is asked again, knowing the same.
  func ask(_ process: Process, _ id: UniqueID, by claim: Claim, after: Timestamp?) {
    guard sabotage == .ignoreClaim || isHeld(claim) else {
      process.inHand.remove(id)
      return
    }
    let step = PaymentStep.ask(by: claim, after: after)
    if chance(conditions.lostCommits) {
      faults += 1
      if random.roll(0.5) {
        _ = transact(id, step, by: process)
      } else if sabotage == .assumeCommit {
        assume(process, id, step)
      }
      return act(process, after: milliseconds(10...3_000)) { self.ask(process, id, by: claim, after: after) }
    }
    let outcome = transact(id, step, by: process)
    if case .changed? = outcome { return settle(process, id, claim, outcome!) }
    goOn(process, id, claim, after: after, mayBeUnsent: true)
  }

  /// What an own transaction did not change: "asked at" under which nothing was sent yet is asked for anew.
  private func goOn(_ process: Process, _ id: UniqueID, _ claim: Claim, after: Timestamp?, mayBeUnsent: Bool) {
    if mayBeUnsent, let payment = tables.payments[id], payment.claim == claim,
      case .asked(let askedAt) = payment.stage, askedAt != after
    {
      return ask(process, id, by: claim, after: askedAt)
    }
    release(process, id)
  }

  /// The payment was changed by an own transaction: the request is sent, or there is none.
  private func settle(_ process: Process, _ id: UniqueID, _ claim: Claim, _ outcome: StepOutcome) {
    guard case .changed(let effects) = outcome, effects.call?.movesMoney ?? false,
      case .asked(let askedAt)? = tables.payments[id]?.stage
    else { return release(process, id) }
    act(process, after: milliseconds(random.roll(0.9) ? 0...10 : 0...3_000)) {
      self.send(process, id, by: claim, askedAt: askedAt)
    }
  }

  private func assume(_ process: Process, _ id: UniqueID, _ step: PaymentStep) {
    guard var payment = tables.payments[id] else { return }
    var ledger = tables.ledger(for: id)
    guard case .changed(let effects) = engine.apply(step, to: &payment, at: timestamp, ledger: &ledger),
      effects.call?.movesMoney ?? false
    else { return }
    send(process, id, by: process.claim, askedAt: timestamp)
  }

  /// The payment is not in hand any more; a card that may still be asked for waits again.
  private func release(_ process: Process, _ id: UniqueID) {
    process.inHand.remove(id)
    enqueue(process, id)
    act(process, after: milliseconds(0...20)) { self.pump(process) }
  }

  private func enqueue(_ process: Process, _ id: UniqueID) {
    guard let payment = tables.payments[id], payment.needsCardNumber, payment.stage == .ready,
      payment.claim == process.claim, process.cards.contains(id), !process.queue.contains(where: { $0.id == id })
    else { return }
    process.queue.append((id, payment.claim!))
  }

  /// Cards go to the bank as soon as there is room.
  func pump(_ process: Process) {
    while hasRoom(process), !process.queue.isEmpty {
      let (id, claim) = process.queue.removeFirst()
      guard process.inHand.insert(id).inserted else { continue }
      ask(process, id, by: claim, after: nil)
    }
  }

  // MARK: - Facts

  /// A step that needs no claim. When its answer is lost it is carried out again: what the bank has said is said to the
  /// tables until they have it.
  func commit(_ process: Process, _ id: UniqueID, _ step: PaymentStep) {
    if chance(conditions.lostCommits) {
      faults += 1
      if random.roll(0.5) { _ = transact(id, step, by: process) }
      return act(process, after: milliseconds(10...3_000)) { self.commit(process, id, step) }
    }
    let outcome = transact(id, step, by: process)
    if case .changed(let effects)? = outcome, let call = effects.call { return ask(process, id, call) }
    switch step {
    // Not before the tables have the answer: until then the payment looks as if it had not been asked.
    case .charged, .inquired, .reversed, .fallDue: release(process, id)
    case .assess, .review, .ask, .stated, .cancel, .takeOver: break
    }
  }

  // MARK: - What is due

  private func seeToDue(_ process: Process) {
    guard holdsLease(process) else { return }
    for payment in due([.review, .card]) { commit(process, payment.id, .fallDue) }
    for payment in due([.charge, .inquiry]) where hasRoom(process) {
      if sabotage == .forgetUnknown, payment.state == .unknown { continue }
      if sabotage == .forgetWaiting, payment.chore == .charge { continue }
      guard process.inHand.insert(payment.id).inserted else { continue }
      if payment.chore == .charge {
        ask(process, payment.id, by: process.claim, after: nil)
      } else {
        commit(process, payment.id, .fallDue)
      }
    }
  }

  private func due(_ chores: Set<ProcessedPayment.Chore>) -> ArraySlice<ProcessedPayment> {
    tables.payments.values.filter { payment in
      payment.chore.map(chores.contains) ?? false && payment.due! <= timestamp
    }.sorted { $0.id < $1.id }.prefix(10)
  }
}
