import Glibc
import Values

/// Shows progress on standard error: a bar on a terminal, a line every five seconds elsewhere.
struct ProgressDisplay {
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private var next: Instant
  private var isDrawn = false

  init(start: Instant) { next = start + (isatty(STDERR_FILENO) == 1 ? .milliseconds(200) : .seconds(5)) }

  /// When `show` has something to do again.
  var due: Instant { next }

  mutating func show(_ progress: Progress, at now: Instant) {
    guard now >= next else { return }
    if isTerminal {
      writeToError("\r\u{1B}[K\(progress.bar(at: now))")
      isDrawn = true
      next = now + .milliseconds(100)
    } else {
      notice(progress.line(at: now))
      next = now + .seconds(5)
    }
  }

  /// Takes the bar away, so that the result stands alone.
  mutating func finish() {
    if isDrawn { writeToError("\r\u{1B}[K") }
    isDrawn = false
  }
}
