internal import Runtime
internal import Synchronization
internal import Values

/// The counters that the loops of a server share.
final class ServerTotals: Sendable {
  enum Admission {
    case admitted(PeerAccount)
    /// The server has all the connections it may have.
    case full
    /// The peer's network has all the connections it may have.
    case peerIsFull
  }

  private struct State {
    var connections = 0
    var peers: [String: Peer] = [:]
  }
  private struct Peer {
    var connections = 0
    let account: PeerAccount
  }

  private let state = Monitor(State())
  /// Bytes that peers make the process hold, as last reported by the loops.
  let held = Atomic(0)

  var connectionCount: Int { state.withLock { $0.connections } }

  /// - Parameter network: the key of limits per peer.
  func connectionOpened(_ network: String, limit: Int, peerLimit: Int) -> Admission {
    state.withLock { state in
      guard state.connections < limit else { return .full }
      let known = state.peers[network]?.connections ?? 0
      guard known < peerLimit else { return .peerIsFull }
      state.connections += 1
      let account = state.peers[network]?.account ?? PeerAccount(network)
      state.peers[network] = Peer(connections: known + 1, account: account)
      return .admitted(account)
    }
  }

  func connectionClosed(_ account: PeerAccount) {
    state.update { state in
      state.connections -= 1
      state.peers[account.network]?.connections -= 1
      if state.peers[account.network]?.connections == 0 { state.peers[account.network] = nil }
    }
  }

  /// Blocks until no connection is left; false when `deadline` came first.
  func waitUntilNone(_ deadline: Instant) -> Bool {
    state.wait(until: deadline) { $0.connections == 0 ? true : nil } ?? false
  }
}

/// The streaming calls of all connections from one network.
final class PeerAccount: Sendable {
  let network: String
  private let streamingCalls = Atomic(0)

  init(_ network: String) { self.network = network }

  /// - Returns: false, without counting, when there are `limit` already.
  func streamingCallBegan(limit: Int) -> Bool {
    if streamingCalls.add(1, ordering: .relaxed).newValue <= limit { return true }
    streamingCallFinished()
    return false
  }

  func streamingCallFinished() { streamingCalls.subtract(1, ordering: .relaxed) }
}
