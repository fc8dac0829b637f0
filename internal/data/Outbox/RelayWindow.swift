internal import Values

/// The events that a relay holds in memory, each at its stage between the read and the completion.
///
/// At most one event per key and topic is in flight; later ones wait. A later event can thus never overtake an earlier
/// one, whatever becomes of the earlier one's publication. Below, a key is one of one topic.
///
/// The window decides nothing about leases, time limits or refusals: `RelayCore` does.
package struct RelayWindow {
  private let capacity: Int
  private let onDead: DeadPolicy
  private var slots = EventSlots()
  private var keys: [KeyOnTopic: KeyQueue] = [:]
  private var ids: [Int16: Set<Int64>] = [:]

  private var ready: [UInt64] = []
  /// Tokens by the moment when they become ready again, earliest first (all wait equally long).
  private var retries: [(at: Instant, token: UInt64)] = []
  /// Events to be published alone: see `suspect`.
  private var suspects: [UInt64] = []
  /// The suspect in flight. Nothing else is in flight then.
  private var alone: UInt64?
  private var inFlightCount = 0
  /// Tokens by the moment of their handover, earliest first; some have been answered since.
  private var handovers: [(at: Instant, token: UInt64)] = []

  private var acknowledged: [UInt64] = []
  private var refused: [UInt64] = []
  /// Parts of completions that the database refused, each to be asked for by itself, the last one first.
  private var parts: [[UInt64]] = []
  /// Events set aside, by the moment of their next try, earliest first (all wait equally long).
  private var aside: [(at: Instant, token: UInt64)] = []

  /// Keys with a refused event, whose later events are not inserted until reads see the dead event themselves.
  private var deadKeys: Set<KeyOnTopic> = []
  /// Keys that cannot be published at present, with their shards.
  private var parked: [KeyOnTopic: Int16] = [:]
  /// What left WAIT while a read was open, which may have seen it waiting.
  private var leftDuringRead = Departures()

  private struct Departures {
    var ids: [(shard: Int16, id: Int64)] = []
    var deadKeys: [KeyOnTopic] = []
  }

  init(capacity: Int, onDead: DeadPolicy = .hold) {
    self.capacity = capacity
    self.onDead = onDead
  }

  /// How many more events fit.
  var room: Int { max(0, capacity - slots.count) }
  var isEmpty: Bool { slots.count == 0 }
  /// Whether an event is in memory that is not set aside.
  var isBusy: Bool { slots.count > aside.count }
  /// How many events are in memory.
  package var eventCount: Int { slots.count }
  /// How many keys are parked.
  package var parkedCount: Int { parked.count }
  /// Whether an event of a shard is in memory that is not set aside.
  func isBusy(_ shard: Int16) -> Bool {
    let asideCount = aside.count { slots.index(of: $0.token).map { slots[$0].event.shard } == shard }
    return (ids[shard]?.count ?? 0) > asideCount
  }
  /// How many events of a shard are in memory above `floor`: a read from there returns them once more.
  func count(of shard: Int16, above floor: Int64) -> Int { ids[shard]?.count { $0 > floor } ?? 0 }
  /// Whether any event waits for its next publication.
  var hasRetries: Bool { !retries.isEmpty }
  /// When the next event is to be published again; in the distant future without one.
  var nextRetry: Instant { retries.first?.at ?? .distantFuture }
  /// When the completion of the next event set aside is due; in the distant future without one.
  var nextAside: Instant { aside.first?.at ?? .distantFuture }

  // MARK: - In and out

  /// The result of `insert`.
  enum Insertion {
    /// It is in memory from now on.
    case inserted
    /// It was in memory already.
    case known
    /// Its key is parked or has a dead event.
    case heldBack
    /// An earlier event of its key waits and is not in memory.
    case early
    /// There is no room for it.
    case full
  }

  /// Inserts an event, unless it is in memory already, its key is held back, or its predecessor is missing.
  /// - Parameter predecessor: the id of the event right before it in its key that was still waiting.
  mutating func insert(_ event: WaitingEvent, after predecessor: Int64?) -> Insertion {
    if ids[event.shard]?.contains(event.id) == true { return .known }
    let key = event.line
    if !deadKeys.isEmpty, deadKeys.contains(key) { return .heldBack }
    if !parked.isEmpty, parked[key] != nil { return .heldBack }
    if let predecessor, ids[event.shard]?.contains(predecessor) != true { return .early }
    guard slots.count < capacity else { return .full }
    ids[event.shard, default: []].insert(event.id)
    let index = slots.add(event)
    keys[key, default: KeyQueue()].append(index)
    if keys[key]?.head == index { makeReady(index) }
    return .inserted
  }

  /// Drops the events of a shard that is no longer owned. Their tokens are stale from here on.
  /// - Returns: when the last of them that is still in flight was handed over; nil when none is.
  mutating func drop(shard: Int16) -> Instant? {
    unpark { $0 == shard }
    guard ids.removeValue(forKey: shard) != nil else { return nil }
    leftDuringRead.ids.removeAll { $0.shard == shard }
    var lastHandover: Instant?
    for index in slots.indices where slots[index].event.shard == shard {
      if case .inFlight(let since) = slots[index].stage { lastHandover = max(lastHandover ?? since, since) }
      let key = slots[index].event.line
      keys[key] = nil
      deadKeys.remove(key)
      remove(index)
    }
    removeStaleTokens()
    return lastHandover
  }

  /// Drops the events that are to be published, now or later. A later read may return them.
  /// - Parameter shard: only of this shard; nil for all.
  mutating func dropUnpublished(shard: Int16? = nil) {
    for (key, queue) in keys {
      guard !queue.isEmpty, shard == nil || shard == slots[queue.head].event.shard else { continue }
      for follower in queue.all.dropFirst() { forget(follower) }
      keys[key]?.removeFollowers()
      switch slots[queue.head].stage {
      case .waiting, .ready, .retrying:
        forget(queue.head)
        keys[key] = nil
      case .inFlight, .settled, .completing, .setAside: break
      }
    }
    removeStaleTokens()
  }

  /// Parks the keys whose head could not be published, so that other keys have room: they leave memory, and none of
  /// their events is inserted until `unpark`.
  /// - Parameter limit: the maximum number of parked keys.
  /// - Returns: the lowest id of each shard that left.
  mutating func parkRetrying(limit: Int) -> [Int16: Int64] {
    var lowest: [Int16: Int64] = [:]
    for (_, token) in retries where parked.count < limit {
      guard let index = slots.index(of: token), case .retrying = slots[index].stage else { continue }
      let event = slots[index].event
      lowest[event.shard] = min(lowest[event.shard] ?? .max, event.id)
      parked[event.line] = event.shard
      for slot in keys.removeValue(forKey: event.line)?.all ?? [] { forget(slot) }
    }
    removeStaleTokens()
    return lowest
  }

  /// Lets events of these shards' parked keys in again.
  mutating func unpark(_ isDue: (Int16) -> Bool) { parked = parked.filter { !isDue($0.value) } }

  // MARK: - Publishing

  /// The events that may be published now, in id order within each key; they are in flight from here on.
  /// - Parameter isOpen: whether a shard's lease still allows it.
  mutating func startPublishing(at now: Instant, _ isOpen: (Int16) -> Bool) -> [PublishRequest] {
    if alone != nil { return [] }
    if let suspect = suspects.first, let index = slots.index(of: suspect), isOpen(slots[index].event.shard) {
      guard inFlightCount == 0 else { return [] }
      suspects.removeFirst()
      alone = suspect
      return [handOver(suspect, index, now)]
    }
    var requests: [PublishRequest] = []
    var closed: [UInt64] = []
    var open: [Int16: Bool] = [:]
    for token in ready {
      guard let index = slots.index(of: token) else { continue }
      let shard = slots[index].event.shard
      let isAllowed = open[shard] ?? isOpen(shard)
      open[shard] = isAllowed
      if isAllowed { requests.append(handOver(token, index, now)) } else { closed.append(token) }
    }
    ready = closed
    return requests
  }

  private mutating func handOver(_ token: UInt64, _ index: Int, _ now: Instant) -> PublishRequest {
    slots.move(index, to: .inFlight(since: now))
    inFlightCount += 1
    handovers.append((now, token))
    return PublishRequest(token: token, event: slots[index].event)
  }

  /// The shards of events that have been in flight since `moment` or longer.
  mutating func shardsInFlight(since moment: Instant) -> Set<Int16> {
    var shards: Set<Int16> = []
    var checked = 0
    for (at, token) in handovers {
      if let index = slots.index(of: token), case .inFlight = slots[index].stage {
        guard at <= moment else { break }
        shards.insert(slots[index].event.shard)
      }
      checked += 1
    }
    handovers.removeFirst(checked)
    return shards
  }

  /// An event in flight that the producer has answered for. It must be passed to one of the methods below.
  struct Answered {
    fileprivate let index: Int
    let shard: Int16
    /// When it was handed over.
    let handover: Instant
    /// Whether nothing else was in flight beside it.
    let wasAlone: Bool
  }

  /// The event in flight that a token names; nil for a stale token.
  func inFlight(_ token: UInt64) -> Answered? {
    guard let index = slots.index(of: token), case .inFlight(let since) = slots[index].stage else { return nil }
    return Answered(index: index, shard: slots[index].event.shard, handover: since, wasAlone: alone == token)
  }

  /// When an event in memory was written, by the database's clock.
  func createdAt(_ answered: Answered) -> Timestamp { slots[answered.index].event.createdAt }

  /// The event is on the topic: it can be completed, and the next event of its key published.
  mutating func acknowledge(_ answered: Answered, at place: MessagePlace?) {
    endFlight(answered.index)
    slots.move(answered.index, to: .settled(.published(place)))
    acknowledged.append(slots.token(of: answered.index))
    advanceKey(of: answered.index)
  }

  /// The event can never be published: it is to be moved to DEAD. The later events of its key leave memory and are held
  /// back, or wait until it has been moved, as `DeadPolicy` says.
  mutating func refuse(_ answered: Answered, _ refusal: String) {
    endFlight(answered.index)
    refuse(answered.index, refusal)
  }

  /// The event was refused, perhaps for another one's sake: it is published once more, alone.
  mutating func suspect(_ answered: Answered) {
    endFlight(answered.index)
    slots.move(answered.index, to: .ready)
    suspects.append(slots.token(of: answered.index))
  }

  /// The event may not be on the topic: it stays the head of its key and is published again.
  mutating func retry(_ answered: Answered, at moment: Instant) {
    endFlight(answered.index)
    slots.move(answered.index, to: .retrying)
    retries.append((moment, slots.token(of: answered.index)))
  }

  private mutating func refuse(_ index: Int, _ refusal: String) {
    slots.move(index, to: .settled(.refused(refusal)))
    refused.append(slots.token(of: index))
    guard onDead == .hold else { return }
    let key = slots[index].event.line
    deadKeys.insert(key)
    for follower in keys.removeValue(forKey: key)?.all.dropFirst() ?? [] { forget(follower) }
  }

  /// Makes the events ready that are to be published again by now.
  mutating func releaseRetries(until now: Instant) {
    let due = retries.prefix { $0.at <= now }
    guard !due.isEmpty else { return }
    for (_, token) in due {
      if let index = slots.index(of: token), case .retrying = slots[index].stage { makeReady(index) }
    }
    retries.removeFirst(due.count)
  }

  // MARK: - Completing

  /// How many events wait to be moved to DONE.
  var acknowledgedCount: Int { acknowledged.count }
  /// Whether events wait to be moved out of WAIT, apart from those set aside.
  var isCompletable: Bool { !parts.isEmpty || !refused.isEmpty || !acknowledged.isEmpty }

  /// The next events to move out of WAIT: a part of a refused completion, then refused events, then acknowledged ones,
  /// then one set aside that is due; nil when there are none.
  mutating func startCompletion(
    at now: Instant, limit: Int, history: ServerHistory, lease: (Int16) -> ShardEpoch?
  ) -> CompletionRequest? {
    while let tokens = nextTokens(limit: limit, now) {
      var request = CompletionRequest(leases: [], items: [], history: history)
      var leases: [Int16: ShardEpoch] = [:]
      for token in tokens {
        guard let index = slots.index(of: token), case .settled(let settlement) = slots[index].stage else { continue }
        let event = slots[index].event
        guard let held = lease(event.shard) else { continue }
        leases[event.shard] = held
        slots.move(index, to: .completing)
        request.items.append(
          .init(event, token: token, settlement))
      }
      guard !request.items.isEmpty else { continue }
      request.leases = leases.values.sorted { $0.shard < $1.shard }
      return request
    }
    return nil
  }

  private mutating func nextTokens(limit: Int, _ now: Instant) -> [UInt64]? {
    if let part = parts.popLast() { return part }
    if !refused.isEmpty { return Self.removePrefix(limit, of: &refused) }
    if !acknowledged.isEmpty { return Self.removePrefix(limit, of: &acknowledged) }
    guard nextAside <= now else { return nil }
    let token = aside.removeFirst().token
    if let index = slots.index(of: token), case .setAside(let settlement) = slots[index].stage {
      slots.move(index, to: .settled(settlement))
    }
    return [token]
  }

  private static func removePrefix(_ limit: Int, of tokens: inout [UInt64]) -> [UInt64] {
    defer { tokens.removeFirst(min(limit, tokens.count)) }
    return Array(tokens.prefix(limit))
  }

  /// The events have left WAIT. An event that left memory meanwhile, with its shard, is passed over.
  /// - Parameter isReadOpen: whether a read is open. Its snapshot may be older than the completion, so the rows it
  ///   returns of these events are not new: they are remembered until `readEnded`.
  mutating func finish(_ request: CompletionRequest, isReadOpen: Bool) {
    for item in request.items {
      guard let index = slots.index(of: item.token) else { continue }
      leftDuringRead.ids.append((item.shard, item.id))
      if request.isDead {
        if onDead == .hold {
          leftDuringRead.deadKeys.append(slots[index].event.line)
        } else {
          advanceKey(of: index)
        }
      }
      remove(index)
    }
    if !isReadOpen { readEnded() }
  }

  /// No read is open any more: whatever a later one returns was waiting after that.
  mutating func readEnded() {
    for (shard, id) in leftDuringRead.ids { ids[shard]?.remove(id) }
    for key in leftDuringRead.deadKeys { deadKeys.remove(key) }
    leftDuringRead = Departures()
  }

  /// The events may not have left WAIT: the next completions ask for them again.
  mutating func requeue(_ request: CompletionRequest) {
    let tokens = settleAgain(request.items)
    if request.isDead { refused += tokens } else { acknowledged += tokens }
  }

  /// The database refused the statement: the next completions ask for one half of its events, then for the other.
  mutating func split(_ request: CompletionRequest) {
    let middle = request.items.count / 2
    for half in [request.items[middle...], request.items[..<middle]] { parts.append(settleAgain(half)) }
  }

  /// The database refuses to move this event: it stays in memory, so that it is not published again, and the completion
  /// is tried by itself at `moment`.
  /// - Returns: whether the event is still in memory.
  mutating func setAside(_ item: CompletionRequest.Item, until moment: Instant) -> Bool {
    guard let index = slots.index(of: item.token) else { return false }
    slots.move(index, to: .setAside(item.settlement))
    aside.append((moment, item.token))
    return true
  }

  private mutating func settleAgain(_ items: some Sequence<CompletionRequest.Item>) -> [UInt64] {
    items.compactMap { item in
      guard let index = slots.index(of: item.token), case .completing = slots[index].stage else { return nil }
      slots.move(index, to: .settled(item.settlement))
      return item.token
    }
  }

  // MARK: - Pieces

  private mutating func endFlight(_ index: Int) {
    inFlightCount -= 1
    if alone == slots.token(of: index) { alone = nil }
  }

  private mutating func makeReady(_ index: Int) {
    if let fault = slots[index].event.fault { return refuse(index, fault) }
    slots.move(index, to: .ready)
    ready.append(slots.token(of: index))
  }

  private mutating func advanceKey(of index: Int) {
    let key = slots[index].event.line
    guard keys[key]?.head == index else { return }
    keys[key]?.removeHead()
    guard let queue = keys[key], !queue.isEmpty else {
      keys[key] = nil
      return
    }
    makeReady(queue.head)
  }

  /// Removes an event that is not done; a later read may return it.
  private mutating func forget(_ index: Int) {
    ids[slots[index].event.shard]?.remove(slots[index].event.id)
    remove(index)
  }

  private mutating func remove(_ index: Int) {
    if case .inFlight = slots[index].stage { endFlight(index) }
    slots.remove(index)
  }

  private mutating func removeStaleTokens() {
    ready = ready.filter { slots.index(of: $0) != nil }
    suspects = suspects.filter { slots.index(of: $0) != nil }
    acknowledged = acknowledged.filter { slots.index(of: $0) != nil }
    refused = refused.filter { slots.index(of: $0) != nil }
    parts = parts.map { $0.filter { slots.index(of: $0) != nil } }.filter { !$0.isEmpty }
    retries = retries.filter { slots.index(of: $0.token) != nil }
    aside = aside.filter { slots.index(of: $0.token) != nil }
  }
}
