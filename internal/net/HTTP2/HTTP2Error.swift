public import Errors

/// An error of a whole connection or a listener.
public struct HTTP2Error: ModuleError {
  public enum Code: Sendable, Hashable {
    /// The address cannot be read or resolved.
    case invalidAddress
    /// A socket could not be made, bound, listened on or connected.
    case socket
    /// nghttp2 could not make a session: out of memory.
    case session
  }

  public let code: Code
  public let message: String
  public let cause: (any Error)?
  public let location: SourceLocation
  public var isRetryable: Bool { code == .socket }

  init(_ code: Code, _ message: String, cause: (any Error)? = nil, location: SourceLocation = .here()) {
    self.code = code
    self.message = message
    self.cause = cause
    self.location = location
  }
}
