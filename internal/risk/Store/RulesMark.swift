internal import Synchronization
internal import Values

/// When the rules were last written into their table.
final class RulesMark: Sendable {
  private let last = Mutex<Instant?>(nil)

  /// Whether that was longer ago, or never.
  func isOlder(than age: Duration) -> Bool { last.withLock { last in last.map { .now() - $0 >= age } ?? true } }

  /// They were written now.
  func set() { last.withLock { $0 = .now() } }
}
