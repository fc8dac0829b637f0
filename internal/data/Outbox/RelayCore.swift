package import Values

/// The decisions of a relay: events in, actions out. It owns no clock, socket or thread.
///
/// What can go wrong is sorted in three:
/// - Our own mistakes are preconditions.
/// - Failures of the database and the broker come as events and lead to another try.
/// - Late answers are about shards or events that the relay has lost meanwhile, and are ignored where they arrive: a
///   lease in `leasesAnswered` and the rows of a read in `readAnswered`, because the epoch no longer fits; a
///   publication in `publicationAnswered` and a completion in the window's `finish`, `requeue`, `split` and `setAside`,
///   because the token is stale.
package struct RelayCore {
  /// What happens to a relay.
  package enum Event: Sendable {
    /// Time has passed.
    case tick
    /// Something may have begun to wait.
    case wake
    /// The lease request sent at `sentAt` was answered.
    case leases(LeaseReport, sentAt: Instant)
    case leasesFailed
    case read(ReadReport)
    case readFailed
    case published([PublishOutcome])
    case completed(CompletionRequest, CompletionReport)
    /// The events may have moved, or not.
    case completionFailed(CompletionRequest)
    /// No event has moved: the database refuses the values of at least one row.
    case completionRefused(CompletionRequest, reason: String)
    /// Begin no new work, finish what is in flight, give the leases back.
    case stop
    case released
  }

  /// What is to be done now.
  package enum Action: Sendable {
    case maintainLeases(LeaseRequest)
    case read(ReadRequest)
    case publish([PublishRequest])
    case complete(CompletionRequest)
    /// Drop what the producer has queued and not sent.
    case purge
    /// Tell the operators of an event that the database refuses to move out of WAIT.
    case reportSetAside(CompletionRequest.Item, reason: String)
    /// Tell the operators that leases were lost while they were held.
    case reportLoss(LeaseLoss, shards: Int)
    /// Say that an operator made us read shards anew, whose leases were ours all the time.
    case reportRecall(shards: Int)
    case releaseAll([ShardEpoch])
    case finished
  }

  enum Phase {
    case running
    /// Nothing new is published; what is in flight is answered and completed.
    case stopping
    /// Everything is answered; the leases are being given back.
    case releasing
    case finished
  }

  /// The limits and times it works by.
  package let rules: RelayRules
  var phase = Phase.running
  /// The events in memory, all of owned shards.
  package internal(set) var window: RelayWindow
  /// The shards whose leases are held, by number.
  package internal(set) var shards: [Int16: OwnedShard] = [:]
  /// Until when an abandoned message of a shard may still arrive; kept while the shard is lost and claimed again.
  var unquiet: [Int16: Instant] = [:]
  /// The server that `shards`, `note` and `window` are about; nil before the first lease.
  package internal(set) var history: ServerHistory?
  var note: FloorNote?
  var shardCount = 0
  var liveRelays = 1

  var leases: LeaseStatement
  var reading: ReadStatement
  var completing: CompletionStatement
  /// No wake makes it read before that moment: the last read brought many events, so the next had better bring many.
  var pacedUntil: Instant
  /// The maximum number of events per completion: less when completions are slow, because they lock the leases' rows.
  var completionLimit: Int
  var nextSweep: Instant
  var nextLookBack: Instant
  /// Whose fault the lost leases are.
  var losses = LeaseLosses()
  /// A shard was lost since the last purge.
  var isPurgeDue = false
  /// Events whose predecessors were found below the floor, where only a wrong floor can have left them.
  package internal(set) var passedOver = 0
  /// When the events were written that the broker has acknowledged since `takeAcknowledgedWritings`.
  var acknowledgedWritings: [Timestamp] = []

  /// A relay that owns nothing; the first `tick` makes it ask for leases.
  package init(rules: RelayRules, now: Instant) {
    self.rules = rules
    window = RelayWindow(capacity: rules.window, onDead: rules.onDead)
    leases = .idle(until: now)
    reading = .idle(until: now)
    completing = .idle(until: now)
    pacedUntil = now
    completionLimit = rules.completionLimit
    nextSweep = now + rules.sweepInterval
    nextLookBack = now + rules.lookBackInterval
  }

  /// Whether everything in flight was answered and the leases were given back.
  package var isFinished: Bool { phase == .finished }

  /// Whether it holds every shard, so that no other relay needs to be woken for new events.
  var ownsAllShards: Bool { shardCount > 0 && shards.count == shardCount }

  /// Handles one event and returns what is to be done, in order.
  package mutating func handle(_ event: Event, at now: Instant) -> [Action] {
    var actions: [Action] = []
    switch event {
    case .tick: break
    case .wake: reading.want(at: max(now, pacedUntil))
    case .leases(let report, let sentAt): leasesAnswered(report, sentAt: sentAt, now)
    case .leasesFailed: leases = .idle(until: now + rules.leaseTick)
    case .read(let report): readAnswered(report, now)
    case .readFailed: readFailed(now)
    case .published(let outcomes): publicationsAnswered(outcomes, now)
    case .completed(let request, let report): completed(request, report, now)
    case .completionFailed(let request): completionFailed(request, now)
    case .completionRefused(let request, let reason): completionRefused(request, reason, now, &actions)
    case .stop: if phase == .running { phase = .stopping }
    case .released:
      shards = [:]
      phase = .finished
      actions.append(.finished)
    }
    if !isFinished { act(now, &actions) }
    return actions
  }

  /// When the events were written, by the database's clock, that the broker has acknowledged since the last call.
  package mutating func takeAcknowledgedWritings(_ body: (Timestamp) -> Void) {
    for writing in acknowledgedWritings { body(writing) }
    acknowledgedWritings.removeAll(keepingCapacity: true)
  }

  /// When `tick` is due, at the latest.
  package func nextDeadline(now: Instant) -> Instant {
    var next = window.nextRetry
    if phase != .releasing { next = min(next, leases.due) }
    if canRead { next = min(next, reading.due) }
    if let due = nextCompletion(now) { next = min(next, due) }
    for shard in shards.values { next = min(next, shard.deadline) }
    for end in unquiet.values { next = min(next, end) }
    return next
  }

  /// Whatever is due now.
  private mutating func act(_ now: Instant, _ actions: inout [Action]) {
    endQuiet(now)
    loseOverdue(now)
    unpark(now)
    park(now)
    window.releaseRetries(until: now)
    if isPurgeDue {
      isPurgeDue = false
      actions.append(.purge)
    }
    losses.report(into: &actions)
    if phase != .running { window.dropUnpublished() }
    publish(now, &actions)
    complete(now, &actions)
    read(now, &actions)
    maintainLeases(now, &actions)
    releaseAll(&actions)
  }
}
