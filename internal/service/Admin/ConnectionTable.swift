internal import Values

/// Decides which connections close, so that none locks the others out. Sockets live outside.
///
/// A connection over a limit replaces an older one instead of being refused: clients that only hold connections open
/// lose them, and a probe that sends its request at once is answered.
struct ConnectionTable {
  struct Limits: Sendable {
    /// The most connections at a time.
    var connections = 32
    /// The most from one address.
    var perPeer = 16
    /// Time limit for a whole request, and for a connection to wait for its next one.
    var time = Duration.seconds(10)
  }

  private struct Connection {
    let descriptor: Int32
    let peer: [UInt8]
    /// When it was opened or had its last answer.
    var since: Instant
    /// Asked to close; it no longer counts.
    var isEnding = false
  }

  private let limits: Limits
  private var connections: [Int: Connection] = [:]

  init(_ limits: Limits) { self.limits = limits }

  /// - Parameters:
  ///   - id: the connection's own until it is closed.
  ///   - peer: the address without the port.
  /// - Returns: the descriptors to shut down.
  mutating func open(_ id: Int, descriptor: Int32, peer: [UInt8], at now: Instant) -> [Int32] {
    connections[id] = Connection(descriptor: descriptor, peer: peer, since: now)
    var ended: [Int32] = []
    let live = connections.filter { !$0.value.isEnding }
    let byPeer = Dictionary(grouping: live.keys) { live[$0]?.peer ?? [] }
    if let mine = byPeer[peer], mine.count > limits.perPeer {
      end(oldest(of: mine), &ended)
    } else if live.count > limits.connections, let most = byPeer.values.max(by: { $0.count < $1.count }) {
      end(oldest(of: most), &ended)
    }
    return ended
  }

  /// A request has been answered in full.
  mutating func complete(_ id: Int, at now: Instant) { connections[id]?.since = now }

  mutating func close(_ id: Int) { connections[id] = nil }

  /// - Returns: the descriptors of overdue connections, to shut down.
  mutating func takeOverdue(at now: Instant) -> [Int32] {
    var ended: [Int32] = []
    for (id, connection) in connections where !connection.isEnding && connection.since + limits.time <= now {
      end(id, &ended)
    }
    return ended
  }

  /// When to look for overdue connections next.
  var nextDeadline: Instant {
    connections.values.filter { !$0.isEnding }.map { $0.since + limits.time }.min() ?? .distantFuture
  }

  private func oldest(of ids: [Int]) -> Int? {
    ids.min { (connections[$0]?.since ?? .distantFuture) < (connections[$1]?.since ?? .distantFuture) }
  }

  private mutating func end(_ id: Int?, _ ended: inout [Int32]) {
    guard let id, let connection = connections[id] else { return }
    connections[id]?.isEnding = true
    ended.append(connection.descriptor)
  }
}
