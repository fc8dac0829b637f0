internal import Glibc

/// A host and a port, as settings name them: `127.0.0.1:8081`, `[::1]:8081`, `db.internal:5432`.
public struct NetworkAddress: Sendable, Hashable, CustomStringConvertible {
  /// A name or a numeric address, IPv6 without its brackets.
  public let host: String
  /// 0 means any free port where something listens.
  public let port: UInt16

  /// - Parameters:
  ///   - host: a name or a numeric address, IPv6 without brackets; nothing is looked up.
  ///   - port: 0 for any free port where something listens.
  public init(host: String, port: UInt16) {
    self.host = host
    self.port = port
  }

  /// Every address of the machine, IPv4 and IPv6, to listen on.
  public static let everyHost = "::"

  /// Parses `HOST:PORT`; an empty host (`:8081`) is every address, IPv4 and IPv6. Anything else gives nil.
  public init?(_ text: some StringProtocol) {
    guard let colon = text.lastIndex(of: ":") else { return nil }
    let digits = text[text.index(after: colon)...]
    guard (1...5).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      let port = UInt16(digits)
    else { return nil }
    let host = text[..<colon]
    if host.isEmpty {
      self.init(host: Self.everyHost, port: port)
    } else if host.hasPrefix("["), host.hasSuffix("]") {
      let inner = host.dropFirst().dropLast()
      guard inner.contains(":"), inner.utf8.allSatisfy(Self.isIPv6Byte) else { return nil }
      self.init(host: String(inner), port: port)
    } else {
      guard host.utf8.count <= 253, host.utf8.allSatisfy(Self.isNameByte) else { return nil }
      self.init(host: String(host), port: port)
    }
  }

  /// Whether the host is a numeric IPv6 address.
  public var isIPv6: Bool { host.contains(":") }

  /// Whether only this machine reaches it: `localhost` (RFC 6761 section 6.3), 127.0.0.0/8 or ::1. Other names are not
  /// looked up.
  public var isLoopback: Bool {
    if host.lowercased() == "localhost" { return true }
    var address4 = in_addr()
    if inet_pton(AF_INET, host, &address4) == 1 { return UInt32(bigEndian: address4.s_addr) >> 24 == 127 }
    var address6 = in6_addr()
    guard inet_pton(AF_INET6, host, &address6) == 1 else { return false }
    let bytes = withUnsafeBytes(of: address6) { Array($0) }
    let isMapped = bytes[..<12].elementsEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF])
    return isMapped ? bytes[12] == 127 : bytes == [UInt8](repeating: 0, count: 15) + [1]
  }

  public var description: String { isIPv6 ? "[\(host)]:\(port)" : "\(host):\(port)" }

  /// Hexadecimal digits, colons, the dots of an embedded IPv4 address, and a zone after `%`.
  private static func isIPv6Byte(_ byte: UInt8) -> Bool {
    isNameByte(byte) || byte == UInt8(ascii: ":") || byte == UInt8(ascii: "%")
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
      true
    default: false
    }
  }
}
