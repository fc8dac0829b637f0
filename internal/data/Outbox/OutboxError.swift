public import Errors

/// Why an operation on the outbox failed.
public struct OutboxError: ModuleError {
  public enum Code: Sendable, Hashable {
    /// The tables are missing or not as expected; run the migrations.
    case schema
    /// A setting cannot work.
    case configuration
    /// The database failed; see `cause`.
    case database
  }

  public let code: Code
  public let message: String
  public let cause: (any Error)?
  public let location: SourceLocation

  /// - Parameter cause: the error below this one, such as a `DatabaseError`.
  public init(
    _ code: Code, _ message: String, cause: (any Error)? = nil, file: String = #fileID, line: Int = #line
  ) {
    self.code = code
    self.message = message
    self.cause = cause
    self.location = .here(file: file, line: line)
  }

  public var isRetryable: Bool {
    switch code {
    case .database: (cause as? any ModuleError)?.isRetryable ?? false
    case .schema, .configuration: false
    }
  }
}
