package import HTTPServer
package import Metrics
internal import Synchronization
package import Values

/// The peer that a waiting call counts towards.
package enum WaitingPeer: Sendable, Hashable {
  /// The caller's API key.
  case key(UniqueID)
  /// Its address or network, where callers have no key.
  case network(PeerNetwork)

  /// The peer of a call without a key.
  package init(_ request: HTTPRequest) { self = .network(PeerNetwork(request.peer)) }
}

/// How many may wait for payments and refunds at a time: all together, and each peer. Callable on any thread.
package final class WaiterPlaces: Sendable {
  /// The limits.
  package struct Limits: Sendable {
    /// The most that wait.
    package var all: Int
    /// The most of one peer.
    package var perPeer: Int

    /// Limits for all together and for each peer.
    package init(all: Int, perPeer: Int) { (self.all, self.perPeer) = (all, perPeer) }
  }
  private struct State {
    var taken = 0
    /// Those that have a place.
    var peers: [WaitingPeer: PeerPlaces] = [:]
  }

  private let limits: Limits
  private let state = Mutex(State())
  private let refusedAll: Counter
  private let refusedPeers: Counter

  /// Places within limits.
  package init(_ limits: Limits, metrics: MetricsRegistry) {
    self.limits = limits
    let refused = { (limit: String) in
      metrics.counter(
        "gateway_waiters_refused_total", help: "Calls that found no place to wait, by the limit.",
        labels: ["limit": limit])
    }
    (refusedAll, refusedPeers) = (refused("all"), refused("peer"))
    metrics.gauge("gateway_waiters", help: "Requests that wait for a payment or refund.") { [weak self] in
      self.map { Double($0.taken) }
    }
  }

  /// Places that somebody has.
  var taken: Int { state.withLock { $0.taken } }

  /// Peers that have places.
  var peers: Int { state.withLock { $0.peers.count } }

  /// Takes a place.
  /// - Throws: 503 when there is none, or the peer has as many as it may.
  func take(for peer: WaitingPeer) throws(Fault) -> WaiterPlace {
    let taken = state.withLock { state -> Result<WaiterPlace, Fault> in
      guard state.taken < limits.all else { return .failure(.tooManyWaiters) }
      let own = state.peers[peer] ?? PeerPlaces(of: peer, in: self)
      guard own.taken < limits.perPeer else { return .failure(.tooManyOfPeer) }
      own.taken += 1
      state.peers[peer] = own
      state.taken += 1
      return .success(WaiterPlace(own))
    }
    if case .failure(let fault) = taken { (fault == .tooManyWaiters ? refusedAll : refusedPeers).add() }
    return try taken.get()
  }

  fileprivate func giveBack(_ own: PeerPlaces) {
    state.withLock { state in
      own.taken -= 1
      state.taken -= 1
      if own.taken == 0 { state.peers[own.peer] = nil }
    }
  }
}

/// The places of one peer.
private final class PeerPlaces: @unchecked Sendable {
  // @unchecked: `taken` is touched only with the lock of `places` held.
  let peer: WaitingPeer
  let places: WaiterPlaces
  var taken = 0

  init(of peer: WaitingPeer, in places: WaiterPlaces) { (self.peer, self.places) = (peer, places) }
}

/// A place among those that wait, taken before anything is done for a call; given back when the last reference goes.
package final class WaiterPlace: Sendable {
  private let own: PeerPlaces

  fileprivate init(_ own: PeerPlaces) { self.own = own }

  deinit { own.places.giveBack(own) }
}
