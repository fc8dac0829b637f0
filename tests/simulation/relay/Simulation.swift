import Outbox
import Randomness
import SimulationSupport
import Values

/// One schedule: everything that happens follows from the seed.
final class Simulation: SimulatedWorld, Schedule {
  let sabotage: Sabotage?
  /// Draws for what was added to the simulator later, so that older seeds still play as they did.
  var additions: SplitMix64
  /// How many more events may be unmovable: events set aside take up the window.
  var unmovableLeft: Int
  let conditions: Conditions
  var database: SimulatedDatabase
  var broker: SimulatedBroker
  var oracle: Oracle
  var machines: [Machine] = []
  var lockedKeys: Set<Int> = []
  var committedSequence: [Int64]
  var databaseBackAt: Int64 = 0
  /// The standby's copy of the database.
  var replica: SimulatedDatabase?
  let keyNames: [String]
  let aliasNames: [String]

  init(seed: UInt64, sabotage: Sabotage?, isTraced: Bool) {
    var random = SplitMix64(seed: seed)
    self.sabotage = sabotage
    additions = SplitMix64(seed: ~seed)
    var conditions = Conditions(&random, sabotage: sabotage)
    conditions.addUnmovable(&additions, sabotage: sabotage)
    self.conditions = conditions
    unmovableLeft = conditions.rules.window / 4
    database = SimulatedDatabase(shards: conditions.shards)
    broker = SimulatedBroker(partitions: conditions.partitions)
    oracle = Oracle(keys: conditions.keys)
    committedSequence = Array(repeating: 0, count: conditions.keys)
    keyNames = (0..<conditions.keys).map { "k\($0)" }
    aliasNames = (0..<conditions.keys).map { "k\($0)'" }
    super.init(seed: seed, isTraced: isTraced)
    self.random = random
  }

  /// The time by the database's clock.
  var databaseTime: Int64 { now + database.clockOffset }

  /// The length of a lease in nanoseconds.
  var reserve: Int64 { conditions.rules.reserve.inNanoseconds }

  override func say(_ text: @autoclosure () -> String) {
    guard trace != nil else { return }
    let seconds = now / 1_000_000_000
    let micros = String(now / 1_000 % 1_000_000)
    trace?.append("\(seconds).\(String(repeating: "0", count: 6 - micros.count))\(micros) \(text())")
  }

  // MARK: - The course of a schedule

  /// - Returns: what was violated, or nil.
  func run() -> String? {
    say("conditions: \(conditions)")
    for _ in 0..<conditions.relays { startMachine() }
    plan(after: random.draw(0...conditions.transactionEvery)) { self.beginTransactions() }
    if !conditions.faults.isEmpty { planFault() }
    if random.roll(0.3) { planBystander() }
    if conditions.faults.contains(.failover) { planReplication() }
    advance(until: conditions.length) { false }
    if oracle.violation == nil { settle() }
    return oracle.violation.map { "\($0) (at \(Double(now) / 1e9) s)" }
  }

  /// Time passes without faults: every committed event must be published.
  private func settle() {
    isCalm = true
    databaseBackAt = now
    broker.backAt = now
    for partition in broker.partitionBackAt.indices { broker.partitionBackAt[partition] = now }
    if conditions.hasStuckPartition { broker.partitionBackAt[0] = .max }
    say("calm: no more faults\(conditions.hasStuckPartition ? ", but partition 0 stays away" : "")")
    for machine in machines where machine.isPaused { resume(machine) }
    if !machines.contains(where: { $0.isAlive && !$0.isStopping }) { startMachine() }
    // Transactions under way end within their own time; then one lease for a takeover, the producer's time and grace
    // for what was lost, parking of up to eight deliveries, and a sweep.
    let rules = conditions.rules
    let delivery = rules.deliveryTimeout.inNanoseconds
    let suspects = Int64(database.events.count { $0.isPoison && $0.status != .dead })
    let bound =
      reserve * 4 + rules.answerGrace.inNanoseconds * 2 + delivery * (24 + 2 * suspects) + 60_000_000_000
    if conditions.hasStuckPartition || conditions.unmovable > 0 {
      let away = conditions.hasStuckPartition ? 0 : nil
      if !advance(until: now + bound, when: { !self.isWaiting(exceptPartition: away) }) {
        oracle.violate("progress: \(describeWaiting(exceptPartition: away)) waits although others cannot go")
        return
      }
      if conditions.hasStuckPartition { broker.partitionBackAt[0] = now }
      database.refusesUnmovable = false
      say("calm: every partition is back, every row can be moved")
    }
    if !advance(until: now + bound, when: { !self.isWaiting(exceptPartition: nil) }) {
      oracle.violate("loss: \(describeWaiting(exceptPartition: nil)) is never published")
      return
    }
    oracle.checkEnd(database)
  }

  /// - Returns: whether `isDone` held before `limit`; it is checked five times a second.
  @discardableResult
  private func advance(until limit: Int64, when isDone: () -> Bool) -> Bool {
    var nextQuestion = now
    while oracle.violation == nil, let time = agenda.nextTime, time <= limit {
      now = time
      if now >= nextQuestion {
        if isDone() { return true }
        nextQuestion = now + 200_000_000
      }
      agenda.next()?()
      steps += 1
      if steps > 3_000_000 { oracle.violate("spinning: more than three million steps") }
    }
    if oracle.violation == nil { now = limit }
    return oracle.violation != nil
  }

  private func isWaiting(exceptPartition spared: Int?) -> Bool { firstWaiting(exceptPartition: spared) != nil }

  private func firstWaiting(exceptPartition spared: Int?) -> Int? {
    for indices in database.waiting {
      for index in indices {
        let event = database.events[index]
        if let spared, broker.partition(of: event.key) == spared { continue }
        if event.status == .drawn { return index }
        if event.status == .waiting, !oracle.isHeld(event, database), !oracle.awaitsMending(event, database) {
          return index
        }
      }
    }
    return nil
  }

  private func describeWaiting(exceptPartition spared: Int?) -> String {
    firstWaiting(exceptPartition: spared).map { name($0) } ?? "nothing"
  }

  /// An event in the trace: its key, number, id and shard.
  func name(_ index: Int) -> String {
    let event = database.events[index]
    return "k\(event.key):\(event.sequence) (id \(event.id), shard \(event.shard))"
  }

  // MARK: - Writers

  private func beginTransactions() {
    guard !isCalm else { return }
    beginTransaction()
    plan(after: random.draw(0...conditions.transactionEvery * 2)) { self.beginTransactions() }
  }

  /// Begins a transaction that locks the payments of its keys, which gives it a transaction id. It draws the ids of its
  /// events later, and ends later still.
  private func beginTransaction() {
    guard databaseBackAt <= now else { return }
    let free = (0..<conditions.keys).filter { !lockedKeys.contains($0) }
    guard !free.isEmpty else { return }
    var keys: Set<Int> = []
    for _ in 0..<random.draw(1...4) { keys.insert(random.pick(free)) }
    let chosen = keys.sorted()
    lockedKeys.formUnion(chosen)
    let transaction = database.begin()
    let history = database.history
    let isSlow = chance(conditions.slowCommits)
    let before = isSlow ? random.draw(0...reserve / 2) : milliseconds(0...3)
    let after = isSlow ? random.draw(0...reserve * 2) : milliseconds(0...3)
    plan(after: before) {
      guard self.database.history == history else { return }
      var rows: [Int] = []
      for key in chosen {
        for number in 1...Int64(self.random.draw(1...3)) {
          rows.append(
            self.database.insert(
              SimulatedDatabase.Event(
                id: self.database.draw(), shard: Int16(key % self.conditions.shards), key: key,
                sequence: self.committedSequence[key] + number, isPoison: self.random.roll(self.conditions.poison),
                isTooLarge: self.random.roll(self.conditions.poison / 4), isUnmovable: self.isNextUnmovable())))
        }
      }
      for machine in self.machines { self.checkFloors(machine) }
      self.plan(after: after) {
        if self.database.history == history { self.endTransaction(transaction, chosen, rows) }
      }
    }
  }

  private func isNextUnmovable() -> Bool {
    guard unmovableLeft > 0, additions.roll(conditions.unmovable) else { return false }
    unmovableLeft -= 1
    return true
  }

  private func endTransaction(_ transaction: Int64, _ keys: [Int], _ rows: [Int]) {
    let isCommitted = !random.roll(conditions.rollbacks)
    say(
      "transaction \(transaction) \(isCommitted ? "commits" : "rolls back") \(rows.map(name).joined(separator: ", "))")
    mark(1, rows.count)
    for row in rows {
      if isCommitted {
        database.events[row].status = .waiting
        let event = database.events[row]
        committedSequence[event.key] = max(committedSequence[event.key], event.sequence)
      } else {
        database.leave(row, as: .rolledBack)
      }
    }
    database.end(transaction)
    lockedKeys.subtract(keys)
    oracle.committed += isCommitted ? rows.count : 0
    for machine in machines where isCommitted && machine.isAlive && random.roll(conditions.wakes) {
      machine.isWoken = true
      planLoop(machine, after: milliseconds(0...1))
    }
  }

  /// A transaction without events, which holds back xmin.
  private func planBystander() {
    plan(after: random.draw(0...reserve * 2)) {
      guard !self.isCalm else { return }
      let transaction = self.database.begin()
      let history = self.database.history
      self.plan(after: self.random.draw(0...self.reserve)) {
        if self.database.history == history { self.database.end(transaction) }
      }
      self.planBystander()
    }
  }
}
