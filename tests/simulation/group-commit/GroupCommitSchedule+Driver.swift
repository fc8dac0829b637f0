import GroupCommit
import Randomness
import SimulationSupport
import Values

/// What `GroupCommit` does around the core: names, connections and answers, and the oracle's questions at each step.
extension GroupCommitSchedule {
  // MARK: - Callers

  /// - Returns: the call's number; nil when it was refused.
  func submit(subject: Int, isPoison: Bool, within patience: Int64) -> Int? {
    let giveUp = conditions.limits.giveUp(before: instant + .nanoseconds(patience), now: instant)
    let call = calls.count
    calls.append(Call(subject: subject, isPoison: isPoison, giveUp: giveUp))
    let id = freeNames.popLast() ?? named.count
    if id == named.count { named.append(call) } else { named[id] = call }
    let admission = core.submit(id, subject: sabotage == .oneSubject ? 0 : Int64(subject), giveUp: giveUp)
    say("call \(call) on \(subject): \(admission)")
    mark(1, call)
    switch admission {
    case .waits(let newDrain):
      unanswered.insert(call)
      let waiting = unanswered.count { calls[$0].transactionsUnderWay == 0 }
      if waiting > conditions.limits.queue + conditions.limits.drains * conditions.limits.batch {
        violate("limit: \(waiting) calls wait")
      }
      start(newDrain)
      return call
    case .overloaded, .stopped:
      if isStopped != (admission == .stopped) { violate("stop: call \(call) is \(admission)") }
      calls[call].answer = .nothingDone
      freeNames.append(id)
      return nil
    }
  }

  /// Answers a call, once, and frees its name.
  private func answer(_ id: Int, _ answer: Call.Answer) {
    let call = named[id]
    say("call \(call): \(answer)")
    mark(2, call)
    guard calls[call].answer == nil else { return violate("once: call \(call) is answered twice") }
    calls[call].answer = answer
    unanswered.remove(call)
    freeNames.append(id)
    if answer == .nothingDone, calls[call].isCommitted {
      violate("honesty: call \(call) was committed and is told that nothing was done")
    }
    if answer == .unknown, !calls[call].hasBegun { violate("honesty: call \(call) never ran and is told 'unknown'") }
  }

  func tell(_ failed: [GroupCommitCore.FailedCall]) {
    for failure in failed {
      let call = named[failure.id]
      switch failure.reason {
      case .stopped: if !isStopped { violate("stop: call \(call) is told so before") }
      case .timeUp(let isDeadline):
        let giveUp = calls[call].giveUp
        if giveUp.time > instant { violate("deadline: call \(call) is told so early") }
        if giveUp.isDeadline != isDeadline { violate("deadline: call \(call) is told of another's deadline") }
      case .refused:
        if !failure.mayHaveHappened, !calls[call].isCause { violate("neighbours: call \(call) fails for others") }
      }
      answer(failure.id, failure.mayHaveHappened ? .unknown : .nothingDone)
    }
  }

  func tell(_ decided: [GroupCommitCore.DecidedCall], _ outcomes: [Call.Answer], of transaction: Transaction) {
    for decision in decided {
      let shift = sabotage == .swappedOutcomes ? 1 : 0
      let outcome = outcomes[(decision.position + shift) % outcomes.count]
      let call = named[decision.id]
      if transaction.calls[decision.position] != call { violate("outcomes: call \(call) is not at its position") }
      switch outcome {
      case .outcome(let owner):
        if database.owners[calls[call].subject] != owner { violate("outcomes: call \(call) gets another's outcome") }
      case .inFlight:
        let holder = database.holder(of: calls[call].subject, besides: transaction)
        if holder?.calls.contains(call) == true { violate("repetition: call \(call) is in its own way") }
      case .nothingDone, .unknown: break
      }
      answer(decision.id, outcome)
    }
    if let forgotten = transaction.calls.first(where: { calls[$0].answer == nil }) {
      violate("outcomes: call \(forgotten) was committed and has no answer")
    }
  }

  // MARK: - The pool

  func start(_ drain: GroupCommitCore.DrainID?) {
    guard let drain else { return }
    drains.insert(drain)
    if freeConnections == 0, isFull {
      refuse(drain)
    } else {
      jobs.append(.drain(drain))
      serve()
    }
  }

  /// Whether the pool takes no job that has to wait.
  var isFull: Bool { !isPoolClosed && jobs.count >= conditions.poolQueue }

  private func refuse(_ drain: Int) {
    say("drain \(drain) finds the pool full")
    mark(5, drain)
    drains.remove(drain)
    if sabotage == .fullIsClosed { tell(core.noConnection(for: drain)) } else { core.noRoom(for: drain) }
  }

  func serve() {
    while isPoolClosed || freeConnections > 0, !jobs.isEmpty {
      let job = jobs.removeFirst()
      switch job {
      case .drain(let drain):
        if isPoolClosed {
          drains.remove(drain)
          tell(core.noConnection(for: drain))
        } else {
          freeConnections -= 1
          plan(after: random.draw(0...200_000)) { self.ask(drain, isAfterTransaction: false) }
        }
      case .other:
        guard !isPoolClosed else { continue }
        freeConnections -= 1
        plan(after: milliseconds(1...20)) { self.releaseConnection() }
      }
    }
  }

  private func releaseConnection() {
    freeConnections += 1
    serve()
  }

  /// A drain with a connection asks the core what to do.
  func ask(_ drain: Int, isAfterTransaction: Bool) {
    let othersWait = isAfterTransaction && !jobs.isEmpty
    let clock = sabotage == .lateClock ? instant - .milliseconds(300) : instant
    let (failed, step) = core.next(of: drain, now: clock, othersWait: sabotage == .greedy ? false : othersWait)
    tell(failed)
    switch step {
    case .run(let ids, let isRepetition, let hasBriefLocks):
      let chosen = ids.map { named[$0] }
      let isNewBatch = chosen.contains { !calls[$0].hasBegun }
      if othersWait, isNewBatch { violate("fairness: drain \(drain) begins a batch while others want the connection") }
      begin(chosen, of: drain, isRepetition: isRepetition, hasBriefLocks: hasBriefLocks)
    case .yield:
      say("drain \(drain) yields")
      if isFull { refuse(drain) } else { jobs.append(.drain(drain)) }
      releaseConnection()
    case .end:
      say("drain \(drain) ends")
      drains.remove(drain)
      releaseConnection()
    }
  }

  private func begin(_ chosen: [Int], of drain: Int, isRepetition: Bool, hasBriefLocks: Bool) {
    var chosen = chosen
    if sabotage == .runAnswered, chosen.count < conditions.limits.batch,
      let late = calls.lastIndex(where: { $0.hasBegun && $0.answer == .nothingDone })
    {
      chosen.append(late)
    }
    transactions += 1
    let transaction = Transaction(
      transactions, drain: drain, calls: chosen, isRepetition: sabotage == .firstAttempt ? false : isRepetition,
      hasBriefLocks: sabotage == .patientParts ? false : hasBriefLocks)
    say("transaction \(transaction.number) of drain \(drain): \(chosen), \(isRepetition) \(hasBriefLocks)")
    mark(3, chosen.count)
    if chosen.count > conditions.limits.batch { violate("limit: a batch of \(chosen.count)") }
    if drains.count > conditions.limits.drains { violate("limit: \(drains.count) drains") }
    for call in chosen {
      if let answer = calls[call].answer { violate("begin: call \(call) begins after its answer \(answer)") }
      if calls[call].giveUp.time <= instant { violate("begin: call \(call) begins after its time") }
      calls[call].hasBegun = true
      calls[call].transactionsUnderWay += 1
    }
    execute(transaction)
  }

  // MARK: - How transactions end

  func succeeded(_ transaction: Transaction, _ outcomes: [Call.Answer]) {
    finish(transaction)
    tell(core.committed(transaction.drain), outcomes, of: transaction)
    ask(transaction.drain, isAfterTransaction: true)
  }

  /// - Parameter causes: the calls without which it would have committed.
  func failed(_ transaction: Transaction, _ fault: GroupCommitCore.Fault, isUnknown: Bool, causes: Set<Int>) {
    say("transaction \(transaction.number): \(fault), unknown \(isUnknown)")
    mark(4, transaction.number)
    finish(transaction)
    for call in transaction.calls { calls[call].isCause = causes.contains(call) }
    let blamed = sabotage == .blameEveryCall && fault == .someCalls ? .everyCall : fault
    let reported = sabotage == .certainLoss ? false : isUnknown
    switch core.failed(transaction.drain, blamed, isUnknown: reported) {
    case .waitAgain(let newDrain):
      drains.remove(transaction.drain)
      plan(after: milliseconds(isCalm ? 1...2 : 1...500)) { self.releaseConnection() }
      if sabotage != .lostDrain { start(newDrain) }
    case .runAgain: ask(transaction.drain, isAfterTransaction: true)
    case .refuse(let refused):
      tell(refused)
      ask(transaction.drain, isAfterTransaction: true)
    }
  }

  private func finish(_ transaction: Transaction) {
    for call in transaction.calls { calls[call].transactionsUnderWay -= 1 }
  }
}
