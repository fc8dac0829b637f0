import Outbox
import Randomness
import SimulationSupport
import Values

extension Simulation {
  @discardableResult
  func startMachine() -> Machine {
    let drift =
      sabotage == .clockDrift ? -random.draw(0...conditions.drift) : random.draw(-conditions.drift...conditions.drift)
    let clock = MachineClock(offset: random.draw(1_000_000_000...1_000_000_000_000), drift: drift)
    let machine = Machine(number: machines.count + 1, clock: clock, rules: conditions.rules, now: now)
    machines.append(machine)
    say("relay \(machine.number) starts")
    planLoop(machine, after: 0)
    return machine
  }

  func planFault() {
    plan(after: random.draw(0...conditions.faultEvery * 2)) {
      guard !self.isCalm else { return }
      self.inject(self.random.pick(self.conditions.faults))
      self.planFault()
    }
  }

  private func inject(_ fault: Fault) {
    faults += 1
    mark(2, fault.rawValue)
    switch fault {
    case .crash: someMachine().map { crash($0, isReplaced: true) }
    case .pause: someMachine().map(pause)
    case .scaleOut: if machines.count(where: \.isAlive) < 4 { startMachine() }
    case .scaleIn: someMachine().map(stop)
    case .databaseOutage:
      databaseBackAt = max(databaseBackAt, now + random.draw(0...reserve * 3 / 2))
      say("the database is away until \(Double(databaseBackAt) / 1e9)")
    case .brokerOutage:
      broker.backAt = max(broker.backAt, now + random.draw(0...reserve * 2))
      say("the broker is away until \(Double(broker.backAt) / 1e9)")
    case .partitionOutage:
      let partition = random.draw(0...conditions.partitions - 1)
      broker.partitionBackAt[partition] = now + random.draw(0...reserve * 2)
      say("partition \(partition) is away until \(Double(broker.partitionBackAt[partition]) / 1e9)")
    case .fatalProducer: someMachine().map(failProducer)
    case .requeue: requeue()
    case .databaseCrash: crashDatabase()
    case .failover: failOver()
    case .clockJump:
      database.clockOffset += random.pick([-3_600, -3_600, 3_600]) * 1_000_000_000
      for shard in database.leases.indices { database.leases[shard].excused = database.leases[shard].epoch }
      say("the database's clock is \(database.clockOffset / 1_000_000_000) s off")
      if random.roll(0.5) { crashDatabase() }
    }
  }

  private func someMachine() -> Machine? {
    let alive = machines.filter { $0.isAlive && !$0.isStopping }
    return alive.isEmpty ? nil : random.pick(alive)
  }

  /// The process ends at once. Messages sent to the broker may still arrive; the others are gone.
  func crash(_ machine: Machine, isReplaced: Bool) {
    say("relay \(machine.number) crashes")
    machine.isGone = true
    machine.onResume = []
    guard isReplaced, random.roll(0.8) else { return }
    plan(after: random.draw(0...reserve)) { self.startMachine() }
  }

  /// SIGSTOP: nothing in the process runs; events from outside wait for it.
  private func pause(_ machine: Machine) {
    guard !machine.isPaused else { return }
    let length = random.roll(0.5) ? random.draw(0...reserve / 3) : random.draw(0...reserve * 3)
    say("relay \(machine.number) is paused for \(Double(length) / 1e9) s")
    machine.isPaused = true
    for message in machine.outstanding where !message.isSent { message.wasPaused = true }
    plan(after: length) { self.resume(machine) }
  }

  func resume(_ machine: Machine) {
    guard machine.isPaused, !machine.isGone else { return }
    say("relay \(machine.number) goes on")
    machine.isPaused = false
    let late = machine.onResume
    machine.onResume = []
    for action in late { plan(after: random.draw(0...1_000_000), action) }
    machine.nextLoop = .max
    planLoop(machine, after: random.draw(0...1_000_000))
  }

  /// Runs `action` now, or when a paused process resumes; never once the process is gone.
  func whenRunning(_ machine: Machine, _ action: @escaping () -> Void) {
    if machine.isGone { return }
    if machine.isPaused { machine.onResume.append { self.whenRunning(machine, action) } } else { action() }
  }

  /// SIGTERM: the relay drains, and is killed when that takes too long.
  private func stop(_ machine: Machine) {
    say("relay \(machine.number) is told to stop")
    machine.isStopping = true
    send(.stop, to: machine, after: 0)
    plan(after: random.draw(0...reserve * 2)) {
      if machine.isAlive { self.crash(machine, isReplaced: false) }
    }
    if random.roll(0.7) { plan(after: random.draw(0...reserve)) { if !self.isCalm { self.startMachine() } } }
  }

  /// An operator mends a dead event and requeues it.
  private func requeue() {
    let dead = database.dead.filter { database.events[$0].status == .dead }
    guard !dead.isEmpty, databaseBackAt <= now else { return }
    let index = random.pick(dead)
    guard database.leases[Int(database.events[index].shard)].shareLocks == 0 else { return }
    say("an operator requeues \(name(index))")
    database.requeue(index)
    oracle.requeued(index)
  }
}

// MARK: - The database's own faults

extension Simulation {
  private func crashDatabase() {
    say("the database crashes")
    // An asynchronous commit reaches the disk within three times 200 ms, the interval of the log writer.
    let again = database.crash(undone: now - random.draw(0...600_000_000), &random)
    say("in WAIT again: \(again.map(name).joined(separator: ", ")); ids go on after \(database.lastID)")
    databaseRestarted()
  }

  private func failOver() {
    var standby = random.roll(0.5) ? replica ?? database : database
    standby.history = database.history
    database.failOver(to: standby, &random)
    let lost = database.events.indices.filter { database.events[$0].status == .lost }
    say("a standby takes over; lost are \(lost.map(name).joined(separator: ", ")); ids go on after \(database.lastID)")
    databaseRestarted()
  }

  private func databaseRestarted() {
    replica = nil
    databaseBackAt = max(databaseBackAt, now + random.draw(0...reserve))
    lockedKeys = []
    for key in committedSequence.indices {
      committedSequence[key] =
        database.events.filter { $0.key == key && [.waiting, .done, .dead].contains($0.status) }.map(\.sequence).max()
        ?? 0
    }
    oracle.databaseRestarted(database)
  }

  /// Now and then the standby catches up with the server.
  func planReplication() {
    plan(after: random.draw(0...reserve)) {
      guard !self.isCalm else { return }
      self.replica = self.database
      self.planReplication()
    }
  }
}
