package import Values

/// The decisions of a relay: events in, actions out. It owns no clock, socket or thread.
///
/// What can go wrong is sorted in three. Our own mistakes are preconditions. Failures of the database or the broker
/// come as events and lead to another try. What may legitimately come late — a delivery report for a shard lost
/// meanwhile — carries a token that no longer fits, and is ignored.
package struct RelayCore {
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
    case completionFailed(CompletionRequest)
    /// Begin no new work, finish what is under way, give the leases back.
    case stop
    case released
  }

  package enum Action: Sendable {
    case maintainLeases(LeaseRequest)
    case read(ReadRequest)
    case publish([PublishRequest])
    case complete(CompletionRequest)
    /// Throw away what the producer has queued and not sent.
    case purge
    case releaseAll([ShardEpoch])
    case finished
  }

  package let rules: RelayRules
  /// What is held in memory of the shards that are owned.
  package private(set) var window: RelayWindow
  package private(set) var shards: [Int16: Shard] = [:]
  /// Until when something of a shard that was given up early may still arrive; kept through losing and taking it anew.
  private var unquiet: [Int16: Instant] = [:]
  /// Where the leases were taken, and what `note`, the floors and the events in memory are true of; nil before that.
  package private(set) var history: ServerHistory?
  private var note: Note?
  private var shardCount = 0
  private var liveRelays = 1

  private var isLeaseRequestOpen = false
  private var isReadOpen = false
  private var isCompletionOpen = false
  /// Leases are being prolonged: their rows must not be locked by one completion after another.
  private var isRenewing = false
  private var completionBegan: Instant
  /// Events completed by one statement: fewer when it takes long, since it holds the leases' rows.
  private var completionLimit: Int
  private var isReadWanted = true
  private var isPurgeDue = false
  private var isStopping = false
  private var isReleasing = false
  package private(set) var isFinished = false
  private var nextLeaseTick: Instant
  private var nextCompletion: Instant
  private var nextPoll: Instant
  /// No read before this, after one has failed.
  private var readAllowed: Instant
  private var nextSweep: Instant
  private var nextLookBack: Instant
  private var openRead: ReadRequest?
  /// Events whose predecessors were found below the floor, where only a wrong floor can have left them.
  package private(set) var passedOver = 0

  /// A shard this relay owns.
  package struct Shard {
    package var epoch: Int64
    /// When the lease ends here, counted from before it was asked for; earlier than in the database.
    var deadline: Instant
    /// When it was asked for.
    var obtained: Instant
    /// Every id up to here is done, held back by a dead one, or in memory.
    package var floor: Int64 = 0
    /// Where the floor was when it was looked back last.
    var floorBefore: Int64 = 0
    /// Rows above the floor that the last read brought and that are held back; the next must look past them.
    var heldBack = 0
    /// It is to be given to another relay as soon as nothing of it is with the producer.
    var isLeaving = false
    /// Keys of it that could not be published have left memory, from this id on, until then.
    var parked: (from: Int64, until: Instant)?
    /// How long its keys are parked next time.
    var parkDelay = Duration.zero
    /// When they come back, or came back last.
    var parkEnd = Instant(nanoseconds: 0)
  }

  /// How far a read got in one shard.
  private struct ReadProgress {
    /// How many more rows it could have returned.
    var rest: Int
    /// The highest id taken in, all lower ones included.
    var last: Int64 = 0
    /// Whether there may be more rows than were taken in.
    var isCut = false
    /// Whether a read right after this one would bring something else.
    var isWorthMore = false
    /// Rows whose keys are held back.
    var heldBack = 0
    /// The floor may not pass this: what is above it is needed by rows that could not be taken in.
    var bound = Int64.max

    init(rest: Int) { self.rest = rest }

    mutating func take(_ id: Int64, after predecessor: Int64?, _ insertion: RelayWindow.Insertion) {
      switch insertion {
      case .taken: isWorthMore = true
      case .known: break
      case .heldBack: heldBack += 1
      case .early:
        heldBack += 1
        bound = min(bound, min(id, predecessor ?? id) - 1)
      case .full:
        isWorthMore = true
        isCut = true
        return
      }
      last = id
      rest -= 1
      if rest == 0 { isCut = true }
    }
  }

  /// An id sequence value whose transactions will all have ended once `xmax` has been passed.
  private struct Note {
    var lastID: Int64
    var xmax: Int64
  }

  package init(rules: RelayRules, now: Instant) {
    self.rules = rules
    window = RelayWindow(capacity: rules.window, onDead: rules.onDead)
    nextLeaseTick = now
    nextCompletion = now
    completionBegan = now
    completionLimit = rules.completionLimit
    nextPoll = now
    readAllowed = now
    nextSweep = now + rules.sweepInterval
    nextLookBack = now + rules.lookBackInterval
  }

  /// Takes one event and says what to do about it.
  package mutating func handle(_ event: Event, at now: Instant) -> [Action] {
    var actions: [Action] = []
    switch event {
    case .tick: break
    case .wake: isReadWanted = true
    case .leases(let report, let sentAt): take(report, sentAt: sentAt, now: now)
    case .leasesFailed:
      isLeaseRequestOpen = false
      isRenewing = false
      nextLeaseTick = now + rules.leaseTick
    case .read(let report): take(report, now: now)
    case .readFailed:
      isReadOpen = false
      openRead = nil
      window.readReturned()
      readAllowed = now + rules.retryDelay
      nextPoll = readAllowed
    case .published(let outcomes):
      for outcome in outcomes { take(outcome, now: now) }
      // What failed of a shard that is leaving is the next owner's to try again, or the shard would never be empty.
      for (shard, state) in shards where state.isLeaving { window.dropUnpublished(shard: shard) }
    case .completed(let request, let report): take(request, report, now: now)
    case .completionFailed(let request):
      // Nothing moved, or it is unknown: the same rows are asked for again, and rows already gone count as moved.
      isCompletionOpen = false
      nextCompletion = now + rules.retryDelay
      window.requeueCompletion(request)
    case .stop: isStopping = true
    case .released:
      shards = [:]
      isFinished = true
      actions.append(.finished)
    }
    if !isFinished { pump(now, &actions) }
    return actions
  }

  /// When `tick` is due, at the latest.
  package func nextDeadline(now: Instant) -> Instant {
    var next = isLeaseRequestOpen || isReleasing ? Instant.distantFuture : nextLeaseTick
    if canRead { next = min(next, max(isReadWanted ? now : nextPoll, readAllowed)) }
    if let retry = window.nextRetry { next = min(next, retry) }
    if !isCompletionOpen, nextCompletion > now { next = min(next, nextCompletion) }
    for shard in shards.values { next = min(next, shard.deadline) }
    for end in unquiet.values { next = min(next, end) }
    return next
  }

  /// Whether it holds every shard, so that no other relay needs to be told of new events.
  var ownsAllShards: Bool { shardCount > 0 && shards.count == shardCount }

  // MARK: - Taking what happened

  private mutating func take(_ report: LeaseReport, sentAt: Instant, now: Instant) {
    isLeaseRequestOpen = false
    isRenewing = false
    let change = adopt(report.history)
    shardCount = report.shardCount
    liveRelays = max(report.liveRelays, 1)
    let deadline = sentAt + rules.reserve - rules.leaseMargin
    for lease in report.renewed {
      // A shard dropped while the request was under way is not taken up again under the old epoch.
      guard shards[lease.shard]?.epoch == lease.epoch else { continue }
      shards[lease.shard]?.deadline = deadline
      shards[lease.shard]?.obtained = sentAt
    }
    for lease in report.claimed {
      // Only a hand in the table lowers an epoch: what was asked under the one we held could pass for this one's.
      if let held = shards[lease.shard], held.epoch >= lease.epoch {
        lose(lease.shard)
        continue
      }
      forget(lease.shard)
      shards[lease.shard] = Shard(epoch: lease.epoch, deadline: deadline, obtained: sentAt)
      isReadWanted = true
    }
    // In another history what the request meant to keep is ours no more, and was not claimed by it.
    let pause = min(rules.leaseTick, max(report.nextExpiry ?? rules.leaseTick, .milliseconds(5)))
    nextLeaseTick = change == .same ? now + pause : now
    chooseLeaving()
  }

  /// Marks what is above the fair share to leave, highest shards first. What may not be given away yet is published
  /// here until then.
  private mutating func chooseLeaving() {
    let share = (shardCount + liveRelays - 1) / liveRelays
    for (rank, shard) in shards.keys.sorted().enumerated() {
      guard let state = shards[shard] else { continue }
      let isLeaving = rank >= share && (state.isLeaving || isQuiet(shard))
      guard state.isLeaving != isLeaving else { continue }
      shards[shard]?.isLeaving = isLeaving
      // What is not with the producer is the next owner's, or is read anew if the shard stays after all.
      if isLeaving { window.dropUnpublished(shard: shard) }
      putBackFloor(of: shard, to: 0)
    }
  }

  private mutating func take(_ report: ReadReport, now: Instant) {
    isReadOpen = false
    nextPoll = now + rules.pollInterval
    guard let request = openRead else { preconditionFailure("an answer to a read that was not asked for") }
    openRead = nil
    guard adopt(report.history) == .same else {
      nextLeaseTick = now
      return window.readReturned()
    }
    if let note, report.lastID < note.lastID {
      // Somebody has set the sequence back: ids that floors have passed will be drawn again.
      self.note = nil
      for shard in shards.keys { putBackFloor(of: shard, to: 0) }
    }
    // Everything up to the noted id is visible to this read when all who might have drawn one have ended.
    var settledID: Int64 = 0
    let isNoteSettled = note.map { report.snapshot.xmin >= $0.xmax } ?? true
    if isNoteSettled {
      settledID = note?.lastID ?? 0
      note = Note(lastID: report.lastID, xmax: report.snapshot.xmax)
    }

    var taken: [Int16: ReadProgress] = [:]
    for asked in request.shards where shards[asked.shard]?.epoch == asked.epoch {
      guard report.held.contains(asked.shard) else {
        lose(asked.shard)
        continue
      }
      // The floor was put back while the read was under way, by keys that may go again. This read started above it and
      // may bring events whose predecessors are no longer in memory: none of them is taken in.
      guard let state = shards[asked.shard], !state.isLeaving, state.floor >= asked.floor else {
        isReadWanted = true
        continue
      }
      taken[asked.shard] = ReadProgress(rest: asked.limit)
    }
    for event in report.events {
      guard var progress = taken[event.shard], !progress.isCut else { continue }
      let predecessor = report.predecessors[event.id]
      progress.take(event.id, after: predecessor, window.insert(event, after: predecessor))
      taken[event.shard] = progress
    }
    window.readReturned()
    for asked in request.shards {
      guard let progress = taken[asked.shard], let state = shards[asked.shard] else { continue }
      if progress.bound < asked.floor {
        // The floor was wrong. It costs the key this round trip, and not its order.
        passedOver += 1
        putBackFloor(of: asked.shard, to: progress.bound)
        isReadWanted = true
        continue
      }
      let seen = min(progress.isCut ? min(settledID, progress.last) : settledID, progress.bound)
      // The same rows from the same floor would bring nothing new, and so without end.
      let isWorthMore = progress.isWorthMore || seen > state.floor || progress.heldBack > state.heldBack
      if progress.isCut, isWorthMore { isReadWanted = true }
      shards[asked.shard]?.floor = max(state.floor, seen)
      shards[asked.shard]?.heldBack = progress.heldBack
    }
  }

  private mutating func take(_ outcome: PublishOutcome, now: Instant) {
    if outcome.result != .acknowledged, outcome.mayBePersisted, let (shard, at) = window.handover(of: outcome.token) {
      keepUntilQuiet(shard, since: at)
    }
    switch outcome.result {
    case .acknowledged: window.acknowledge(outcome.token)
    case .transient: window.retry(outcome.token, at: now + rules.retryDelay)
    case .permanent(let refusal, let isCertain): window.bury(outcome.token, refusal: refusal, isCertain: isCertain)
    }
  }

  private mutating func take(_ request: CompletionRequest, _ report: CompletionReport, now: Instant) {
    isCompletionOpen = false
    // A renewal waits for the completion under way, so that must be short beside the lease.
    let isSlow = now - completionBegan > rules.reserve / 20
    completionLimit =
      isSlow
      ? max(completionLimit / 2, min(64, rules.completionLimit)) : min(completionLimit * 2, rules.completionLimit)
    for lease in request.leases where shards[lease.shard]?.epoch == lease.epoch && report.moved[lease.shard] == nil {
      lose(lease.shard)
    }
    window.finish(request, isReadOpen: isReadOpen)
  }

  private enum HistoryChange { case same, other }

  /// What was said in another history than what we remember is of another world: there all that we hold is lost, and
  /// is to be taken anew.
  private mutating func adopt(_ reported: ServerHistory) -> HistoryChange {
    if history == reported { return .same }
    let isFirst = history == nil
    history = reported
    if isFirst { return .same }
    note = nil
    for shard in shards.keys { lose(shard) }
    return .other
  }

  /// What a read under way brings from above is not taken in: see `take`.
  private mutating func putBackFloor(of shard: Int16, to floor: Int64) {
    guard let state = shards[shard] else { return }
    shards[shard]?.floor = min(state.floor, floor)
    shards[shard]?.floorBefore = min(state.floorBefore, floor)
  }

  /// A shard that is no longer ours: forgotten here, and whatever the producer has queued is thrown away.
  private mutating func lose(_ shard: Int16) {
    shards[shard] = nil
    forget(shard)
    isPurgeDue = true
  }

  private mutating func forget(_ shard: Int16) {
    if let at = window.drop(shard: shard) { keepUntilQuiet(shard, since: at) }
  }

  /// A message that was handed over then is no longer waited for and may still arrive: until that is over, nobody else
  /// may get the shard from us. The margin is for the time between deciding and handing over, and for a producer that
  /// is late to give up.
  private mutating func keepUntilQuiet(_ shard: Int16, since handover: Instant) {
    let end = handover + rules.deliveryTimeout + rules.leaseMargin
    unquiet[shard] = max(unquiet[shard] ?? end, end)
  }

  private func isQuiet(_ shard: Int16) -> Bool { unquiet[shard] == nil }

  // MARK: - Deciding what to do next

  private mutating func pump(_ now: Instant, _ actions: inout [Action]) {
    unquiet = unquiet.filter { now < $0.value }
    for (shard, state) in shards where now >= state.deadline { lose(shard) }
    for shard in window.shardsUnanswered(since: now - rules.deliveryTimeout - rules.answerGrace) { lose(shard) }
    park(now)
    window.releaseRetries(until: now)
    if isPurgeDue {
      isPurgeDue = false
      actions.append(.purge)
    }
    if isStopping { window.dropUnpublished() }
    publish(now, &actions)
    complete(now, &actions)
    read(now, &actions)
    maintainLeases(now, &actions)
    if isStopping, !isReleasing, !isReadOpen, !isLeaseRequestOpen, !isCompletionOpen, window.isEmpty,
      shards.keys.allSatisfy(isQuiet)
    {
      isReleasing = true
      actions.append(.releaseAll(heldLeases))
    }
  }

  /// Makes room when keys that cannot be published fill the window while others could go: as when one partition or
  /// one topic is away. Whether others could go is not known before they have been tried.
  private mutating func park(_ now: Instant) {
    for (shard, state) in shards {
      guard let parked = state.parked, parked.until <= now else { continue }
      window.unpark { $0 == shard }
      shards[shard]?.parked = nil
      putBackFloor(of: shard, to: parked.from - 1)
      isReadWanted = true
    }
    guard window.hasRetries, !hasRoom else { return }
    for (shard, lowest) in window.parkRetrying(limit: rules.parkLimit) {
      guard var state = shards[shard] else { continue }
      if let parked = state.parked {
        state.parked?.from = min(lowest, parked.from)
      } else {
        // Longer each time, so that all who cannot go are out of the way at once, however many windows they fill.
        let isNewTrouble = now - state.parkEnd > state.parkDelay + rules.deliveryTimeout * 2
        state.parkDelay =
          isNewTrouble ? .seconds(1) : min(max(state.parkDelay * 2, .seconds(1)), rules.deliveryTimeout * 8)
        state.parkEnd = now + state.parkDelay
        state.parked = (lowest, state.parkEnd)
      }
      shards[shard] = state
    }
  }

  private var heldLeases: [ShardEpoch] {
    shards.map { ShardEpoch(shard: $0.key, epoch: $0.value.epoch) }.sorted { $0.shard < $1.shard }
  }

  private mutating func publish(_ now: Instant, _ actions: inout [Action]) {
    guard !isStopping else { return }
    let requests = window.takePublishable(at: now) { [shards, rules] shard in
      guard let state = shards[shard] else { return false }
      return state.deadline - now > rules.deliveryTimeout
    }
    if !requests.isEmpty { actions.append(.publish(requests)) }
  }

  private mutating func complete(_ now: Instant, _ actions: inout [Action]) {
    guard !isCompletionOpen, !isRenewing, now >= nextCompletion, let history else { return }
    guard
      let request = window.takeCompletion(
        limit: completionLimit, history: history,
        lease: { [shards] shard in
          shards[shard].map { ShardEpoch(shard: shard, epoch: $0.epoch) }
        })
    else { return }
    isCompletionOpen = true
    completionBegan = now
    actions.append(.complete(request))
  }

  /// Whether there is room for a read that is worth its round trip.
  private var hasRoom: Bool { window.room * 4 >= min(rules.readLimit, rules.window) }

  private var canRead: Bool {
    !isReadOpen && !isStopping && hasRoom && shards.contains { !$0.value.isLeaving }
  }

  private mutating func read(_ now: Instant, _ actions: inout [Action]) {
    guard canRead, now >= readAllowed, isReadWanted || now >= nextPoll, let history else { return }
    lookBack(now)
    let readable = shards.filter { !$0.value.isLeaving }
    let room = min(window.room, rules.readLimit)
    let share = max(1, room / readable.count)
    let extra = rules.readLimit * 4 / readable.count
    let request = ReadRequest(
      shards: readable.sorted { $0.key < $1.key }.map { shard, state in
        ReadRequest.Shard(
          shard: shard, epoch: state.epoch, floor: state.floor,
          limit: share + window.count(of: shard, above: state.floor) + min(state.heldBack * 2, extra))
      }, history: history)
    isReadOpen = true
    isReadWanted = false
    openRead = request
    actions.append(.read(request))
  }

  /// Nothing should lie below the floors. Should one be wrong all the same, what it has just passed is found soon, and
  /// anything else by the sweep, which costs more: under a held snapshot dead rows pile up from the bottom.
  private mutating func lookBack(_ now: Instant) {
    if now >= nextSweep {
      nextSweep = now + rules.sweepInterval
      for shard in shards.keys { putBackFloor(of: shard, to: 0) }
    }
    guard now >= nextLookBack else { return }
    nextLookBack = now + rules.lookBackInterval
    for (shard, state) in shards {
      shards[shard]?.floor = state.floorBefore
      shards[shard]?.floorBefore = state.floor
    }
  }

  private mutating func maintainLeases(_ now: Instant, _ actions: inout [Action]) {
    guard !isLeaseRequestOpen, !isReleasing, now >= nextLeaseTick else { return }
    var request = LeaseRequest(renew: [], release: [], keeping: [], mayClaim: !isStopping, history: history)
    for (shard, state) in shards.sorted(by: { $0.key < $1.key }) {
      let lease = ShardEpoch(shard: shard, epoch: state.epoch)
      if state.isLeaving, window.count(of: shard) == 0, !isStopping, !isRead(shard), isQuiet(shard) {
        request.release.append(lease)
        shards[shard] = nil
        continue
      }
      request.keeping.append(lease)
      if now - state.obtained >= rules.renewAfter { request.renew.append(lease) }
    }
    isLeaseRequestOpen = true
    isRenewing = !request.renew.isEmpty
    actions.append(.maintainLeases(request))
  }

  private func isRead(_ shard: Int16) -> Bool {
    openRead?.shards.contains { $0.shard == shard } ?? false
  }
}
