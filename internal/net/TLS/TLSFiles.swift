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

/// Which clients a server lets in: those with a certificate of these authorities.
public struct TLSClients: Sendable, Hashable {
  /// A PEM file with the certificates of authorities.
  public var authorities: String
  /// A PEM file with their revocation lists; nil: no certificate is revoked before its end. With it a client is refused
  /// whose certificate is on its authority's list, and also when that list is not there or is over.
  public var revocations: String?

  /// - Parameters:
  ///   - authorities: the path of the authorities' certificates.
  ///   - revocations: the path of their revocation lists; nil for none.
  public init(authorities: String, revocations: String? = nil) {
    self.authorities = authorities
    self.revocations = revocations
  }
}
