internal import Runtime
internal import Synchronization
internal import Values

/// What the loops of a server count together.
final class ServerTotals: Sendable {
  enum Admission {
    case admitted(PeerAccount)
    /// As many connections as there may be.
    case full
    /// As many from where this one comes.
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
  /// Bytes that peers make the process hold, as far as the loops have told.
  let held = Atomic(0)

  var connectionCount: Int { state.withLock { $0.connections } }

  /// - Parameter network: what peers are told apart by.
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

/// What the connections from one place have open together.
final class PeerAccount: Sendable {
  let network: String
  private let streamingCalls = Atomic(0)

  init(_ network: String) { self.network = network }

  /// - Returns: false when there are `limit` already; then nothing is counted.
  func streamingCallBegan(limit: Int) -> Bool {
    if streamingCalls.add(1, ordering: .relaxed).newValue <= limit { return true }
    streamingCallFinished()
    return false
  }

  func streamingCallFinished() { streamingCalls.subtract(1, ordering: .relaxed) }
}
