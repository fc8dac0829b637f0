internal import Values

/// Which events are published, and what follows from the producer's answers.
extension RelayCore {
  mutating func publicationsAnswered(_ outcomes: [PublishOutcome], _ now: Instant) {
    for outcome in outcomes { publicationAnswered(outcome, now) }
    // An event that failed in a leaving shard is the next owner's to try again; otherwise it would never be empty.
    for (shard, state) in shards where state.isLeaving { window.dropUnpublished(shard: shard) }
  }

  private mutating func publicationAnswered(_ outcome: PublishOutcome, _ now: Instant) {
    // A late report: the event left memory with its shard, and its result is the next owner's concern.
    guard let answered = window.inFlight(outcome.token) else { return }
    if outcome.result != .acknowledged, outcome.mayBePersisted {
      keepUntilQuiet(answered.shard, since: answered.handover)
    }
    switch outcome.result {
    case .acknowledged:
      acknowledgedWritings.append(window.createdAt(answered))
      window.acknowledge(answered, at: outcome.place)
    case .transient: window.retry(answered, at: now + rules.retryDelay)
    // A broker refuses whole batches: only the refusal of an event that was alone is certain.
    case .permanent(let refusal, let isCertain):
      if isCertain || answered.wasAlone { window.refuse(answered, refusal) } else { window.suspect(answered) }
    }
  }

  /// Publishes what is ready, in shards whose lease outlasts the delivery timeout.
  mutating func publish(_ now: Instant, _ actions: inout [Action]) {
    guard phase == .running else { return }
    let requests = window.startPublishing(at: now) { [shards, rules] shard in
      guard let state = shards[shard] else { return false }
      return state.deadline - now > rules.deliveryTimeout
    }
    if !requests.isEmpty { actions.append(.publish(requests)) }
  }
}
