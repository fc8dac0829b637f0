public import Errors

/// Why a server could not start.
public struct GRPCError: ModuleError {
  public enum Code: Sendable, Hashable {
    /// The address cannot be read, resolved or bound.
    case cannotListen
    /// The same method is registered twice, or a path is not `/package.Service/Method`.
    case invalidService
    /// Descriptors for reflection that cannot be read, are incomplete, or do not declare a service.
    case invalidDescriptors
  }

  public let code: Code
  public let message: String
  public let cause: (any Error)?
  public let location: SourceLocation
  public var isRetryable: Bool { code == .cannotListen }

  init(_ code: Code, _ message: String, cause: (any Error)? = nil, location: SourceLocation = .here()) {
    self.code = code
    self.message = message
    self.cause = cause
    self.location = location
  }
}
