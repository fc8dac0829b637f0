public import Errors

/// Why an audit could not be made; its findings are in `AuditReport`.
public struct AuditError: ModuleError {
  public enum Code: Sendable, Hashable {
    /// The topic is not there.
    case noTopic
    /// The broker stopped answering.
    case stalled
    case interrupted
    case database
    case kafka
  }

  public let code: Code
  public let message: String
  public let cause: (any Error)?
  public let location: SourceLocation

  init(_ code: Code, _ message: String, cause: (any Error)? = nil, file: String = #fileID, line: Int = #line) {
    self.code = code
    self.message = message
    self.cause = cause
    self.location = .here(file: file, line: line)
  }

  public var isRetryable: Bool {
    switch code {
    case .stalled: true
    case .database, .kafka: (cause as? any ModuleError)?.isRetryable ?? false
    case .noTopic, .interrupted: false
    }
  }
}
