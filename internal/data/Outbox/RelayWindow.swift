internal import Runtime
internal import Values

/// The events a relay holds in memory, each on its way through: ready, with the producer, acknowledged, completed.
///
/// Of each key at most one event is with the producer; the rest of the key waits behind it. A later event can thus
/// never overtake an earlier one, whatever becomes of the earlier one's publication.
package struct RelayWindow {
  private enum Stage {
    /// Behind an earlier event of its key.
    case waiting
    /// The head of its key, to be published.
    case ready
    /// With the producer.
    case publishing
    /// The head of its key, to be published again later.
    case retrying
    /// Acknowledged or refused; to be moved out of WAIT.
    case settled(refusal: String?)
    /// The statement that moves it is under way.
    case completing
  }

  private struct Slot {
    var generation: UInt32 = 0
    var event: WaitingEvent?
    var stage = Stage.waiting
    /// When it was last given to the producer.
    var handedOver: Instant?
  }

  /// A key's events in memory that are not yet acknowledged, in id order; the first is the head.
  private struct KeyQueue {
    private var slots: [Int] = []
    private var first = 0

    var head: Int { slots[first] }
    var isEmpty: Bool { first == slots.count }
    /// All of them, the head first.
    var all: ArraySlice<Int> { slots[first...] }

    mutating func append(_ slot: Int) { slots.append(slot) }

    mutating func removeHead() {
      first += 1
      guard first >= 32, first * 2 >= slots.count else { return }
      slots.removeFirst(first)
      first = 0
    }

    /// Keeps the head alone.
    mutating func removeFollowers() {
      slots = [head]
      first = 0
    }
  }

  private let capacity: Int
  private let onDead: DeadPolicy
  private var slots: [Slot] = []
  private var free: [Int] = []
  private var keys: [String: KeyQueue] = [:]
  private var ids: [Int16: Set<Int64>] = [:]
  private var ready: [UInt64] = []
  private var acknowledged: [UInt64] = []
  private var refused: [UInt64] = []
  /// Tokens by the moment they become ready again, earliest first (all wait equally long).
  private var retries: [(at: Instant, token: UInt64)] = []
  /// Refused in company: a broker refuses whole batches, so each is tried once more alone before it is called dead.
  private var suspects: [UInt64] = []
  /// The suspect that is with the producer, and nothing else.
  private var alone: UInt64?
  private var publishingCount = 0
  private var count = 0
  /// Keys whose head was refused: nothing of them is taken in until reads see the dead event themselves.
  private var buriedKeys: Set<String> = []
  /// Keys that cannot be published at present, with their shard.
  private var parked: [String: Int16] = [:]
  /// What is with the producer, by the moment it was handed over, earliest first.
  private var handedOver: [(at: Instant, token: UInt64)] = []
  /// What left WAIT while a read was under way, which may have seen it still waiting.
  private var leftDuringRead: (ids: [(shard: Int16, id: Int64)], keys: [String]) = ([], [])

  init(capacity: Int, onDead: DeadPolicy = .hold) {
    self.capacity = capacity
    self.onDead = onDead
  }

  /// How many more events fit.
  var room: Int { max(0, capacity - count) }
  var isEmpty: Bool { count == 0 }
  /// How many events are in memory.
  package var eventCount: Int { count }
  /// How many keys are parked.
  package var parkedCount: Int { parked.count }
  /// How many events of a shard are in memory.
  func count(of shard: Int16) -> Int { ids[shard]?.count ?? 0 }
  /// How many of them have an id above `floor`: a read from there will bring them once more.
  func count(of shard: Int16, above floor: Int64) -> Int { ids[shard]?.count { $0 > floor } ?? 0 }
  /// Whether any event waits for its next try.
  var hasRetries: Bool { !retries.isEmpty }
  /// When the next event is to be tried again.
  var nextRetry: Instant? { retries.first?.at }

  // MARK: - In and out

  /// What has become of an event that a read brought.
  enum Insertion {
    /// It is here from now on.
    case taken
    /// It was here already.
    case known
    /// Its key is held back.
    case heldBack
    /// An earlier event of its key waits and is not here.
    case early
    /// There is no room for it.
    case full
  }

  /// Takes an event in, unless it is here already, its key is held back, or the one before it is missing.
  /// - Parameter predecessor: the id of the event right before it in its key that was still waiting.
  mutating func insert(_ event: WaitingEvent, after predecessor: Int64?) -> Insertion {
    if ids[event.shard]?.contains(event.id) == true { return .known }
    if !buriedKeys.isEmpty, buriedKeys.contains(event.key) { return .heldBack }
    if !parked.isEmpty, parked[event.key] != nil { return .heldBack }
    if let predecessor, ids[event.shard]?.contains(predecessor) != true { return .early }
    guard count < capacity else { return .full }
    ids[event.shard, default: []].insert(event.id)
    count += 1
    let index = free.popLast() ?? slots.endIndex
    if index == slots.endIndex { slots.append(Slot()) }
    slots[index].event = event
    slots[index].stage = .waiting
    keys[event.key, default: KeyQueue()].append(index)
    if keys[event.key]?.head == index { makeReady(index) }
    return .taken
  }

  /// Forgets a shard that is owned no more. What the producer still says about it finds no slot.
  /// - Returns: when the last of its events was handed over that the producer has not answered for; nil without one.
  mutating func drop(shard: Int16) -> Instant? {
    unpark { $0 == shard }
    guard ids.removeValue(forKey: shard) != nil else { return nil }
    leftDuringRead.ids.removeAll { $0.shard == shard }
    var lastHandover: Instant?
    for index in slots.indices {
      guard let event = slots[index].event, event.shard == shard else { continue }
      if case .publishing = slots[index].stage, let at = slots[index].handedOver {
        lastHandover = max(lastHandover ?? at, at)
      }
      keys[event.key] = nil
      buriedKeys.remove(event.key)
      release(index)
    }
    forgetStaleTokens()
    return lastHandover
  }

  /// Forgets what has not been handed to the producer.
  /// - Parameter shard: of this shard only; nil for all.
  mutating func dropUnpublished(shard: Int16? = nil) {
    for (key, queue) in keys {
      guard !queue.isEmpty, let head = slots[queue.head].event, shard == nil || shard == head.shard else { continue }
      for follower in queue.all.dropFirst() { forget(follower) }
      keys[key]?.removeFollowers()
      switch slots[queue.head].stage {
      case .waiting, .ready, .retrying:
        forget(queue.head)
        keys[key] = nil
      case .publishing, .settled, .completing: break
      }
    }
    forgetStaleTokens()
  }

  /// Parks the keys whose head could not be published, so that they do not hold the room that others need: they leave
  /// memory, and nothing of them is taken in until `unpark`.
  /// - Parameter limit: how many keys may be parked at all.
  /// - Returns: the lowest id of each shard that left.
  mutating func parkRetrying(limit: Int) -> [Int16: Int64] {
    var lowest: [Int16: Int64] = [:]
    for (_, token) in retries where parked.count < limit {
      guard let index = index(of: token), case .retrying = slots[index].stage, let event = slots[index].event else {
        continue
      }
      lowest[event.shard] = min(lowest[event.shard] ?? .max, event.id)
      parked[event.key] = event.shard
      for slot in keys.removeValue(forKey: event.key)?.all ?? [] { forget(slot) }
    }
    forgetStaleTokens()
    return lowest
  }

  /// Takes events of these shards' parked keys in again.
  mutating func unpark(_ isDue: (Int16) -> Bool) { parked = parked.filter { !isDue($0.value) } }

  // MARK: - Publishing

  /// The events that may be published now, in id order within each key; they are with the producer from here on.
  /// - Parameter isOpen: whether a shard's lease still allows it.
  mutating func takePublishable(at now: Instant, _ isOpen: (Int16) -> Bool) -> [PublishRequest] {
    if alone != nil { return [] }
    if let suspect = suspects.first, let index = index(of: suspect), let event = slots[index].event,
      isOpen(event.shard)
    {
      guard publishingCount == 0 else { return [] }
      suspects.removeFirst()
      alone = suspect
      return [publish(suspect, index, event, now)]
    }
    var requests: [PublishRequest] = []
    var held: [UInt64] = []
    var open: [Int16: Bool] = [:]
    for token in ready {
      guard let index = index(of: token), let event = slots[index].event else { continue }
      let allowed = open[event.shard] ?? isOpen(event.shard)
      open[event.shard] = allowed
      guard allowed else {
        held.append(token)
        continue
      }
      requests.append(publish(token, index, event, now))
    }
    ready = held
    return requests
  }

  private mutating func publish(
    _ token: UInt64, _ index: Int, _ event: WaitingEvent, _ now: Instant
  ) -> PublishRequest {
    slots[index].stage = .publishing
    slots[index].handedOver = now
    publishingCount += 1
    handedOver.append((now, token))
    return PublishRequest(token: token, event: event)
  }

  /// The shards of events that the producer has had since `moment` or longer without an answer: it must have lost them.
  mutating func shardsUnanswered(since moment: Instant) -> Set<Int16> {
    var shards: Set<Int16> = []
    var checked = 0
    for (at, token) in handedOver {
      if let index = index(of: token), case .publishing = slots[index].stage {
        guard at <= moment, let event = slots[index].event else { break }
        shards.insert(event.shard)
      }
      checked += 1
    }
    handedOver.removeFirst(checked)
    return shards
  }

  /// The shard of an event that is with the producer, and when it was handed over; nil when it is not there any more.
  func handover(of token: UInt64) -> (shard: Int16, at: Instant)? {
    guard let index = index(of: token), case .publishing = slots[index].stage, let event = slots[index].event,
      let at = slots[index].handedOver
    else { return nil }
    return (event.shard, at)
  }

  /// The broker has it: it can be completed, and the next of its key can go.
  mutating func acknowledge(_ token: UInt64) {
    guard let index = takeFromProducer(token) else { return }
    slots[index].stage = .settled(refusal: nil)
    acknowledged.append(token)
    advanceKey(of: index)
  }

  /// The broker will never take it: it is to be marked dead. The rest of its key leaves memory, held back by it, or
  /// waits until it has been moved to DEAD, by the setting.
  /// - Parameter isCertain: the refusal is of this event alone; otherwise it is first tried without company.
  mutating func bury(_ token: UInt64, refusal: String, isCertain: Bool) {
    let wasAlone = token == alone
    guard let index = takeFromProducer(token), let key = slots[index].event?.key else { return }
    guard isCertain || wasAlone else {
      slots[index].stage = .ready
      suspects.append(token)
      return
    }
    refuse(index, key: key, refusal)
  }

  private mutating func refuse(_ index: Int, key: String, _ refusal: String) {
    slots[index].stage = .settled(refusal: refusal)
    refused.append(token(of: index))
    guard onDead == .hold else { return }
    buriedKeys.insert(key)
    for follower in keys.removeValue(forKey: key)?.all.dropFirst() ?? [] { forget(follower) }
  }

  /// It may not be on the topic: it stays the head of its key and is tried again.
  mutating func retry(_ token: UInt64, at moment: Instant) {
    guard let index = takeFromProducer(token) else { return }
    slots[index].stage = .retrying
    retries.append((moment, token))
  }

  /// Makes the events ready whose wait is over.
  mutating func releaseRetries(until now: Instant) {
    let due = retries.prefix { $0.at <= now }
    guard !due.isEmpty else { return }
    for (_, token) in due {
      if let index = index(of: token), case .retrying = slots[index].stage { makeReady(index) }
    }
    retries.removeFirst(due.count)
  }

  // MARK: - Completing

  /// The next events to move out of WAIT, the dead before the done; nil when there are none.
  mutating func takeCompletion(
    limit: Int, history: ServerHistory, lease: (Int16) -> ShardEpoch?
  ) -> CompletionRequest? {
    let isDead = !refused.isEmpty
    let tokens = Array((isDead ? refused : acknowledged).prefix(limit))
    if isDead { refused.removeFirst(tokens.count) } else { acknowledged.removeFirst(tokens.count) }
    var request = CompletionRequest(leases: [], items: [], isDead: isDead, history: history)
    var leases: [Int16: ShardEpoch] = [:]
    for token in tokens {
      guard let index = index(of: token), let event = slots[index].event, let held = lease(event.shard),
        case .settled(let refusal) = slots[index].stage
      else { continue }
      leases[event.shard] = held
      slots[index].stage = .completing
      request.items.append(
        .init(shard: event.shard, id: event.id, eventID: event.eventID, token: token, refusal: refusal))
    }
    guard !request.items.isEmpty else { return nil }
    request.leases = leases.values.sorted { $0.shard < $1.shard }
    return request
  }

  /// They have left WAIT.
  /// - Parameter isReadOpen: whether a read is under way. Its snapshot may be older than the completion, so what it
  ///   brings of these events must not be taken for new: they are remembered until `readReturned`.
  mutating func finish(_ request: CompletionRequest, isReadOpen: Bool) {
    for item in request.items {
      guard let index = index(of: item.token), let event = slots[index].event else { continue }
      leftDuringRead.ids.append((event.shard, event.id))
      if request.isDead {
        if onDead == .hold { leftDuringRead.keys.append(event.key) } else { advanceKey(of: index) }
      }
      release(index)
    }
    if !isReadOpen { readReturned() }
  }

  /// The read under way has been taken in or has failed: whatever a later one brings was waiting after that.
  mutating func readReturned() {
    for (shard, id) in leftDuringRead.ids { ids[shard]?.remove(id) }
    for key in leftDuringRead.keys { buriedKeys.remove(key) }
    leftDuringRead = ([], [])
  }

  /// They may not have left WAIT: they are asked for again.
  mutating func requeueCompletion(_ request: CompletionRequest) {
    for item in request.items {
      guard let index = index(of: item.token), case .completing = slots[index].stage else { continue }
      slots[index].stage = .settled(refusal: item.refusal)
      if request.isDead { refused.append(item.token) } else { acknowledged.append(item.token) }
    }
  }

  // MARK: - Slots

  private func token(of index: Int) -> UInt64 {
    UInt64(slots[index].generation) << 32 | UInt64(UInt32(index))
  }

  /// The slot of a token, or nil when the event has left memory meanwhile.
  private func index(of token: UInt64) -> Int? {
    let index = Int(UInt32(truncatingIfNeeded: token))
    guard index < slots.count, slots[index].generation == UInt32(token >> 32), slots[index].event != nil else {
      return nil
    }
    return index
  }

  /// The slot of an event that the producer has answered for.
  private mutating func takeFromProducer(_ token: UInt64) -> Int? {
    guard let index = index(of: token), case .publishing = slots[index].stage else { return nil }
    publishingCount -= 1
    if alone == token { alone = nil }
    return index
  }

  private mutating func makeReady(_ index: Int) {
    if let event = slots[index].event, let fault = event.fault { return refuse(index, key: event.key, fault) }
    slots[index].stage = .ready
    ready.append(token(of: index))
  }

  private mutating func advanceKey(of index: Int) {
    guard let key = slots[index].event?.key, keys[key]?.head == index else { return }
    keys[key]?.removeHead()
    guard let queue = keys[key], !queue.isEmpty else {
      keys[key] = nil
      return
    }
    makeReady(queue.head)
  }

  /// Takes an event out of memory that is not done; a later read may bring it again.
  private mutating func forget(_ index: Int) {
    if let event = slots[index].event { ids[event.shard]?.remove(event.id) }
    release(index)
  }

  private mutating func release(_ index: Int) {
    if case .publishing = slots[index].stage {
      publishingCount -= 1
      if alone == token(of: index) { alone = nil }
    }
    slots[index].stage = .waiting
    slots[index].event = nil
    slots[index].generation &+= 1
    free.append(index)
    count -= 1
  }

  private mutating func forgetStaleTokens() {
    ready = ready.filter { index(of: $0) != nil }
    suspects = suspects.filter { index(of: $0) != nil }
    acknowledged = acknowledged.filter { index(of: $0) != nil }
    refused = refused.filter { index(of: $0) != nil }
    retries = retries.filter { index(of: $0.token) != nil }
  }
}
