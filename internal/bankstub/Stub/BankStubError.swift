public import Errors
internal import Glibc

/// Why the bank stub does not start or goes on no more.
public struct BankStubError: ModuleError {
  /// The kinds of failure.
  public enum Code: Sendable, Hashable {
    /// The file cannot be read or written.
    case file
  }

  public let code: Code
  public let message: String
  public let cause: (any Error)?
  public let location: SourceLocation
  /// Somebody has to look at the file.
  public var isRetryable: Bool { false }

  static func file(_ path: String, location: SourceLocation = .here()) -> BankStubError {
    BankStubError(
      code: .file, message: "BANKSTUB_FILE \(path): \(String(cString: strerror(errno)))", cause: nil, location: location
    )
  }
}
