internal import Values

/// Which shards are owned, until when, and when they are given away.
extension RelayCore {
  /// Leases were renewed, claimed and released.
  mutating func leasesAnswered(_ report: LeaseReport, sentAt: Instant, _ now: Instant) {
    let isSameServer = adopt(report.history)
    losses.judge(report)
    shardCount = report.shardCount
    liveRelays = max(report.liveRelays, 1)
    // A late renewal: the shard was lost while the request was open, and is not taken up again under the old epoch.
    for lease in report.renewed where shards[lease.shard]?.epoch == lease.epoch {
      shards[lease.shard]?.obtained = sentAt
    }
    for lease in report.claimed {
      // Only somebody's own SQL lowers an epoch. A statement sent under the epoch we held could pass as one of the new.
      if let held = shards[lease.shard], held.epoch >= lease.epoch {
        lose(lease.shard, .lowered)
        continue
      }
      dropEvents(of: lease.shard)
      shards[lease.shard] = OwnedShard(epoch: lease.epoch, obtained: sentAt, term: rules.leaseTerm)
      reading.want(at: now)
    }
    // On another server the request renewed nothing and claimed nothing for the shards it was keeping.
    let pause = min(rules.leaseTick, max(report.nextExpiry ?? rules.leaseTick, .milliseconds(5)))
    leases = .idle(until: isSameServer ? now + pause : now)
    chooseLeaving()
  }

  /// Marks the shards above the fair share as leaving, highest shards first. A shard that may not be given away yet is
  /// published here until then.
  private mutating func chooseLeaving() {
    let share = (shardCount + liveRelays - 1) / liveRelays
    for (rank, shard) in shards.keys.sorted().enumerated() {
      guard let state = shards[shard] else { continue }
      let isLeaving = rank >= share && (state.isLeaving || isQuiet(shard))
      guard state.isLeaving != isLeaving else { continue }
      shards[shard]?.isLeaving = isLeaving
      // The next owner publishes these events, or they are read again if the shard stays after all.
      if isLeaving { window.dropUnpublished(shard: shard) }
      shards[shard]?.lowerFloor(to: 0)
    }
  }

  /// What another server says is about other ids, epochs and transactions: there, all shards are lost and claimed anew.
  /// - Returns: whether it is the server that we know, or the first.
  mutating func adopt(_ reported: ServerHistory) -> Bool {
    if history == reported { return true }
    let isFirst = history == nil
    history = reported
    if isFirst { return true }
    note = nil
    for shard in shards.keys { lose(shard, .otherServer) }
    return false
  }

  /// Forgets a shard that is no longer ours; what the producer has queued is to be purged.
  /// - Parameter loss: why; nil when the database has only said that the lease does not hold under its epoch.
  mutating func lose(_ shard: Int16, _ loss: LeaseLoss?) {
    if let loss { losses.add(loss) } else { losses.addFenced(shard) }
    shards[shard] = nil
    dropEvents(of: shard)
    isPurgeDue = true
  }

  private mutating func dropEvents(of shard: Int16) {
    if let handover = window.drop(shard: shard) { keepUntilQuiet(shard, since: handover) }
  }

  /// Loses the shards whose lease has ended, and those with an event that the producer has lost: it did not answer
  /// within the delivery timeout.
  mutating func loseOverdue(_ now: Instant) {
    for (shard, state) in shards where now >= state.deadline { lose(shard, .expired) }
    for shard in window.shardsInFlight(since: now - rules.deliveryTimeout - rules.answerGrace) {
      lose(shard, .unanswered)
    }
  }

  /// A message that was handed over then is abandoned and may still arrive. Until that is over, the shard is not given
  /// to another relay. The margin covers the time between deciding and handing over, and a producer that is late to
  /// give up.
  mutating func keepUntilQuiet(_ shard: Int16, since handover: Instant) {
    let end = handover + rules.deliveryTimeout + rules.leaseMargin
    unquiet[shard] = max(unquiet[shard] ?? end, end)
  }

  mutating func endQuiet(_ now: Instant) { unquiet = unquiet.filter { now < $0.value } }

  private func isQuiet(_ shard: Int16) -> Bool { unquiet[shard] == nil }

  /// Sends the lease request when it is due; it names the shards that can be released.
  mutating func maintainLeases(_ now: Instant, _ actions: inout [Action]) {
    guard phase != .releasing, now >= leases.due else { return }
    let isRunning = phase == .running
    var request = LeaseRequest(renew: [], release: [], keeping: [], mayClaim: isRunning, history: history)
    for (shard, state) in shards.sorted(by: { $0.key < $1.key }) {
      let lease = ShardEpoch(shard: shard, epoch: state.epoch)
      let isBusy = window.isBusy(shard) || reading.reads(shard)
      if isRunning, state.isLeaving, !isBusy, isQuiet(shard) {
        request.release.append(lease)
        shards[shard] = nil
        dropEvents(of: shard)
        continue
      }
      request.keeping.append(lease)
      if now - state.obtained >= rules.renewAfter { request.renew.append(lease) }
    }
    leases = .open(isRenewing: !request.renew.isEmpty)
    actions.append(.maintainLeases(request))
  }

  /// Gives all leases back once nothing of a stopping relay is open, in flight, or on its way.
  mutating func releaseAll(_ actions: inout [Action]) {
    guard phase == .stopping, case .idle = leases, !reading.isOpen, !completing.isOpen, !window.isBusy,
      shards.keys.allSatisfy(isQuiet)
    else { return }
    phase = .releasing
    let held = shards.map { ShardEpoch(shard: $0.key, epoch: $0.value.epoch) }
    actions.append(.releaseAll(held.sorted { $0.shard < $1.shard }))
  }
}
