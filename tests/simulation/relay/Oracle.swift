import Outbox
import SimulationSupport
import Values

/// Checks the guarantees G2 to G6 of docs/guarantees.md; the first violation counts.
struct Oracle {
  private struct Handover {
    var machine: Machine
    var epoch: Int64
    var history: Int
    var token: UInt64
    var isAcknowledged = false
  }

  private(set) var violation: String?
  var committed = 0
  private(set) var appends = 0
  private(set) var duplicates = 0
  /// Copies that arrived after their shard had another owner, within the documented limit.
  private(set) var lateCopies = 0
  /// By key, the number up to which every event has appeared.
  private var appeared: [Int64]
  private var copies: [Int: Int] = [:]
  private var handovers: [Int: Handover] = [:]

  init(keys: Int) { appeared = Array(repeating: 0, count: keys) }

  mutating func violate(_ text: String) { if violation == nil { violation = text } }

  /// Whether an event rightly waits: an earlier one of its key is dead.
  func isHeld(_ event: SimulatedDatabase.Event, _ database: SimulatedDatabase) -> Bool {
    database.dead.contains { index in
      let dead = database.events[index]
      return dead.status == .dead && dead.key == event.key && dead.sequence < event.sequence
    }
  }

  /// Whether an event rightly waits until somebody mends a row: its own, or that of a refused event before it.
  func awaitsMending(_ event: SimulatedDatabase.Event, _ database: SimulatedDatabase) -> Bool {
    guard database.refusesUnmovable else { return false }
    return event.isUnmovable
      || database.events.contains { other in
        other.isUnmovable && (other.isPoison || other.isTooLarge) && other.status == .waiting
          && other.key == event.key && other.sequence < event.sequence
      }
  }

  // MARK: - Publishing

  mutating func handedOver(_ message: Message, _ world: Simulation) {
    let shard = Int(world.database.events[message.event].shard)
    if message.machine.isFinishedSeen { violate("G6: \(world.name(message.event)) is published after the end") }
    if world.database.events[message.event].status == .lost, message.history == world.database.history,
      world.sabotage?.hidesHistory != true
    {
      violate("history: \(world.name(message.event)) is published by a relay that knows a server without it")
    }
    if let last = handovers[message.event], last.isAcknowledged, last.history == message.history {
      let isSame = last.machine === message.machine && last.epoch == message.epoch
      // An unmovable row is published again by the next owner.
      let isGiven =
        !world.database.events[message.event].isUnmovable && world.database.leases[shard].given.contains(last.epoch)
      if isSame || isGiven {
        violate("G5: \(world.name(message.event)) was acknowledged and is published again without a cause")
      }
    }
    handovers[message.event] = Handover(
      machine: message.machine, epoch: message.epoch, history: message.history, token: message.token)
  }

  mutating func acknowledged(_ token: UInt64, _ machine: Machine) {
    guard let (index, shard) = machine.tokens[token], let last = handovers[index], last.machine === machine,
      last.token == token, machine.core.shards[shard]?.epoch == last.epoch
    else { return }
    handovers[index]?.isAcknowledged = true
  }

  mutating func append(_ message: Message, _ world: Simulation) {
    let event = world.database.events[message.event]
    let lease = world.database.leases[Int(event.shard)]
    appends += 1
    if lease.owner != nil, lease.owner != message.machine.number, lease.epoch > message.epoch {
      let isExcused = message.epoch <= lease.excused || message.history < world.database.failoverHistory
      if message.wasPaused || isExcused {
        lateCopies += 1
      } else {
        violate(
          "G6: \(world.name(message.event)) is appended by relay \(message.machine.number) under epoch \(message.epoch)"
            + " although relay \(lease.owner ?? 0) holds the shard under epoch \(lease.epoch)")
      }
    }
    if event.status == .drawn || event.status == .rolledBack {
      violate("G2: \(world.name(message.event)) is on the topic and was never committed")
    }
    if isHeld(event, world.database) { violate("hold: \(world.name(message.event)) is published behind a dead event") }
    if event.status == .lost { return }
    copies[message.event, default: 0] += 1
    if copies[message.event] ?? 0 > 1 { duplicates += 1 }
    if event.sequence > appeared[event.key] + 1 {
      violate("G4: \(world.name(message.event)) appears before number \(appeared[event.key] + 1)")
    }
    appeared[event.key] = max(appeared[event.key], event.sequence)
  }

  // MARK: - Completing

  mutating func leaves(_ row: Int, _ request: CompletionRequest, _ machine: Machine, _ world: Simulation) {
    let event = world.database.events[row]
    let lease = request.leases.first { $0.shard == event.shard }
    if lease.map({ world.database.holds($0, machine.number) }) != true {
      violate("G6: relay \(machine.number) completes \(world.name(row)) and does not hold its shard")
    }
    if request.isDead {
      if !event.isPoison, !event.isTooLarge { violate("G3: \(world.name(row)) is dead and was never refused") }
    } else if copies[row] == nil {
      violate("G3: \(world.name(row)) is done and not on the topic")
    }
  }

  /// The relay says that the database refuses to complete an event.
  mutating func setAside(_ row: Int, _ machine: Machine, _ world: Simulation) {
    let event = world.database.events[row]
    if !event.isUnmovable { violate("progress: \(world.name(row)) is set aside and could be moved") }
    let epoch = machine.core.shards[event.shard]?.epoch
    let history = world.history(of: machine)
    if let last = machine.asideAt[row], last.epoch == epoch, last.history == history,
      world.now - last.time < world.conditions.rules.asideDelay.inNanoseconds / 2
    {
      violate("spinning: relay \(machine.number) tries to complete \(world.name(row)) on and on")
    }
    machine.asideAt[row] = (world.now, epoch, history)
  }

  /// A requeued event may be published again.
  mutating func requeued(_ index: Int) { handovers[index] = nil }

  /// Lost events on the topic belong to no order; the others may be published again.
  mutating func databaseRestarted(_ database: SimulatedDatabase) {
    handovers = [:]
    for key in appeared.indices {
      let kept = database.events.indices.filter {
        database.events[$0].key == key && [.waiting, .done, .dead].contains(database.events[$0].status)
      }
      appeared[key] = kept.filter { copies[$0] != nil }.map { database.events[$0].sequence }.max() ?? 0
    }
  }

  /// Every committed event must be where it belongs.
  mutating func checkEnd(_ database: SimulatedDatabase) {
    for index in database.events.indices {
      let event = database.events[index]
      switch event.status {
      case .drawn: violate("G2: the transaction of id \(event.id) never ended")
      case .rolledBack, .dead, .lost: break
      case .waiting: if !isHeld(event, database) { violate("G3: id \(event.id) waits for ever") }
      case .done: if copies[index] == nil { violate("G3: id \(event.id) is not on the topic") }
      }
    }
  }
}
