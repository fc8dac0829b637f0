/// Which calls a server writes to its log, beside its own trouble. Failed calls are warnings, so that those that repeat
/// are counted: at most some a second are written.
public enum AccessLog: String, Sendable, CaseIterable {
  /// None.
  case off
  /// Those that failed.
  case errors
  /// All of them.
  case all
}
