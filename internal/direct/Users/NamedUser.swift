internal import Crypto
public import Values

/// Users whom a system knows by a text: each has one id, which everybody can work out again.
///
///     NamedUser.id(named: "alice")  // uuid5("b0f1e6a4-5c0e-4f5d-9a3b-7d2c8e91f604", "alice")
public enum NamedUser {
  /// The namespace of the names (RFC 9562 section 5.5). It stays: accounts belong to these ids.
  public static let namespace = UniqueID(high: 0xB0F1_E6A4_5C0E_4F5D, low: 0x9A3B_7D2C_8E91_F604)

  /// The UUID of version 5 of a name's UTF-8.
  public static func id(named name: String) -> UniqueID {
    var bytes = withUnsafeBytes(of: (namespace.high.bigEndian, namespace.low.bigEndian)) { Array($0) }
    bytes += name.utf8
    return UniqueID(nameDigest: SHA1.digest(of: bytes.span.bytes))
  }
}
