public import Errors
internal import Postgres

/// Why the schema could not be brought where it was wanted.
public struct MigratorError: ModuleError {
  public enum Code: Sendable, Hashable {
    /// The directory or a file cannot be read, or a file's name does not say what it is.
    case unreadable
    /// A version is missing, there twice, or without its down file.
    case inconsistent
    /// The database is marked dirty: a migration by another tool stopped half way.
    case dirty
    /// The database is at a version that the directory does not have.
    case unknownVersion
    /// A migration's SQL failed; nothing of it remains.
    case migrationFailed
    /// Another migrator held the lock until the deadline.
    case locked
    /// The tables are older than a program needs, or its role may not do with them what the program does.
    case unmet
    /// The database could not be reached, or was lost.
    case database
  }

  public let code: Code
  public let message: String
  public let cause: (any Error)?
  public let location: SourceLocation

  init(_ code: Code, _ message: String, cause: (any Error)? = nil, location: SourceLocation = .here()) {
    self.code = code
    self.message = message
    self.cause = cause
    self.location = location
  }

  /// A deadlock, or a lock that was not to be had in time: others are at the same tables.
  var isOfLock: Bool {
    guard code == .migrationFailed || code == .database, let cause = cause as? DatabaseError else { return false }
    return cause.isDeadlock || cause.isLockTimeout
  }

  /// A failing migration fails again, unless the database says that a retry is worth it. After `outcomeUnknown` one
  /// may be run again too: the version in the database tells what is left to do.
  public var isRetryable: Bool {
    switch code {
    case .unreadable, .inconsistent, .dirty, .unknownVersion, .unmet: false
    case .locked: true
    case .migrationFailed, .database:
      (cause as? DatabaseError).map { $0.isRetryable || $0.code == .outcomeUnknown } ?? false
    }
  }
}
