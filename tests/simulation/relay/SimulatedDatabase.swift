import Outbox
import Randomness
import SimulationSupport
import Values

/// The tables of the outbox and the effects of the relay's statements on them.
struct SimulatedDatabase {
  enum Status {
    case drawn, rolledBack, waiting, done, dead
    /// Committed, and unknown to the standby that took over.
    case lost
  }

  struct Event {
    var id: Int64
    var shard: Int16
    var key: Int
    var sequence: Int64
    /// The broker refuses it.
    var isPoison: Bool
    /// The producer itself refuses it.
    var isTooLarge: Bool
    /// The database refuses to move its row out of WAIT, for the row's values.
    var isUnmovable = false
    var status = Status.drawn
    /// An open completion has locked it.
    var isLocked = false
    /// When it became DONE, by a commit that did not wait for the disk.
    var doneAt: Int64 = 0
  }

  struct Lease {
    var owner: Int?
    var epoch: Int64 = 0
    var reservedTo: Int64 = .min
    /// Statements that hold it FOR SHARE.
    var shareLocks = 0
    /// Epochs that their owners released.
    var given: Set<Int64> = []
    /// Owners up to this epoch may not know that a jump of the clock has ended their lease.
    var excused: Int64 = -1
  }

  var events: [Event] = []
  /// Whether it still refuses to move unmovable rows; false once somebody has mended them.
  var refusesUnmovable = true
  /// By shard, the events that may be in WAIT, in id order.
  var waiting: [[Int]]
  var leases: [Lease]
  /// By relay, until when it counts as alive.
  var aliveTo: [Int: Int64] = [:]
  var lastID: Int64 = 0
  /// Where the sequence goes on after a crash, if that had reached the disk.
  var loggedID: Int64 = 0
  /// One run of one server.
  var history = 1
  /// The first history on a server that may lack earlier commits.
  var failoverHistory = 0
  /// How far the server's clock is off; leases are measured by it.
  var clockOffset: Int64 = 0
  var nextTransaction: Int64 = 100
  var latestCompleted: Int64 = 99
  /// By ascending id.
  var running: [Int64] = []

  init(shards: Int) {
    waiting = Array(repeating: [], count: shards)
    leases = Array(repeating: Lease(), count: shards)
  }

  // MARK: - Transactions

  mutating func begin() -> Int64 {
    defer { nextTransaction += 1 }
    running.append(nextTransaction)
    return nextTransaction
  }

  mutating func end(_ transaction: Int64) {
    running.removeAll { $0 == transaction }
    latestCompleted = max(latestCompleted, transaction)
  }

  /// `pg_snapshot_xmin` of a snapshot taken now.
  var xmin: Int64 { running.first ?? latestCompleted + 1 }

  /// The next id. The sequence logs 32 ids ahead.
  mutating func draw() -> Int64 {
    lastID += 1
    if lastID > loggedID { loggedID = lastID + 32 }
    return lastID
  }

  mutating func insert(_ event: Event) -> Int {
    events.append(event)
    waiting[Int(event.shard)].append(events.count - 1)
    return events.count - 1
  }

  mutating func leave(_ index: Int, as status: Status) {
    events[index].status = status
    waiting[Int(events[index].shard)].removeAll { $0 == index }
  }

  /// Moves a dead event back to WAIT under its old id, and makes the shard's owner claim the shard again.
  mutating func requeue(_ index: Int) {
    let shard = Int(events[index].shard)
    events[index].status = .waiting
    events[index].isPoison = false
    events[index].isTooLarge = false
    let place = waiting[shard].firstIndex { events[$0].id > events[index].id } ?? waiting[shard].count
    waiting[shard].insert(index, at: place)
    leases[shard].epoch += 1
  }

  // MARK: - Statements

  func holds(_ lease: ShardEpoch, _ owner: Int) -> Bool {
    leases[Int(lease.shard)].owner == owner && leases[Int(lease.shard)].epoch == lease.epoch
  }

  func isLocked(_ wanted: [ShardEpoch]) -> Bool { wanted.contains { leases[Int($0.shard)].shareLocks > 0 } }

  mutating func renew(_ wanted: [ShardEpoch], _ owner: Int, _ reserve: Int64, now: Int64) -> [ShardEpoch] {
    wanted.filter { lease in
      guard holds(lease, owner) else { return false }
      leases[Int(lease.shard)].reservedTo = now + reserve
      return true
    }
  }

  mutating func release(_ wanted: [ShardEpoch], _ owner: Int) {
    for lease in wanted where holds(lease, owner) {
      leases[Int(lease.shard)].owner = nil
      leases[Int(lease.shard)].reservedTo = .min
      leases[Int(lease.shard)].given.insert(lease.epoch)
    }
  }

  /// Whether a moment is in the future, but not so far that no relay can have set it.
  private static func isCredible(_ moment: Int64, now: Int64, believesAll: Bool) -> Bool {
    moment > now && (believesAll || moment < now + (RelayConfiguration.longestReserve + .seconds(60)).inNanoseconds)
  }

  /// - Parameters:
  ///   - impatience: how long before its end a lease counts as ended; above zero only with a sabotage.
  ///   - believesAll: every end of a lease is believed; only with a sabotage.
  mutating func claim(
    keeping: [ShardEpoch], _ owner: Int, _ reserve: Int64, now: Int64, impatience: Int64, believesAll: Bool
  ) -> [ShardEpoch] {
    let live = max(1, aliveTo.values.count { Self.isCredible($0, now: now, believesAll: believesAll) })
    var missing = (leases.count + live - 1) / live - keeping.count
    var claimed: [ShardEpoch] = []
    for shard in leases.indices where missing > 0 {
      let lease = leases[shard]
      let isHeld = Self.isCredible(lease.reservedTo, now: now + impatience, believesAll: believesAll)
      guard lease.owner == nil || !isHeld || lease.owner == owner,
        lease.shareLocks == 0, !keeping.contains(where: { Int($0.shard) == shard })
      else { continue }
      leases[shard].owner = owner
      leases[shard].epoch += 1
      leases[shard].reservedTo = now + reserve
      claimed.append(ShardEpoch(shard: Int16(shard), epoch: lease.epoch + 1))
      missing -= 1
    }
    return claimed
  }

  func survey(_ owner: Int, now: Int64, _ history: ServerHistory, believesAll: Bool) -> LeaseReport {
    var report = LeaseReport(history: history, shardCount: leases.count)
    report.liveRelays = aliveTo.values.count { Self.isCredible($0, now: now, believesAll: believesAll) }
    let ends = leases.filter {
      $0.owner != nil && $0.owner != owner && Self.isCredible($0.reservedTo, now: now, believesAll: believesAll)
    }.map(\.reservedTo)
    report.nextExpiry = ends.min().map { .nanoseconds($0 - now) }
    return report
  }

  /// The rows of `request` in the shards still held.
  func read(_ request: ReadRequest, _ owner: Int, minding isDeadMinded: Bool) -> (held: Set<Int16>, rows: [Int]) {
    var held: Set<Int16> = []
    var rows: [Int] = []
    for asked in request.shards where holds(ShardEpoch(shard: asked.shard, epoch: asked.epoch), owner) {
      held.insert(asked.shard)
      let dead = isDeadMinded ? deadKeys(of: asked.shard) : [:]
      rows += waiting[Int(asked.shard)].lazy.filter { index in
        let event = self.events[index]
        return event.status == .waiting && event.id > asked.floor
          && event.sequence <= dead[event.key] ?? .max
      }.prefix(asked.limit)
    }
    return (held, rows)
  }

  /// By key, the number of its first dead event.
  private func deadKeys(of shard: Int16) -> [Int: Int64] {
    var first: [Int: Int64] = [:]
    for event in dead.lazy.map({ events[$0] }) where event.shard == shard && event.status == .dead {
      first[event.key] = min(first[event.key] ?? .max, event.sequence)
    }
    return first
  }

  /// The events that have ever been dead.
  var dead: [Int] = []
}

extension SimulatedDatabase {
  /// The events that a completion names, in whatever state they are now.
  func rows(named request: CompletionRequest) -> [Int] {
    request.items.map { Int($0.eventID.low) }
  }
}

extension SimulatedDatabase {
  /// The id of the event that waits right before this one in its key.
  func predecessor(of index: Int) -> Int64? {
    let event = events[index]
    return waiting[Int(event.shard)].map { events[$0] }.filter {
      $0.status == .waiting && $0.key == event.key && $0.sequence < event.sequence
    }.max { $0.sequence < $1.sequence }?.id
  }

  // MARK: - Crashes

  /// The server crashes and restarts without what had not reached the disk.
  /// - Parameter undone: moves to DONE after this moment are undone.
  /// - Returns: the events that wait again.
  mutating func crash(undone: Int64, _ random: inout SplitMix64) -> [Int] {
    let again = events.indices.filter { events[$0].status == .done && events[$0].doneAt > undone }
    for index in again { events[index].status = .waiting }
    restart(&random)
    return again
  }

  /// A standby takes over with the server's state at the time of `replica`.
  mutating func failOver(to replica: SimulatedDatabase, _ random: inout SplitMix64) {
    for index in events.indices {
      let isKnown = index < replica.events.count
      let status = isKnown ? replica.events[index].status : .drawn
      if status == .drawn, [.waiting, .done, .dead].contains(events[index].status) {
        events[index].status = .lost
      } else {
        events[index].status = status
      }
    }
    leases = replica.leases
    aliveTo = replica.aliveTo
    dead = replica.dead
    (lastID, loggedID) = (replica.lastID, replica.loggedID)
    (nextTransaction, latestCompleted) = (replica.nextTransaction, replica.latestCompleted)
    restart(&random)
    failoverHistory = history
  }

  /// Open transactions are rolled back; ids and transaction ids that had not reached the disk are drawn again.
  private mutating func restart(_ random: inout SplitMix64) {
    history += 1
    for index in events.indices {
      if events[index].status == .drawn { events[index].status = .rolledBack }
      events[index].isLocked = false
    }
    for shard in leases.indices {
      leases[shard].shareLocks = 0
      waiting[shard] = events.indices.filter { events[$0].status == .waiting && Int(events[$0].shard) == shard }
        .sorted { events[$0].id < events[$1].id }
    }
    let written = events.filter { $0.status != .rolledBack && $0.status != .lost }.map(\.id).max() ?? 0
    lastID = random.roll(0.5) ? loggedID : random.draw(written...max(written, lastID))
    loggedID = lastID
    nextTransaction = random.draw(latestCompleted + 1...nextTransaction)
    latestCompleted = nextTransaction - 1
    running = []
  }
}
