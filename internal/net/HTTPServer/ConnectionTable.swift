internal import Values

/// Tracks open connections and chooses which to close, so that no peer starves the others. Decides only; sockets live
/// outside.
///
/// A connection over a limit takes the place of an older one instead of being refused: whoever only holds connections
/// open loses them, and a caller that sends its request at once gets its answer. Those whose request waits for our
/// answer keep their place.
struct ConnectionTable {
  struct Limits: Sendable {
    /// The most connections at a time.
    var connections: Int
    /// The most from one address, or IPv6 network (/64).
    var perPeer: Int
    /// How long a connection may take to send the head of its next request.
    var idleTime: Duration
    /// How long the body of a request may take to come.
    var requestTime: Duration
    /// How long an answer, or a part of a streamed one, may take to be read.
    var sendTime: Duration
  }

  enum Phase: Hashable {
    /// No request is there, or only a part of its head.
    case idle
    /// A request's head is there.
    case receiving
    /// The request is whole, and it is us who have to do something.
    case answering
    /// An answer is on its way.
    case sending
  }

  /// Action for an overdue connection.
  enum Overdue: Hashable {
    case end(Int)
    case answer(Int)
  }

  private struct Connection {
    let peer: PeerNetwork
    var deadline: Instant
    /// Its neighbours in the list of its peer's connections that may be ended, the oldest first. In 32 bits, as there
    /// may be many connections.
    var older: Int32?
    var newer: Int32?
    var isListed = false
    /// Asked to end; it counts no more.
    var isEnding = false
    var phase = Phase.idle
  }
  private struct Peer {
    /// Connections that are not ending.
    var live = 0
    var oldest: Int?
    var newest: Int?
  }

  private let limits: Limits
  private var connections: [Connection?] = []
  private var free: [Int] = []
  private var peers: [PeerNetwork: Peer] = [:]
  private var live = 0
  /// Open connections, those that are ending included.
  private(set) var count = 0
  /// No deadline is earlier.
  private(set) var earliestDeadline = Instant.distantFuture

  init(_ limits: Limits) { self.limits = limits }

  /// - Returns: the number of the connection until it is closed, and those that are to be ended, which may be the new
  ///   one.
  mutating func open(peer: PeerNetwork, at now: Instant) -> (id: Int, ended: [Int]) {
    let id = free.popLast() ?? connections.count
    if id == connections.count { connections.append(nil) }
    connections[id] = Connection(peer: peer, deadline: now + limits.idleTime)
    earliestDeadline = min(earliestDeadline, now + limits.idleTime)
    count += 1
    live += 1
    peers[peer, default: Peer()].live += 1
    let ended: [Int]
    if peers[peer].map(\.live) ?? 0 > limits.perPeer {
      ended = end(peers[peer]?.oldest ?? id)
    } else {
      ended = live > limits.connections ? end(oldestOfMost() ?? id) : []
    }
    if ended != [id] { list(id) }
    return (id, ended)
  }

  /// - Parameter deadline: when the phase is over at the latest; where nil, what the limits say.
  mutating func enter(_ id: Int, _ phase: Phase, at now: Instant, until deadline: Instant? = nil) {
    guard let connection = connections[id] else { return }
    let deadline = deadline ?? now + time(phase)
    connections[id]?.phase = phase
    connections[id]?.deadline = deadline
    earliestDeadline = min(earliestDeadline, deadline)
    guard !connection.isEnding else { return }
    // A request that begins does not make its connection younger.
    if phase == .receiving, connection.isListed { return }
    unlist(id)
    if phase != .answering { list(id) }
  }

  mutating func close(_ id: Int) {
    guard let connection = connections[id] else { return }
    forget(id, connection)
    connections[id] = nil
    free.append(id)
    count -= 1
  }

  /// What a connection waits for; nil for none.
  func phase(_ id: Int) -> Phase? { connections[id]?.phase }
  var idle: [Int] { connections.indices.filter { phase($0) == .idle } }

  /// Those whose time is over, each once.
  mutating func takeOverdue(at now: Instant) -> [Overdue] {
    var overdue: [Overdue] = []
    for id in connections.indices {
      guard let connection = connections[id], !connection.isEnding, connection.deadline <= now else { continue }
      if connection.phase == .answering {
        connections[id]?.deadline = .distantFuture
        overdue.append(.answer(id))
      } else {
        overdue += end(id).map { .end($0) }
      }
    }
    return overdue
  }

  /// Looks when the next one is overdue.
  mutating func findEarliestDeadline() -> Instant {
    earliestDeadline = .distantFuture
    for case let connection? in connections where !connection.isEnding {
      earliestDeadline = min(earliestDeadline, connection.deadline)
    }
    return earliestDeadline
  }

  private func time(_ phase: Phase) -> Duration {
    switch phase {
    case .idle: limits.idleTime
    case .receiving: limits.requestTime
    case .answering, .sending: limits.sendTime
    }
  }

  /// The connection to end in favour of another peer's: the oldest of the peer that has most.
  private func oldestOfMost() -> Int? {
    peers.values.lazy.filter { $0.oldest != nil }.max { $0.live < $1.live }?.oldest
  }

  private mutating func end(_ id: Int?) -> [Int] {
    guard let id, let connection = connections[id], !connection.isEnding else { return [] }
    forget(id, connection)
    connections[id]?.isEnding = true
    return [id]
  }

  /// Counts a connection no more.
  private mutating func forget(_ id: Int, _ connection: Connection) {
    unlist(id)
    guard !connection.isEnding else { return }
    live -= 1
    peers[connection.peer]?.live -= 1
    if peers[connection.peer]?.live == 0 { peers[connection.peer] = nil }
  }

  private mutating func list(_ id: Int) {
    guard let peer = connections[id]?.peer else { return }
    let newest = peers[peer]?.newest
    connections[id]?.older = newest.map { Int32($0) }
    connections[id]?.newer = nil
    connections[id]?.isListed = true
    if let newest { connections[newest]?.newer = Int32(id) } else { peers[peer]?.oldest = id }
    peers[peer]?.newest = id
  }

  private mutating func unlist(_ id: Int) {
    guard let connection = connections[id], connection.isListed else { return }
    let (older, newer) = (connection.older.map { Int($0) }, connection.newer.map { Int($0) })
    if let older { connections[older]?.newer = connection.newer } else { peers[connection.peer]?.oldest = newer }
    if let newer { connections[newer]?.older = connection.older } else { peers[connection.peer]?.newest = older }
    connections[id]?.isListed = false
  }
}
