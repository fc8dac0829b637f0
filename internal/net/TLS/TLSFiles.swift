/// The PEM files of one side's identity.
public struct TLSIdentityFiles: Sendable, Hashable {
  /// The certificate, and after it those of the authorities between it and the root.
  public var certificate: String
  /// The certificate's private key, not encrypted.
  public var key: String

  /// - Parameters:
  ///   - certificate: the path of the certificate chain.
  ///   - key: the path of its private key.
  public init(certificate: String, key: String) {
    self.certificate = certificate
    self.key = key
  }
}

/// The authorities that the other side's certificate must come from.
public enum TLSAuthorities: Sendable, Hashable {
  /// A PEM file with the certificates of authorities.
  case file(String)
  /// Those that this machine trusts.
  case system
}
