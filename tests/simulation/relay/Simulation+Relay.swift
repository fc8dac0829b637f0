import Outbox
import Randomness
import SimulationSupport
import Values

/// The simulated `Relay`: a thread with a mailbox, and a pool of connections.
extension Simulation {
  func send(_ event: RelayCore.Event, to machine: Machine, after delay: Int64) {
    machine.mailbox.append(event)
    planLoop(machine, after: delay)
  }

  func planLoop(_ machine: Machine, after delay: Int64) {
    let time = max(now + delay, machine.busyUntil)
    guard time < machine.nextLoop else { return }
    machine.nextLoop = time
    machine.loopPlan += 1
    let plan = machine.loopPlan
    agenda.plan(at: time) { if machine.loopPlan == plan { self.loop(machine) } }
  }

  private func loop(_ machine: Machine) {
    machine.nextLoop = .max
    guard machine.isAlive, !machine.isPaused else { return }
    var events = machine.mailbox
    machine.mailbox = []
    if machine.isWoken { events.append(.wake) }
    machine.isWoken = false
    let isTick = events.isEmpty
    if isTick { events = [.tick] }
    let local = machine.clock.local(now)
    var actions: [RelayCore.Action] = []
    for event in events { actions += handle(event, machine, at: local) }
    check(machine, isIdle: isTick && actions.isEmpty)
    checkFloors(machine)
    let stall = chance(0.05) ? random.draw(0...conditions.stall) : 0
    machine.busyUntil = now + stall
    if stall == 0 {
      perform(actions, machine)
    } else if !actions.isEmpty {
      let decided = now
      plan(after: stall) {
        self.whenRunning(machine) { self.perform(actions, machine, isLate: self.now - decided > stall) }
      }
    }
    guard machine.isAlive else { return }
    let deadline = machine.clock.global(machine.core.nextDeadline(now: local))
    if deadline != .max { planLoop(machine, after: max(deadline - now, 1_000)) }
    if !machine.mailbox.isEmpty { planLoop(machine, after: 1_000) }
  }

  private func handle(_ event: RelayCore.Event, _ machine: Machine, at local: Instant) -> [RelayCore.Action] {
    if sabotage == .staleRead, case .completed(let request, _) = event {
      machine.staleRows = database.rows(named: request)
    }
    if case .published(let outcomes) = event {
      for outcome in outcomes where outcome.result == .acknowledged { oracle.acknowledged(outcome.token, machine) }
    }
    return machine.core.handle(event, at: local)
  }

  private func check(_ machine: Machine, isIdle: Bool) {
    let window = machine.core.window
    if window.eventCount > conditions.rules.window {
      oracle.violate("memory: relay \(machine.number) holds \(window.eventCount) events")
    }
    if window.parkedCount > conditions.rules.parkLimit {
      oracle.violate("memory: relay \(machine.number) has parked \(window.parkedCount) keys")
    }
    guard isIdle else { return }
    if now - machine.idleSince > 1_000_000_000 {
      machine.idleSince = now
      machine.idleTicks = 0
    }
    machine.idleTicks += 1
    if machine.idleTicks > 500 { oracle.violate("spinning: relay \(machine.number) is woken for nothing") }
  }

  /// The history that the server reports.
  private var reportedHistory: ServerHistory {
    ServerHistory(name: sabotage?.hidesHistory == true ? "" : String(database.history))
  }

  /// The history that a relay knows; where that is hidden, the present one.
  func history(of machine: Machine) -> Int { machine.core.history.flatMap { Int($0.name) } ?? database.history }

  /// No row that may still become visible lies below the floor of a held shard.
  func checkFloors(_ machine: Machine) {
    guard !conditions.isSequenceAhead, sabotage != .matchIDOnly, machine.isAlive,
      history(of: machine) == database.history
    else { return }
    for (shard, state) in machine.core.shards
    where database.holds(ShardEpoch(shard: shard, epoch: state.epoch), machine.number) {
      for index in database.waiting[Int(shard)]
      where database.events[index].status == .drawn && database.events[index].id <= state.floor {
        oracle.violate("floor: relay \(machine.number) reads above \(state.floor) and will pass \(name(index)) over")
      }
    }
  }

  /// Reads without effect must not follow each other at once.
  private func checkReads(_ machine: Machine) {
    if now - machine.readsSince > 1_000_000_000 {
      machine.readsSince = now
      machine.reads = 0
    }
    machine.reads += 1
    if machine.reads > 200 { oracle.violate("spinning: relay \(machine.number) reads on and on") }
  }

  private func perform(_ actions: [RelayCore.Action], _ machine: Machine, isLate: Bool = false) {
    for action in actions {
      if machine.isFinishedSeen { oracle.violate("relay \(machine.number) acts after it has finished") }
      switch action {
      case .maintainLeases(let request): maintainLeases(request, machine)
      case .read(let request): read(request, machine)
      case .publish(let requests):
        machine.reads = 0
        publish(requests, machine, isLate: isLate)
      case .complete(let request):
        machine.reads = 0
        complete(request, machine)
      case .purge: purge(machine)
      case .reportLoss(let loss, let shards): say("relay \(machine.number) lost \(shards) shards: \(loss.rawValue)")
      case .reportRecall(let shards): say("relay \(machine.number) reads \(shards) shards anew")
      case .reportSetAside(let item, let reason): reportSetAside(item, reason, machine)
      case .releaseAll(let leases): releaseAll(leases, machine)
      case .finished:
        say("relay \(machine.number) has finished")
        machine.isFinishedSeen = true
      }
    }
  }

  private func reportSetAside(_ item: CompletionRequest.Item, _ reason: String, _ machine: Machine) {
    let row = Int(item.eventID.low)
    say("relay \(machine.number) sets aside \(name(row)): \(reason)")
    mark(8, row)
    oracle.setAside(row, machine, self)
  }

  // MARK: - Statements

  /// Runs a statement of `machine`: `work` at the database, then `answer` at the machine; or `failed`, with the work
  /// done, done later, or never done.
  /// - Parameter work: returns false while it waits for a lock.
  private func statement(
    _ machine: Machine, giveUpAt: Int64? = nil, work: @escaping () -> Bool, answer: @escaping () -> Void,
    failed: @escaping () -> Void
  ) {
    let limit = giveUpAt ?? now + reserve
    let server = database.history
    whenRunning(machine) {
      if self.databaseBackAt > self.now {
        if self.now >= limit { return failed() }
        self.plan(after: self.milliseconds(20...200)) {
          self.statement(machine, giveUpAt: limit, work: work, answer: answer, failed: failed)
        }
        return
      }
      let delay = self.chance(self.conditions.slowStatements) ? self.random.draw(0...self.reserve / 4) : 300_000
      guard self.chance(self.conditions.statementFailures) else {
        let back = self.chance(self.conditions.slowStatements) ? self.random.draw(0...self.reserve / 3) : 200_000
        return self.plan(after: delay) {
          self.tryWork(on: self.database.history, work, failed: { self.whenRunning(machine, failed) }) {
            self.plan(after: back, answer)
          }
        }
      }
      self.faults += 1
      let patience = self.random.draw(0...self.reserve)
      self.plan(after: patience) { self.whenRunning(machine, failed) }
      switch self.random.draw(0...2) {
      case 0: self.plan(after: min(delay, patience)) { self.tryWork(on: server, work) {} }
      case 1: self.plan(after: patience + self.random.draw(0...self.reserve)) { self.tryWork(on: server, work) {} }
      default: break
      }
    }
  }

  /// A connection does not outlive its server.
  private func tryWork(
    on server: Int, _ work: @escaping () -> Bool, failed: @escaping () -> Void = {}, then: @escaping () -> Void
  ) {
    guard database.history == server else { return failed() }
    if work() { then() } else { plan(after: 2_000_000) { self.tryWork(on: server, work, failed: failed, then: then) } }
  }

  private func isHere(_ history: ServerHistory?) -> Bool { history == reportedHistory }

  /// Three transactions one after another, as in `RelayStore.maintainLeases`.
  private func maintainLeases(_ request: LeaseRequest, _ machine: Machine) {
    let owner = machine.number
    var sentAt = machine.clock.local(now)
    var renewed: [ShardEpoch] = []
    var due: [ShardEpoch]?
    let failed = { self.send(.leasesFailed, to: machine, after: 0) }
    let claim = {
      var report = LeaseReport(history: self.reportedHistory)
      self.statement(machine) {
        self.database.end(self.database.begin())
        let impatience = self.sabotage == .earlyTakeover ? self.reserve / 2 : 0
        let claimed =
          request.mayClaim
          ? self.database.claim(
            keeping: request.keeping, owner, self.reserve, now: self.databaseTime, impatience: impatience,
            believesAll: self.sabotage == .believeAnyLease) : []
        report = self.database.survey(
          owner, now: self.databaseTime, self.reportedHistory, believesAll: self.sabotage == .believeAnyLease)
        report.claimed = claimed
        report.renewed = renewed
        if !claimed.isEmpty { self.say("relay \(owner) takes shards \(claimed.map { "\($0.shard)@\($0.epoch)" })") }
        self.mark(3, claimed.count)
        return true
      } answer: {
        if self.sabotage == .leaseFromAnswer { sentAt = machine.clock.local(self.now) }
        self.send(.leases(report, sentAt: sentAt), to: machine, after: 0)
      } failed: {
        failed()
      }
    }
    let release = {
      if request.release.isEmpty { return claim() }
      self.statement(machine) {
        guard !self.database.isLocked(request.release) else { return false }
        self.say("relay \(owner) gives back \(request.release.map(\.shard))")
        self.database.release(request.release, owner)
        return true
      } answer: {
        claim()
      } failed: {
        failed()
      }
    }
    statement(machine) {
      // Whether a lease has ended is checked before the wait for its lock.
      let now = self.databaseTime
      let wanted = self.isHere(request.history) ? request.renew : []
      let judged = due ?? wanted.filter { self.database.leases[Int($0.shard)].reservedTo > now }
      due = judged
      guard !self.database.isLocked(judged) else { return false }
      self.database.aliveTo[owner] = now + self.reserve
      renewed = self.database.renew(judged, owner, self.reserve, now: now)
      return true
    } answer: {
      release()
    } failed: {
      failed()
    }
  }

  private func releaseAll(_ leases: [ShardEpoch], _ machine: Machine) {
    statement(machine) {
      guard !self.database.isLocked(leases) else { return false }
      self.say("relay \(machine.number) gives everything back")
      self.database.release(leases, machine.number)
      self.database.aliveTo[machine.number] = nil
      return true
    } answer: {
      self.send(.released, to: machine, after: 0)
    } failed: {
      self.send(.released, to: machine, after: 0)
    }
  }

  /// Three statements in one round trip, each with a snapshot of its own.
  private func read(_ request: ReadRequest, _ machine: Machine) {
    checkReads(machine)
    var report = ReadReport(history: reportedHistory, events: [], held: [], lastID: 0, snapshot: (0, 0))
    var stage = 0
    machine.openRead = request
    let pauseBetween = chance(0.2)
    statement(machine) {
      let database = self.database
      if stage == 0 {
        let isAhead = (self.conditions.isSequenceAhead || self.sabotage == .plainSequence) && self.chance(0.1)
        report.lastID = isAhead ? database.loggedID : database.lastID
        report.history = self.reportedHistory
      }
      if stage <= 1 {
        let next = self.sabotage == .plainXmax ? database.latestCompleted + 1 : database.nextTransaction
        report.snapshot = (database.xmin, next)
      }
      stage += 1
      if stage < 3, pauseBetween { return false }
      let (held, rows) =
        self.isHere(request.history)
        ? database.read(request, machine.number, minding: self.sabotage != .forgetDead) : ([], [])
      report.held = held
      report.events = rows.map { self.waitingEvent($0) }
      if self.sabotage != .noPredecessor {
        for row in rows { report.predecessors[database.events[row].id] = database.predecessor(of: row) }
      }
      self.say("relay \(machine.number) reads \(rows.map { self.name($0) }.joined(separator: ", "))")
      self.mark(4, rows.count)
      return true
    } answer: {
      machine.openRead = nil
      // Rows that a completion moved before this read was sent.
      if let stale = machine.staleRows {
        machine.staleRows = nil
        report.events = (report.events + stale.map { self.waitingEvent($0) }).filter { event in
          request.shards.contains { $0.shard == event.shard && $0.floor < event.id }
        }.sorted { ($0.shard, $0.id) < ($1.shard, $1.id) }
      }
      self.send(.read(report), to: machine, after: 0)
    } failed: {
      machine.openRead = nil
      self.send(.readFailed, to: machine, after: 0)
    }
  }

  private func waitingEvent(_ index: Int) -> WaitingEvent {
    let event = database.events[index]
    let names = sabotage == .twoInFlight && event.sequence.isMultiple(of: 2) ? aliasNames : keyNames
    return WaitingEvent(
      id: event.id, shard: event.shard, eventID: UniqueID(high: 0, low: UInt64(index)), key: names[event.key],
      sequence: event.sequence, topic: "payment", payload: [], headers: [], createdAt: Timestamp(microseconds: 0))
  }

  /// Locks leases and rows, and commits at once, later, or never.
  private func complete(_ request: CompletionRequest, _ machine: Machine) {
    var report = CompletionReport(moved: [:])
    var locked: (leases: [ShardEpoch], rows: [Int], transaction: Int64, end: Int64)?
    var outcome = CompletionOutcome.moves
    statement(machine) {
      if let held = locked {
        guard self.now >= held.end else { return false }
        self.endCompletion(request, machine, held.leases, held.rows, held.transaction, outcome, &report)
        return true
      }
      let fence =
        self.sabotage == .ignoreEpoch
        ? request.leases
        : request.leases.filter {
          self.isHere(request.history) && self.database.holds($0, machine.number)
        }
      let shards = Set(fence.map(\.shard))
      let wanted = self.rows(of: request, in: shards)
      // Another completion of this relay, which it has given up, still has them locked.
      if wanted.contains(where: { self.database.events[$0].isLocked }) { return false }
      for row in wanted { self.database.events[row].isLocked = true }
      if self.sabotage != .noShareLock {
        for lease in fence { self.database.leases[Int(lease.shard)].shareLocks += 1 }
      }
      let isSlow = self.chance(self.conditions.slowStatements / 2)
      if self.chance(self.conditions.statementFailures / 4) {
        outcome = .fails
      } else if self.database.refusesUnmovable, wanted.contains(where: { self.database.events[$0].isUnmovable }) {
        outcome = .isRefused
      }
      locked = (
        fence, wanted, self.database.begin(), self.now + (isSlow ? self.random.draw(0...self.reserve) : 0)
      )
      return false
    } answer: {
      self.send(self.answer(request, report, outcome), to: machine, after: 0)
    } failed: {
      self.send(.completionFailed(request), to: machine, after: 0)
    }
  }

  private enum CompletionOutcome { case moves, fails, isRefused }

  private func answer(
    _ request: CompletionRequest, _ report: CompletionReport, _ outcome: CompletionOutcome
  ) -> RelayCore.Event {
    switch outcome {
    case .moves: .completed(request, report)
    case .isRefused where sabotage != .neverSplit: .completionRefused(request, reason: "a value out of range")
    case .fails, .isRefused: .completionFailed(request)
    }
  }

  private func rows(of request: CompletionRequest, in shards: Set<Int16>) -> [Int] {
    request.items.compactMap { item in
      guard shards.contains(item.shard) else { return nil }
      return database.waiting[Int(item.shard)].first {
        database.events[$0].id == item.id && database.events[$0].status == .waiting
          && (sabotage == .matchIDOnly || Int(item.eventID.low) == $0)
      }
    }
  }

  private func endCompletion(
    _ request: CompletionRequest, _ machine: Machine, _ fence: [ShardEpoch], _ rows: [Int], _ transaction: Int64,
    _ outcome: CompletionOutcome, _ report: inout CompletionReport
  ) {
    if sabotage != .noShareLock { for lease in fence { database.leases[Int(lease.shard)].shareLocks -= 1 } }
    for row in rows { database.events[row].isLocked = false }
    database.end(transaction)
    guard outcome == .moves else { return }
    say(
      "relay \(machine.number) completes \(rows.map { name($0) }.joined(separator: ", "))\(request.isDead ? " as dead" : "")"
    )
    mark(5, rows.count)
    for lease in fence { report.moved[lease.shard] = rows.count { database.events[$0].shard == lease.shard } }
    for row in rows {
      oracle.leaves(row, request, machine, self)
      database.leave(row, as: request.isDead ? .dead : .done)
      database.events[row].doneAt = now
      if request.isDead { database.dead.append(row) }
    }
  }
}
