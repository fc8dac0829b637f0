public import Errors
internal import HTTPServer

/// Why the admin endpoint does not start.
public struct AdminError: ModuleError {
  public enum Code: Sendable, Hashable {
    /// The host has no address.
    case unknownHost
    /// The address is taken, not ours, or not allowed.
    case cannotListen
    /// The HTTP library did not start, most likely for want of threads or memory.
    case cannotStart
  }

  public let code: Code
  public let message: String
  public let cause: (any Error)?
  public let location: SourceLocation
  /// An address may become free again.
  public var isRetryable: Bool { code != .cannotStart }

  init(_ error: HTTPServerError) {
    code =
      switch error.code {
      case .unknownHost: .unknownHost
      case .cannotListen: .cannotListen
      case .cannotStart, .certificate: .cannotStart
      }
    message = error.message
    cause = error.cause
    location = error.location
  }
}
