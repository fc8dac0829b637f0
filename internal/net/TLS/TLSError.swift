public import Errors

/// Why TLS could not be set up, or a handshake failed. Never holds a secret: file names and OpenSSL's reasons only.
public struct TLSError: ModuleError {
  public enum Code: Sendable, Hashable {
    /// The file with the certificate chain cannot be used.
    case certificate
    /// The file with the private key cannot be used, or the key is not the certificate's.
    case key
    /// The file with the authorities cannot be used.
    case authorities
    /// The file with the revocation lists cannot be used.
    case revocations
    /// No agreement with the peer: versions, ciphers, certificates, ALPN, or no TLS at all.
    case handshake
    /// An established connection failed: an alert of the peer, or bytes that cannot be decrypted.
    case connection
    /// OpenSSL got no memory.
    case outOfMemory
  }

  public let code: Code
  public let message: String
  public let cause: (any Error)?
  public let location: SourceLocation
  public var isRetryable: Bool { code == .outOfMemory }

  init(_ code: Code, _ message: String, location: SourceLocation = .here()) {
    self.code = code
    self.message = message
    self.cause = nil
    self.location = location
  }
}
