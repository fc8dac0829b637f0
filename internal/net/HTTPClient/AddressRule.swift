internal import Glibc

/// Which addresses a client may connect to. Judged by the address itself, after the name was resolved, so that no name
/// leads inside.
public enum AddressRule: Sendable, Hashable {
  /// Every address.
  case any
  /// Addresses of the public internet, and those of the networks named.
  case publicInternet(besides: [IPNetwork] = [])

  func allows(_ address: IPAddress) -> Bool {
    switch self {
    case .any: true
    case .publicInternet(let others): others.contains { $0.contains(address) } || address.isPublic
    }
  }
}

/// An IPv4 or IPv6 address.
public struct IPAddress: Sendable, Hashable {
  /// 4 or 16 bytes, in network order.
  let bytes: [UInt8]

  init(bytes: [UInt8]) { self.bytes = bytes }

  /// An address as `inet_pton` reads it; nil for anything else.
  public init?(_ text: String) {
    for (family, length) in [(AF_INET, 4), (AF_INET6, 16)] {
      var bytes = [UInt8](repeating: 0, count: length)
      if inet_pton(family, text, &bytes) == 1 {
        self.bytes = bytes
        return
      }
    }
    return nil
  }

  /// Whether the address is one of the public internet: none of IANA's special-purpose registries (RFC 6890), and no
  /// way of writing such a one (mapped, NAT64, 6to4, Teredo).
  public var isPublic: Bool {
    if bytes.count == 4 { return !Self.specialIPv4.contains { $0.contains(self) } }
    return Self.globalUnicast.contains(self) && !Self.specialIPv6.contains { $0.contains(self) }
  }

  private static let specialIPv4 = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
  ].compactMap { IPNetwork($0) }

  private static let globalUnicast = IPNetwork("2000::/3")!  // a constant that the tests read

  /// Within 2000::/3; all else is not public.
  private static let specialIPv6 = [
    "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
  ].compactMap { IPNetwork($0) }
}

/// A network in CIDR's way of writing.
public struct IPNetwork: Sendable, Hashable {
  private let address: IPAddress
  private let prefix: Int

  /// `10.0.0.0/8`, `fd00::/8`, or an address alone; nil for anything else, such as bits beyond the prefix.
  public init?(_ text: String) {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let address = IPAddress(String(parts[0])) else { return nil }
    let width = address.bytes.count * 8
    var prefix = width
    if parts.count == 2 {
      let digits = parts[1]
      guard (1...3).contains(digits.utf8.count), digits.allSatisfy(\.isASCII), digits.allSatisfy(\.isNumber),
        let number = Int(digits), number <= width
      else { return nil }
      prefix = number
    }
    self.address = address
    self.prefix = prefix
    guard (prefix..<width).allSatisfy({ !Self.bit($0, of: address) }) else { return nil }
  }

  /// Whether the address is in the network. One of the other family never is.
  public func contains(_ other: IPAddress) -> Bool {
    other.bytes.count == address.bytes.count
      && (0..<prefix).allSatisfy { Self.bit($0, of: other) == Self.bit($0, of: address) }
  }

  private static func bit(_ position: Int, of address: IPAddress) -> Bool {
    address.bytes[position / 8] >> UInt8(7 - position % 8) & 1 == 1
  }
}
