import HTTPServer
import Metrics
import Testing
import Values

@testable import GatewayAPI

@Suite struct WaiterPlacesTests {
  private let metrics = MetricsRegistry()
  private let one = WaitingPeer.key(UniqueID.random())
  private let other = WaitingPeer.key(UniqueID.random())

  @Test func `a peer takes no more places than it may, and all together no more than there are`() throws {
    let places = WaiterPlaces(.init(all: 3, perPeer: 2), metrics: metrics)
    var own = try (0..<2).map { _ in try places.take(for: one) }
    #expect(throws: Fault.tooManyOfPeer) { try places.take(for: one) }
    let theirs = try places.take(for: other)
    #expect(throws: Fault.tooManyWaiters) { try places.take(for: other) }
    #expect(places.taken == 3)
    let text = metrics.exposition()
    #expect(text.contains("gateway_waiters 3\n"))
    #expect(text.contains("gateway_waiters_refused_total{limit=\"peer\"} 1\n"))
    #expect(text.contains("gateway_waiters_refused_total{limit=\"all\"} 1\n"))
    own.removeLast()
    own.append(try places.take(for: one))
    withExtendedLifetime((own, theirs)) {}
  }

  @Test func `nothing is kept of peers without a place`() throws {
    let places = WaiterPlaces(.init(all: 3, perPeer: 2), metrics: metrics)
    do {
      let taken = [try places.take(for: one), try places.take(for: other)]
      #expect(places.peers == taken.count)
    }
    #expect(places.peers == 0 && places.taken == 0)
  }

  @Test func `callers without a key count by their address or network`() {
    func network(_ host: String) -> PeerNetwork { PeerNetwork(NetworkAddress(host: host, port: 1)) }
    #expect(network("192.0.2.1") == network("192.0.2.1") && network("192.0.2.1") != network("192.0.2.2"))
    #expect(network("192.0.2.1") == network("::ffff:192.0.2.1"))
    #expect(network("2001:db8:0:1::1") == network("2001:db8:0:1:f::2"))
    #expect(network("2001:db8:0:1::1") != network("2001:db8:0:2::1"))
    #expect(network("") != network("0.0.0.0"))
  }
}
