public import Errors

/// The one error of this module. Whatever it is, it costs its caller speed only.
public struct RedisError: ModuleError {
  /// What kind of failure it is.
  public enum Code: Sendable, Hashable {
    /// The DSN cannot be used.
    case invalidDSN
    /// No connection could be made: nobody listens, or it took longer than the connect timeout.
    case connectionFailed
    /// The connection broke or the server closed it. Commands sent before may have been carried out.
    case connectionLost
    /// No answer within the command timeout; the connection is given up, as answers would no longer match.
    case timedOut
    /// Password or user refused, or none given where one is needed.
    case notAuthorized
    /// The server is full (`OOM`).
    case outOfMemory
    /// The server is a replica, as after a failover (`READONLY`), or has too few replicas (`NOREPLICAS`).
    case readOnly
    /// The server is still loading its data (`LOADING`), or its master is away (`MASTERDOWN`).
    case loading
    /// Any other error reply.
    case server
    /// The answer is not what the command gives.
    case protocolViolation
    /// The breaker is open: the server failed shortly before and is not asked.
    case circuitOpen
    /// The client has been closed.
    case closed
  }

  public let code: Code
  public let message: String
  public let cause: (any Error)?
  public let location: SourceLocation

  init(_ code: Code, _ message: String, location: SourceLocation = .here()) {
    self.code = code
    self.message = message
    self.cause = nil
    self.location = location
  }

  /// An error reply. Only its first word goes into the message, as the rest may quote what was sent.
  init(reply: String, _ action: String, location: SourceLocation = .here()) {
    let word = reply.prefix { $0 != " " }
    let code: Code =
      switch word {
      case "OOM": .outOfMemory
      case "READONLY", "NOREPLICAS": .readOnly
      case "LOADING", "MASTERDOWN": .loading
      case "NOAUTH", "WRONGPASS", "NOPERM": .notAuthorized
      default: .server
      }
    self.init(code, "Redis refuses to \(action): \(word)", location: location)
  }

  public var isRetryable: Bool {
    switch code {
    case .invalidDSN, .closed, .protocolViolation: false
    default: true
    }
  }

  /// Whether the server answered, only not as asked: the error reply took its place among the answers.
  var isRefusal: Bool {
    switch code {
    case .outOfMemory, .readOnly, .loading, .server, .notAuthorized: true
    default: false
    }
  }

  /// Whether the connection is still of use after it. After a failover the name may lead to the new master, while the
  /// connection goes on to the old one.
  var keepsConnection: Bool { isRefusal && code != .readOnly }
}
