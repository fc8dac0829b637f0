public import Errors

/// Why a request has no response. No message quotes what was sent or received.
public struct HTTPClientError: ModuleError {
  /// The kinds of failure.
  public enum Code: Sendable, Hashable {
    /// The URL is none of http or https, or a header or method holds what it must not.
    case invalidRequest
    /// As many requests as the configuration allows are under way.
    case overloaded
    /// The host's name has no address.
    case unknownHost
    /// Every address of the host is one that the configuration refuses.
    case refusedAddress
    /// No connection could be made.
    case connectionFailed
    /// TLS was not agreed on, or the certificate is not trusted.
    case tls
    /// The time for connecting or for the whole was over.
    case timedOut
    /// It was too late to begin (`sendBy`).
    case tooLate
    /// The connection broke.
    case connectionLost
    /// The response is larger than the request allows.
    case responseTooLarge
    /// The response is no HTTP/1.1.
    case invalidResponse
    /// The client was stopped.
    case cancelled
  }

  public let code: Code
  public let message: String
  public let cause: (any Error)?
  public let location: SourceLocation
  /// Whether certainly no byte of the request was sent. Only then has the server done nothing because of it.
  public let nothingWasSent: Bool

  init(_ code: Code, _ message: String, nothingWasSent: Bool, location: SourceLocation = .here()) {
    self.code = code
    self.message = message
    self.nothingWasSent = nothingWasSent
    self.cause = nil
    self.location = location
  }

  /// Whether the same request may succeed later, and has had no effect yet.
  public var isRetryable: Bool { nothingWasSent && code != .invalidRequest && code != .refusedAddress }
}
