internal import CLinux
internal import Glibc
public import Values

/// A lock with a condition over one value, for threads of our own that wait for each other.
///
/// `Synchronization.Mutex` has no condition variable; this is POSIX's, waiting on the monotonic clock.
public final class Monitor<State>: @unchecked Sendable {
  // @unchecked: `state` and `condition` are touched only while `mutex` is held.
  private var state: State
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  /// Made by the first who waits, since most monitors are a lock only.
  private var condition: UnsafeMutablePointer<pthread_cond_t>?

  /// - Parameter state: belongs to the monitor from here on.
  public init(_ state: sending State) {
    self.state = state
    mutex = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
  }

  deinit {
    if let condition {
      pthread_cond_destroy(condition)
      condition.deallocate()
    }
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  /// Runs `body` with the lock held and then wakes every waiter.
  public func update<Result: ~Copyable>(_ body: (inout State) throws -> Result) rethrows -> Result {
    pthread_mutex_lock(mutex)
    defer {
      if let condition { pthread_cond_broadcast(condition) }
      pthread_mutex_unlock(mutex)
    }
    return try body(&state)
  }

  /// Runs `body` with the lock held and wakes nobody.
  public func withLock<Result: ~Copyable>(_ body: (inout State) throws -> Result) rethrows -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return try body(&state)
  }

  /// Waits until `body` gives a value, trying it now and after each update; nil once `deadline` has passed.
  ///
  /// Blocks the calling thread: only for threads of our own.
  public func wait<Result>(until deadline: Instant = .distantFuture, _ body: (inout State) -> Result?) -> Result? {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while true {
      if let result = body(&state) { return result }
      let condition = makeCondition()
      if deadline == .distantFuture {
        pthread_cond_wait(condition, mutex)
        continue
      }
      let remaining = (deadline - Instant.now()).inNanoseconds
      if remaining <= 0 { return nil }
      var until = timespec()
      clock_gettime(CLOCK_MONOTONIC, &until)
      let nanoseconds = Int64(until.tv_nsec) + remaining % 1_000_000_000
      until.tv_sec += Int(remaining / 1_000_000_000 + nanoseconds / 1_000_000_000)
      until.tv_nsec = Int(nanoseconds % 1_000_000_000)
      pthread_cond_timedwait(condition, mutex, &until)
    }
  }

  /// With the lock held.
  private func makeCondition() -> UnsafeMutablePointer<pthread_cond_t> {
    if let condition { return condition }
    let made = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(made, &attributes)
    pthread_condattr_destroy(&attributes)
    condition = made
    return made
  }
}
