/// Why a store gave no answer.
package enum StoreTrouble: Error, Sendable, Hashable {
  /// More calls wait for it than may.
  case overloaded
  /// The database did not answer in time; nothing was done and nothing will be.
  case unavailable
  /// The change may have been made, or may yet be.
  case outcomeUnknown
  /// The program is shutting down; nothing was done.
  case stopping
  /// A row or the tables are not as this version expects; for the log.
  case faulty(String)
}
