public import Errors

/// Why an HTTP server does not start, or gets no certificate. Never holds a secret.
public struct HTTPServerError: ModuleError {
  public enum Code: Sendable, Hashable {
    /// The host has no address.
    case unknownHost
    /// The address is taken, not ours, or not allowed.
    case cannotListen
    /// The file with the certificate chain cannot be read or used.
    case certificate
    /// The file with the private key cannot be read or used, or the key is not the certificate's.
    case key
    /// The HTTP library did not start, most likely for want of threads or memory.
    case cannotStart
  }

  public let code: Code
  public let message: String
  public let cause: (any Error)?
  public let location: SourceLocation
  /// An address may become free again.
  public var isRetryable: Bool { code == .unknownHost || code == .cannotListen }

  init(_ code: Code, _ message: String, location: SourceLocation = .here()) {
    self.code = code
    self.message = message
    self.cause = nil
    self.location = location
  }
}
