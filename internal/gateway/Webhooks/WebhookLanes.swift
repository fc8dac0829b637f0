internal import Values

/// What is sent to which endpoint when. Pure: it is told what was read, what has ended and what was recorded, and says
/// what to read and what to send.
///
/// Each endpoint has a lane, and each lane a window: the most calls under way. A delivery widens it, a failure halves
/// it. So an endpoint that takes nothing has one call under way, and cannot hold the places of others. Besides, no lane
/// takes more places than are left: whatever few lanes do, each of the others finds some.
struct WebhookLanes<Item: Sendable>: Sendable {
  struct Limits: Sendable {
    /// The most calls under way.
    var calls = 512
    /// The most calls under way to one endpoint.
    var endpointCalls = 64
    /// The most attempts that wait to be recorded; nothing is sent beyond it.
    var unrecorded = 4_096
    /// The most deliveries of an endpoint that wait for what they tell of; nothing is read for it beyond it.
    var preparing = 500
  }

  /// A delivery on its way through a lane.
  struct Entry: Sendable {
    let endpointID: UniqueID
    let id: UniqueID
    /// When it was due; its place in the queue.
    let dueAt: Timestamp
    let item: Item
  }

  /// What to read of an endpoint's queue.
  struct Wanted: Sendable, Hashable {
    let endpointID: UniqueID
    /// Where to begin; nil for the beginning. Below it is nothing but what was deleted, which costs time to pass.
    let floor: Timestamp?
    let limit: Int
  }

  private struct Lane: Sendable {
    var window = WebhookLanes.firstWindow
    var ready: [Entry] = []
    /// What was read, and is not to be sent yet; each with when it was due, as below.
    var preparing: [UniqueID: Timestamp] = [:]
    var calling: [UniqueID: Timestamp] = [:]
    var unrecorded: [UniqueID: Timestamp] = [:]
    /// Up to where was read, and when by the database's clock; nil to read from the beginning.
    var read: (to: Timestamp, at: Timestamp)?
    var heldUntil: Instant?
    /// Whether there may be more in the table than was read.
    var isBehind = true
    var isOpen = true

    /// What the table still has although it needs no reading.
    var known: Int { ready.count + preparing.count + calling.count + unrecorded.count }
    var isEmpty: Bool { calling.isEmpty && unrecorded.isEmpty }

    /// A floor is a hint: what commits late is below it, and found when the lane reads from the beginning.
    var floor: Timestamp? {
      guard let read else { return nil }
      let known = [
        preparing.values.min(), ready.lazy.map(\.dueAt).min(), calling.values.min(), unrecorded.values.min(),
      ]
      let lowest = known.compactMap(\.self).min()
      return min(lowest ?? read.to, read.at + WebhookLanes.commitTime)
    }

    func isHeld(at now: Instant) -> Bool { heldUntil.map { now < $0 } ?? false }
  }

  private static var firstWindow: Int { 4 }
  /// The most deliveries that are read at a time.
  private static var largestPage: Int { 1_000 }
  /// How far behind the present a floor is at least, since transactions take a while to commit.
  private static var commitTime: Duration { .milliseconds(-200) }

  private let limits: Limits
  private var lanes: [UniqueID: Lane] = [:]
  /// The lanes in the order in which they are served; each turn begins with another one.
  private var order: [UniqueID] = []
  private var turn = 0
  private(set) var calling = 0
  private(set) var unrecorded = 0

  init(_ limits: Limits = Limits()) { self.limits = limits }

  // MARK: - Lanes

  /// The endpoints that this process sends to. What is ready for others is forgotten: it is still in the table.
  mutating func open(_ endpoints: Set<UniqueID>) {
    for (id, lane) in lanes where !endpoints.contains(id) && lane.isOpen {
      lanes[id]?.isOpen = false
      lanes[id]?.ready = []
      lanes[id]?.preparing = [:]
    }
    for id in endpoints {
      if lanes[id] == nil {
        lanes[id] = Lane()
      } else if lanes[id]?.isOpen == false {
        lanes[id]?.isOpen = true
        lanes[id]?.isBehind = true
        lanes[id]?.read = nil
      }
    }
    lanes = lanes.filter { $0.value.isOpen || !$0.value.isEmpty }
    order = lanes.keys.sorted()
  }

  /// Forgets what is ready for an endpoint, so that it is read again: the endpoint has changed.
  mutating func restart(_ endpoint: UniqueID) {
    lanes[endpoint]?.ready = []
    lanes[endpoint]?.isBehind = true
    lanes[endpoint]?.read = nil
    lanes[endpoint]?.heldUntil = nil
  }

  /// There may be something new in the table.
  /// - Parameter anywhere: also where was read before.
  mutating func wake(anywhere: Bool = false) {
    for id in order {
      lanes[id]?.isBehind = true
      if anywhere { lanes[id]?.read = nil }
    }
  }

  /// The deliveries of endpoints that are called or wait to be recorded, whether or not they are still sent to.
  func underWay(of endpoints: [UniqueID]) -> [UniqueID] {
    endpoints.flatMap { lanes[$0].map { Array($0.calling.keys) + Array($0.unrecorded.keys) } ?? [] }
  }

  // MARK: - Reading

  /// What to read.
  func wanted(at now: Instant) -> [Wanted] {
    guard unrecorded < limits.unrecorded else { return [] }
    return order.compactMap { id in
      guard let lane = lanes[id], lane.isOpen, lane.isBehind, !lane.isHeld(at: now), lane.ready.count < lane.window,
        lane.preparing.count < limits.preparing
      else { return nil }
      return Wanted(
        endpointID: id, floor: lane.floor,
        limit: min(2 * lane.window - lane.ready.count + lane.known, Self.largestPage))
    }
  }

  /// Takes what was read for an endpoint.
  /// - Parameters:
  ///   - isAll: whether nothing else is due.
  ///   - moment: when it was read, by the database's clock; nil when nothing was found.
  mutating func take(_ entries: [Entry], for endpoint: UniqueID, isAll: Bool, at moment: Timestamp?) {
    guard var lane = lanes[endpoint], lane.isOpen else { return }
    if let moment, let last = entries.map(\.dueAt).max() { lane.read = (max(last, lane.read?.to ?? last), moment) }
    let ready = Set(lane.ready.map(\.id))
    lane.ready += entries.filter {
      !ready.contains($0.id) && lane.calling[$0.id] == nil && lane.unrecorded[$0.id] == nil
    }
    lane.isBehind = !isAll
    lanes[endpoint] = lane
  }

  /// Something was read for an endpoint, and waits for what it tells of; before `take` of the same reading.
  /// - Parameter dueAt: its place in the queue.
  /// - Returns: false when there is nothing to prepare: it is on its way already.
  mutating func prepare(_ id: UniqueID, for endpoint: UniqueID, dueAt: Timestamp) -> Bool {
    guard let lane = lanes[endpoint], lane.isOpen, lane.preparing[id] == nil, lane.calling[id] == nil,
      lane.unrecorded[id] == nil, !lane.ready.contains(where: { $0.id == id })
    else { return false }
    lanes[endpoint]?.preparing[id] = dueAt
    return true
  }

  /// What has waited is ready now.
  mutating func prepared(_ entry: Entry) {
    guard lanes[entry.endpointID]?.preparing.removeValue(forKey: entry.id) != nil else { return }
    lanes[entry.endpointID]?.ready.append(entry)
  }

  /// What has waited is not sent now; it may be where it was read.
  mutating func putOff(_ id: UniqueID, for endpoint: UniqueID) {
    lanes[endpoint]?.preparing[id] = nil
    lanes[endpoint]?.read = nil
  }

  // MARK: - Sending

  /// What to send now; it is under way from now on. By turns, so that every lane gets some.
  mutating func next(at now: Instant) -> [Entry] {
    var entries: [Entry] = []
    guard !order.isEmpty else { return [] }
    var active = order.indices.map { order[($0 + turn) % order.count] }.filter { isSending($0, at: now) }
    turn = (turn + 1) % order.count
    while !active.isEmpty, unrecorded + calling < limits.unrecorded {
      active = active.filter { id in
        guard let entry = start(id) else { return false }
        entries.append(entry)
        return true
      }
    }
    return entries
  }

  private func isSending(_ id: UniqueID, at now: Instant) -> Bool {
    guard let lane = lanes[id] else { return false }
    return lane.isOpen && !lane.ready.isEmpty && !lane.isHeld(at: now)
  }

  private mutating func start(_ id: UniqueID) -> Entry? {
    guard let lane = lanes[id], !lane.ready.isEmpty, lane.calling.count < min(lane.window, limits.endpointCalls),
      lane.calling.count < limits.calls - calling
    else { return nil }
    let entry = lanes[id]?.ready.removeFirst()
    if let entry {
      lanes[id]?.calling[entry.id] = entry.dueAt
      calling += 1
    }
    return entry
  }

  /// How a call has ended, as far as the lane goes.
  enum End: Sendable, Hashable {
    case delivered
    /// - holding: how long the receiver wants to be left alone.
    case failed(holding: Duration)
    /// It was no attempt: the delivery is as it was.
    case dropped
  }

  /// A call has ended; unless it was dropped, it waits to be recorded.
  mutating func ended(_ endpoint: UniqueID, _ id: UniqueID, _ end: End, at now: Instant) {
    guard let dueAt = lanes[endpoint]?.calling.removeValue(forKey: id) else { return }
    calling -= 1
    switch end {
    case .delivered: widen(endpoint)
    case .failed(let holding):
      if let window = lanes[endpoint]?.window { lanes[endpoint]?.window = max(1, window / 2) }
      if holding > .zero { lanes[endpoint]?.heldUntil = now + holding }
    case .dropped:
      lanes[endpoint]?.isBehind = true
      lanes[endpoint]?.read = nil
      return
    }
    lanes[endpoint]?.unrecorded[id] = dueAt
    unrecorded += 1
  }

  private mutating func widen(_ endpoint: UniqueID) {
    guard let window = lanes[endpoint]?.window else { return }
    lanes[endpoint]?.window = min(limits.endpointCalls, window + 1)
  }

  /// Attempts are in the table.
  mutating func recorded(_ endpoint: UniqueID, _ id: UniqueID) {
    guard lanes[endpoint]?.unrecorded.removeValue(forKey: id) != nil else { return }
    unrecorded -= 1
    if let lane = lanes[endpoint], !lane.isOpen, lane.isEmpty {
      lanes[endpoint] = nil
      order.removeAll { $0 == endpoint }
    }
  }
}
