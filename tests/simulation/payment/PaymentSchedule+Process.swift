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
    // A new owner at each start.
    process.claim = Claim(owner: UniqueID(high: UInt64(process.number) + 1, low: UInt64(process.generation)), epoch: 1)
    tables.owners[process.claim.owner] = (1, now + lease)
    repeatedly(process, every: conditions.lease / 3) { self.renew(process) }
    repeatedly(process, every: 1_000_000_000) { self.seeToDue(process) }
    repeatedly(process, every: conditions.lease / 2) { self.takeOverFromDead(process) }
  }

  func crash(_ process: Process) {
    process.isUp = false
    process.generation += 1
    process.forget()
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

  private func holdsLease(_ process: Process) -> Bool {
    if tables.owners[process.claim.owner]?.epoch == process.claim.epoch { return true }
    say("process \(process.number) has lost its lease")
    crash(process)
    start(process)
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
      let left = tables.payments.values.filter { $0.claim?.owner == owner }.map(\.id).sorted()
      if left.isEmpty {
        tables.owners[owner] = nil
        continue
      }
      say("process \(process.number) takes over from \(owner)")
      for id in left { commit(process, id, .takeOver(by: process.claim)) }
    }
  }

  // MARK: - Claims

  func claim(_ intake: Intake, by process: Process) {
    guard holdsLease(process) else { return plan(after: 0) { self.deliverAgain(intake) } }
    let isOpened = open(
      ProcessedPayment(
        claimed: intake.id, method: intake.method, amount: intake.amount, debit: intake.debit, credit: intake.credit,
        by: process.claim, at: timestamp))
    if isOpened {
      commit(process, intake.id, .assess(intake.verdict, by: process.claim))
    } else {
      goOn(process, intake.id)
    }
  }

  private func deliverAgain(_ intake: Intake) { if intake.method != .card { deliver(intake) } }

  /// Looks at a payment, and goes on with it when it is the process's own.
  /// - Parameter mayBeUnsent: whether the process has just lost the answer to an `ask`.
  private func goOn(_ process: Process, _ id: UniqueID, mayBeUnsent: Bool = false) {
    guard let payment = tables.payments[id], payment.claim == process.claim else { return }
    switch payment.stage {
    case .claimed: commit(process, id, .assess(intakes[id]!.verdict, by: process.claim))
    case .ready: enqueue(process, id, after: nil)
    // It may have been sent. Only whoever wrote it and did not send knows better.
    case .asked(let askedAt): if mayBeUnsent || sabotage == .resumeAsked { enqueue(process, id, after: askedAt) }
    case .review, .unknown, .reversing, .done: break
    }
  }

  // MARK: - Transactions

  /// A transaction whose answer may be lost, and what the process does then.
  func commit(_ process: Process, _ id: UniqueID, _ step: PaymentStep) {
    guard sabotage == .ignoreClaim || holdsLease(process) else { return }
    if chance(conditions.lostCommits) {
      faults += 1
      if random.roll(0.5) {
        _ = transact(id, step, by: process)
      } else if sabotage == .assumeCommit {
        assume(process, id, step)
      }
      return act(process, after: milliseconds(10...3_000)) { self.recover(process, id, step) }
    }
    let outcome = transact(id, step, by: process)
    switch step {
    case .ask: if case .changed? = outcome {} else { process.inHand.remove(id) }
    // Not before the tables have the answer: until then the payment looks as if it had not been asked.
    case .charged: process.inHand.remove(id)
    default: break
    }
    guard case .changed(let effects)? = outcome else { return }
    follow(process, id, effects)
  }

  private func assume(_ process: Process, _ id: UniqueID, _ step: PaymentStep) {
    guard var payment = tables.payments[id] else { return }
    var ledger = tables.ledger(for: id)
    guard case .changed(let effects) = engine.apply(step, to: &payment, at: timestamp, ledger: &ledger) else { return }
    follow(process, id, effects)
  }

  /// The process does not know whether its transaction has committed.
  private func recover(_ process: Process, _ id: UniqueID, _ step: PaymentStep) {
    switch step {
    // The bank has said it; it is said to the tables until they have it.
    case .charged, .inquired, .reversed:
      commit(process, id, step)
      goOn(process, id)
      pump(process)
    case .ask:
      process.inHand.remove(id)
      goOn(process, id, mayBeUnsent: true)
      pump(process)
    case .assess, .takeOver, .fallDue: goOn(process, id)
    case .review, .cancel: break
    }
  }

  private func follow(_ process: Process, _ id: UniqueID, _ effects: StepEffects) {
    switch effects.call {
    case .charge:
      guard case .asked(let askedAt) = tables.payments[id]!.stage else { return send(process, id, askedAt: timestamp) }
      act(process, after: milliseconds(random.roll(0.9) ? 0...10 : 0...3_000)) {
        self.send(process, id, askedAt: askedAt)
      }
    case .inquire, .reverse: ask(process, id, effects.call!)
    case nil:
      process.inHand.remove(id)
      goOn(process, id)
    }
  }

  private func seeToDue(_ process: Process) {
    guard holdsLease(process) else { return }
    let due = tables.payments.values.filter { ($0.due ?? Timestamp(microseconds: .max)) <= timestamp }.map(\.id)
      .sorted()
    for id in due.prefix(10) {
      if sabotage == .forgetUnknown, tables.payments[id]!.state == .unknown { continue }
      commit(process, id, .fallDue(by: process.claim))
    }
  }

  // MARK: - The bank

  func enqueue(_ process: Process, _ id: UniqueID, after: Timestamp?) {
    if process.inHand.contains(id), sabotage != .resumeAsked { return }
    if !process.queue.contains(where: { $0.id == id }) { process.queue.append((id, after)) }
    act(process, after: milliseconds(0...20)) { self.pump(process) }
  }

  func pump(_ process: Process) {
    while process.inHand.count < conditions.slots, !process.queue.isEmpty {
      let (id, after) = process.queue.removeFirst()
      process.inHand.insert(id)
      commit(process, id, .ask(by: process.claim, after: after))
    }
  }
}
