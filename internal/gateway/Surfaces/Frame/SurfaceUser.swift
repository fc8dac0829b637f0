internal import Crypto
package import Values

/// Users whom a surface knows by a text: each has one id, which everybody can work out again.
package enum SurfaceUser {
  /// The namespace of the names (RFC 9562 section 5.5); it stays for ever.
  package static let namespace = UniqueID("b0f1e6a4-5c0e-4f5d-9a3b-7d2c8e91f604")!  // a UUID, see the test

  /// The UUID of version 5 of a name.
  package static func id(named name: String) -> UniqueID {
    var bytes = withUnsafeBytes(of: (namespace.high.bigEndian, namespace.low.bigEndian)) { Array($0) }
    bytes += name.utf8
    return UniqueID(nameDigest: SHA1.digest(of: bytes.span.bytes))
  }
}
