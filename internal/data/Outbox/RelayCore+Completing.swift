internal import Values

/// Which events are moved out of WAIT, and what follows from the database's answers.
extension RelayCore {
  mutating func completed(_ request: CompletionRequest, _ report: CompletionReport, _ now: Instant) {
    if case .open(let since) = completing {
      adjustCompletionLimit(now, since)
      completing = .paced(until: max(now, since + rules.completionInterval))
    }
    for lease in request.leases where shards[lease.shard]?.epoch == lease.epoch && report.moved[lease.shard] == nil {
      lose(lease.shard, nil)
    }
    window.finish(request, isReadOpen: reading.isOpen)
  }

  /// A renewal waits for the open completion, so completions must be short compared with the lease.
  private mutating func adjustCompletionLimit(_ now: Instant, _ since: Instant) {
    let isSlow = now - since > rules.reserve / 20
    completionLimit =
      isSlow
      ? max(completionLimit / 2, min(64, rules.completionLimit)) : min(completionLimit * 2, rules.completionLimit)
  }

  /// Nothing moved, or the answer was lost: the same events are asked for again, and rows already gone count as moved.
  mutating func completionFailed(_ request: CompletionRequest, _ now: Instant) {
    completing = .idle(until: now + rules.retryDelay)
    window.requeue(request)
  }

  /// The values of one row fail the statement, and with it all other events. The events are asked for in ever smaller
  /// parts until that row is alone, and then its event is set aside.
  ///
  /// It is not moved to DEAD instead: either the broker has it, or DEAD is what the database refuses. It stays in
  /// memory, where it is not published again, until it can be completed or the shard is given away.
  mutating func completionRefused(
    _ request: CompletionRequest, _ reason: String, _ now: Instant, _ actions: inout [Action]
  ) {
    completing = .idle(until: now)
    guard request.items.count == 1, let item = request.items.first else { return window.split(request) }
    if window.setAside(item, until: now + rules.asideDelay) {
      actions.append(.reportSetAside(item, reason: reason))
    }
  }

  /// Whether so many events are to be moved that the pace does not hold.
  private var hasManyToComplete: Bool {
    window.acknowledgedCount * 4 >= min(completionLimit, rules.window)
  }

  /// When the next completion is due, as far as that is a matter of time.
  func nextCompletion(_ now: Instant) -> Instant? {
    switch completing {
    case .idle(let until) where until > now: until
    case .paced(let until) where until > now: window.isCompletable ? until : max(until, window.nextAside)
    case .idle, .paced: leases.isRenewing ? nil : window.nextAside
    case .open: nil
    }
  }

  mutating func complete(_ now: Instant, _ actions: inout [Action]) {
    switch completing {
    case .open: return
    case .idle(let until): guard now >= until else { return }
    case .paced(let until): guard now >= until || hasManyToComplete else { return }
    }
    guard !leases.isRenewing, let history else { return }
    let request = window.startCompletion(at: now, limit: completionLimit, history: history) { [shards] shard in
      shards[shard].map { ShardEpoch(shard: shard, epoch: $0.epoch) }
    }
    guard let request else { return }
    completing = .open(since: now)
    actions.append(.complete(request))
  }
}
