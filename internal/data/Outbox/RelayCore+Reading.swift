internal import Values

/// Which rows are read, from which floor, and what is inserted.
extension RelayCore {
  mutating func readFailed(_ now: Instant) {
    reading = .failed(until: now + rules.retryDelay)
    window.readEnded()
  }

  mutating func readAnswered(_ report: ReadReport, _ now: Instant) {
    let (request, since) = reading.end(at: now, next: now + rules.pollInterval)
    defer { window.readEnded() }
    guard adopt(report.history) else { return leases.hurry(at: now) }
    let settled = settledID(report)
    var progress = usableShards(request, report, now)
    var inserted = 0
    for event in report.events {
      guard var shard = progress[event.shard], !shard.isCut else { continue }
      let predecessor = report.predecessors[event.id]
      let insertion = window.insert(event, after: predecessor)
      if insertion == .inserted { inserted += 1 }
      shard.add(event.id, after: predecessor, insertion)
      progress[event.shard] = shard
    }
    pacedUntil = inserted >= rules.manyEvents ? since + rules.readInterval : now
    reading.hold(until: pacedUntil)
    for asked in request.shards {
      if let shard = progress[asked.shard] { moveFloor(asked, shard, settled: settled, now) }
    }
  }

  /// The id up to which this read saw everything: a noted id, once every writer that may have drawn an id up to it has
  /// ended. The next note is taken then.
  private mutating func settledID(_ report: ReadReport) -> Int64 {
    if let note, report.lastID < note.lastID {
      // Somebody has set the sequence back: ids that floors have passed will be drawn again.
      self.note = nil
      for shard in shards.keys { shards[shard]?.lowerFloor(to: 0) }
    }
    if let note, report.snapshot.xmin < note.xmax { return 0 }
    defer { note = FloorNote(lastID: report.lastID, xmax: report.snapshot.xmax) }
    return note?.lastID ?? 0
  }

  /// The shards whose rows may be inserted. A shard that the database says is not ours is lost.
  private mutating func usableShards(
    _ request: ReadRequest, _ report: ReadReport, _ now: Instant
  ) -> [Int16: ReadProgress] {
    var usable: [Int16: ReadProgress] = [:]
    // A late answer: the shard was lost while the read was open.
    for asked in request.shards where shards[asked.shard]?.epoch == asked.epoch {
      guard report.held.contains(asked.shard) else {
        lose(asked.shard, nil)
        continue
      }
      // Unparked keys or a sweep lowered the floor while the read was open. The read started above it, so that
      // predecessors of its rows may no longer be in memory: its rows are discarded.
      guard let state = shards[asked.shard], !state.isLeaving, state.floor >= asked.floor else {
        reading.want(at: now)
        continue
      }
      usable[asked.shard] = ReadProgress(limit: asked.limit)
    }
    return usable
  }

  private mutating func moveFloor(
    _ asked: ReadRequest.Shard, _ progress: ReadProgress, settled: Int64, _ now: Instant
  ) {
    guard let state = shards[asked.shard] else { return }
    if progress.bound < asked.floor {
      // The floor was wrong. That costs the key this round trip, but not its order.
      passedOver += 1
      shards[asked.shard]?.lowerFloor(to: progress.bound)
      return reading.want(at: now)
    }
    let seen = progress.seen(settled: settled)
    if progress.wantsMore(of: state, seen: seen) { reading.want(at: now) }
    shards[asked.shard]?.raiseFloor(to: seen)
    shards[asked.shard]?.heldBack = progress.heldBack
  }

  /// Whether there is room for a read that is worth its round trip.
  private var hasRoom: Bool { window.room * 4 >= min(rules.readLimit, rules.window) }

  var canRead: Bool {
    phase == .running && !reading.isOpen && hasRoom && shards.contains { !$0.value.isLeaving }
  }

  mutating func read(_ now: Instant, _ actions: inout [Action]) {
    guard canRead, now >= reading.due, let history else { return }
    lookBack(now)
    let readable = shards.filter { !$0.value.isLeaving }
    let share = max(1, min(window.room, rules.readLimit) / readable.count)
    let extra = rules.readLimit * 4 / readable.count
    let request = ReadRequest(
      shards: readable.sorted { $0.key < $1.key }.map { shard, state in
        ReadRequest.Shard(
          shard: shard, epoch: state.epoch, floor: state.floor,
          limit: share + window.count(of: shard, above: state.floor) + min(state.heldBack * 2, extra))
      }, history: history)
    reading = .open(request, isWanted: false, since: now)
    actions.append(.read(request))
  }

  /// Nothing should lie below the floors. Should a floor be wrong all the same, what it has just passed is found soon,
  /// and anything else by the sweep, which costs more: under a held snapshot dead rows pile up from the bottom.
  private mutating func lookBack(_ now: Instant) {
    if now >= nextSweep {
      nextSweep = now + rules.sweepInterval
      for shard in shards.keys { shards[shard]?.lowerFloor(to: 0) }
    }
    guard now >= nextLookBack else { return }
    nextLookBack = now + rules.lookBackInterval
    for shard in shards.keys { shards[shard]?.lookBack() }
  }

  /// Makes room when keys that cannot be published fill the window while others could be, as when a partition or a
  /// topic is away. Whether others could be published is not known before they have been tried.
  mutating func park(_ now: Instant) {
    guard window.hasRetries, !hasRoom else { return }
    for (shard, lowest) in window.parkRetrying(limit: rules.parkLimit) {
      shards[shard]?.parking.add(lowest, at: now, rules)
    }
  }

  /// Reads the keys again whose parking is over.
  mutating func unpark(_ now: Instant) {
    for (shard, state) in shards {
      guard let lowest = state.parking.due(at: now) else { continue }
      shards[shard]?.parking.finish()
      window.unpark { $0 == shard }
      shards[shard]?.lowerFloor(to: lowest.subtracting(saturating: 1))
      reading.want(at: now)
    }
  }
}
