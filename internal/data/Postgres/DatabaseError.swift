public import Errors

/// What went wrong between us and PostgreSQL.
///
/// `description` is safe to log: it holds the server's primary message but neither its DETAIL, which may quote a row,
/// nor anything of the DSN but host, port, user and database. The rest is in `debugDescription`.
public struct DatabaseError: ModuleError {
  /// The kinds of failure, by what the caller may do next.
  public enum Code: Sendable, Hashable {
    /// No connection could be made; nothing was sent.
    case connectionFailed
    /// The connection broke, or the server did not answer in time, and nothing that was sent can have committed.
    case connectionLost
    /// The connection broke, or the server did not answer in time, after something was sent that may have committed:
    /// look before doing it again.
    case outcomeUnknown
    /// The server refused a command; see `sqlState`. The run it belonged to had no effect.
    case server
    /// No connection became free before the deadline; the job was not started.
    case unavailable
    /// The pool's queue is full; the job was not started.
    case overloaded
    /// The DSN or a parameter cannot be read.
    case invalidDSN
    /// The connection or the pool was closed by this program.
    case closed
    /// The server answered with something that the protocol does not allow here; the connection was closed.
    case protocolViolation
    /// A row holds a value that this program cannot read, such as NULL or an unknown status. It is the row's fault:
    /// others can be read.
    case content
    /// A column has another type than this program reads: the tables' fault, no row can be read.
    case schema
  }

  public let code: Code
  public let message: String
  public let cause: (any Error)?
  public let location: SourceLocation
  /// The five-character SQLSTATE (PostgreSQL, appendix A), when the server sent one.
  public let sqlState: String?
  /// The constraint that was violated, when there is one.
  public let constraint: String?
  /// Which command of the run failed, counted from zero, when that is known.
  public internal(set) var commandIndex: Int?
  /// DETAIL, HINT and CONTEXT of the server; may hold data, so it is for `debugDescription` only.
  let detail: String?

  init(
    _ code: Code, _ message: String, sqlState: String? = nil, constraint: String? = nil, detail: String? = nil,
    commandIndex: Int? = nil, cause: (any Error)? = nil, location: SourceLocation = .here()
  ) {
    self.code = code
    self.message = message
    self.sqlState = sqlState
    self.constraint = constraint
    self.detail = detail
    self.commandIndex = commandIndex
    self.cause = cause
    self.location = location
  }

  /// The caller cannot use the database now, for a reason of its own; nothing was sent.
  public static func unavailable(_ message: String) -> DatabaseError { DatabaseError(.unavailable, message) }

  /// What a reader of rows found that it cannot read: the row's fault.
  public static func content(_ message: String) -> DatabaseError { DatabaseError(.content, message) }

  /// Whether the same call may succeed later without a change. Never true for `outcomeUnknown`: it may have succeeded.
  public var isRetryable: Bool {
    switch code {
    case .connectionFailed, .connectionLost, .unavailable, .overloaded: true
    case .outcomeUnknown, .invalidDSN, .closed, .protocolViolation, .content, .schema: false
    case .server: sqlState.map(Self.isRetryable(sqlState:)) ?? false
    }
  }

  /// Whether the transaction lost against a concurrent one (40001) and may simply be run again.
  public var isSerializationFailure: Bool { sqlState == "40001" }
  /// Whether the transaction was chosen as a deadlock's victim (40P01).
  public var isDeadlock: Bool { sqlState == "40P01" }
  /// Whether a lock was waited for longer than `lock_timeout` (55P03).
  public var isLockTimeout: Bool { sqlState == "55P03" }
  /// Whether a statement was cancelled, by `statement_timeout` or on request (57014).
  public var isCancelled: Bool { sqlState == "57014" }
  /// Whether the server, or the transaction, takes no writes (25006).
  public var isReadOnly: Bool { sqlState == "25006" }
  /// Whether no partition takes the row (23514 too, but without a constraint).
  public var isMissingPartition: Bool { sqlState == "23514" && constraint == nil }
  /// Whether the connection can no longer be used after this error.
  public var isConnectionGone: Bool {
    switch code {
    case .connectionFailed, .connectionLost, .outcomeUnknown, .closed, .protocolViolation: true
    case .server, .unavailable, .overloaded, .invalidDSN, .content, .schema: false
    }
  }

  private static func isRetryable(sqlState: String) -> Bool {
    switch sqlState {
    case "25006", "40001", "40P01", "55P03", "57014", "57P01", "57P02", "57P03", "57P05", "25P03", "26000": true
    default: sqlState.hasPrefix("08") || sqlState.hasPrefix("53")
    }
  }

  public var description: String {
    var text = message
    if let sqlState { text += " (SQLSTATE \(sqlState))" }
    if let cause { text += ": \(cause)" }
    return text
  }

  public var debugDescription: String {
    var text = "\(code) at \(location): \(description)"
    if let commandIndex { text += "; command \(commandIndex)" }
    if let constraint { text += "; constraint \(constraint)" }
    if let detail { text += "; \(detail)" }
    return text
  }
}
