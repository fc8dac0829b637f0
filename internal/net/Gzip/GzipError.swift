public import Errors

/// Why bytes could not be compressed or decompressed.
public struct GzipError: ModuleError {
  public enum Code: Sendable, Hashable {
    /// Not gzip, cut short, or with a wrong checksum or length.
    case corrupt
    /// More comes out than the caller allowed.
    case tooLong
    /// zlib got no memory.
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
