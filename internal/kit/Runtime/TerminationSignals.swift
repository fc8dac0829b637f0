internal import CLinux
internal import Glibc

/// SIGTERM and SIGINT as a value to wait for.
///
/// Create it first thing in `main`, before any other thread exists: it blocks the signals in the calling thread, and
/// threads started later inherit that, so that the signals reach the waiting thread only.
public struct TerminationSignals: Sendable {
  /// Blocks SIGTERM, SIGINT and SIGHUP for this thread and those it starts, and ignores SIGPIPE.
  public init() {
    var set = Self.set
    pthread_sigmask(SIG_BLOCK, &set, nil)
    signal(SIGPIPE, SIG_IGN)
  }

  /// Blocks the calling thread until SIGTERM or SIGINT comes; each SIGHUP before that calls `onHangup`.
  /// - Returns: the signal's number.
  public func wait(onHangup: () -> Void = {}) -> Int32 {
    var set = Self.set
    while true {
      var received: Int32 = 0
      guard sigwait(&set, &received) == 0 else { continue }
      if received != SIGHUP { return received }
      onHangup()
    }
  }

  private static var set: sigset_t {
    var set = sigset_t()
    sigemptyset(&set)
    sigaddset(&set, SIGTERM)
    sigaddset(&set, SIGINT)
    sigaddset(&set, SIGHUP)
    return set
  }
}
