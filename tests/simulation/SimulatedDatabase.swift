import Outbox

/// The outbox's tables and what the statements of `RelayStore` do to them, in database time.
struct SimulatedDatabase {
  enum Status { case drawn, rolledBack, waiting, done, dead }

  struct Event {
    var id: Int64
    var shard: Int16
    var key: Int
    var sequence: Int64
    /// The broker refuses it.
    var isPoison: Bool
    /// The producer itself refuses it.
    var isTooLarge: Bool
    var status = Status.drawn
    /// A statement that completes it has not committed yet.
    var isLocked = false
  }

  struct Lease {
    var owner: Int?
    var epoch: Int64 = 0
    var reservedTo: Int64 = .min
    /// Statements that hold it FOR SHARE.
    var shareLocks = 0
    /// Epochs that were given back by their owners.
    var given: Set<Int64> = []
  }

  var events: [Event] = []
  /// Of each shard what may be in WAIT, by id.
  var waiting: [[Int]]
  var leases: [Lease]
  /// Until when each relay has shown that it lives.
  var aliveTo: [Int: Int64] = [:]
  var lastID: Int64 = 0
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

  mutating func insert(_ event: Event) -> Int {
    events.append(event)
    waiting[Int(event.shard)].append(events.count - 1)
    return events.count - 1
  }

  mutating func leave(_ index: Int, as status: Status) {
    events[index].status = status
    waiting[Int(events[index].shard)].removeAll { $0 == index }
  }

  /// Puts a dead event back under its old id, and makes its shard's owner take the shard anew.
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

  /// - Parameter impatience: how long before its end a lease is taken for ended; above zero only when sabotaged.
  mutating func claim(
    keeping: [ShardEpoch], _ owner: Int, _ reserve: Int64, now: Int64, impatience: Int64
  ) -> [ShardEpoch] {
    let live = max(1, aliveTo.values.count { $0 > now })
    var missing = (leases.count + live - 1) / live - keeping.count
    var claimed: [ShardEpoch] = []
    for shard in leases.indices where missing > 0 {
      let lease = leases[shard]
      guard lease.owner == nil || lease.reservedTo <= now + impatience || lease.owner == owner,
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

  func survey(_ owner: Int, now: Int64) -> LeaseReport {
    var report = LeaseReport(shardCount: leases.count)
    report.liveRelays = aliveTo.values.count { $0 > now }
    let ends = leases.filter { $0.owner != nil && $0.owner != owner && $0.reservedTo > now }.map(\.reservedTo)
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

  /// Of each key the number of the first that is dead.
  private func deadKeys(of shard: Int16) -> [Int: Int64] {
    var first: [Int: Int64] = [:]
    for event in dead.lazy.map({ events[$0] }) where event.shard == shard && event.status == .dead {
      first[event.key] = min(first[event.key] ?? .max, event.sequence)
    }
    return first
  }

  /// What has ever been dead.
  var dead: [Int] = []
}

extension SimulatedDatabase {
  /// The events that a completion named, whatever has become of them.
  func rows(named request: CompletionRequest) -> [Int] {
    let ids = Set(request.items.map(\.id))
    return events.indices.filter { ids.contains(events[$0].id) }
  }
}
