internal import Glibc
public import Values

/// What the limits of a peer are counted by: an IPv4 address, or the first 64 bits of an IPv6 address, of which a
/// single caller commonly has all.
public struct PeerNetwork: Sendable, Hashable {
  private let high: UInt64
  private let low: UInt64

  init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// The network of a peer, `HTTPRequest.peer`; all that is no address of IPv4 or IPv6 is one network.
  public init(_ peer: NetworkAddress) {
    var raw: [UInt8] = Array(repeating: 0, count: 16)
    if inet_pton(AF_INET, peer.host, &raw) == 1 {
      self = Self.of(Array(raw.prefix(4)), port: peer.port).network
    } else if inet_pton(AF_INET6, peer.host, &raw) == 1 {
      self = Self.of(raw, port: peer.port).network
    } else {
      self.init(high: 0, low: 0)
    }
  }

  /// The network and the address of the other end of a socket; an empty host where it has none any more.
  static func of(_ descriptor: Int32) -> (network: PeerNetwork, address: NetworkAddress) {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return withUnsafeMutableBytes(of: &storage) { bytes in
      // The address is longer than it looks to the compiler: it was made for every family.
      guard getpeername(descriptor, bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), &length) == 0 else {
        return (PeerNetwork(high: 0, low: 0), NetworkAddress(host: "", port: 0))
      }
      // sockaddr_in has family, port and address in its first 8 bytes; sockaddr_in6 a flow label between the last two.
      let port = UInt16(bytes[2]) << 8 | UInt16(bytes[3])
      let isIPv4 = Int32(bytes.load(as: sa_family_t.self)) == AF_INET
      let raw = Array(isIPv4 ? bytes[4..<8] : bytes[8..<24])
      return of(raw, port: port)
    }
  }

  /// - Parameter raw: 4 or 16 bytes.
  static func of(_ raw: [UInt8], port: UInt16) -> (network: PeerNetwork, address: NetworkAddress) {
    let isMapped = raw.count == 16 && raw[..<12].elementsEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF])
    let plain = isMapped ? Array(raw[12...]) : raw
    let number = plain.prefix(8).reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
    let host = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer -> String in
      guard let base = buffer.baseAddress, inet_ntop(plain.count == 4 ? AF_INET : AF_INET6, plain, base, 64) != nil
      else { return "" }
      return String(cString: base)
    }
    return (
      PeerNetwork(high: plain.count == 4 ? 4 : 6, low: number), NetworkAddress(host: host, port: port)
    )
  }
}
