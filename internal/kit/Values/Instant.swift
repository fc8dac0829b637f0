internal import Glibc

/// A point on this machine's monotonic clock (CLOCK_BOOTTIME), which goes on while the machine sleeps.
///
/// Leases are timed by it: with a clock that stops in suspend an owner would believe in a lease that is over.
public struct Instant: Sendable, Hashable, Comparable {
  /// Nanoseconds since boot.
  public var nanoseconds: Int64

  /// - Parameter nanoseconds: since boot.
  @inlinable
  public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  /// The present moment. Callable on any thread.
  public static func now() -> Instant {
    var time = timespec()
    clock_gettime(CLOCK_BOOTTIME, &time)
    return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
  }

  /// A moment that never comes, for "no deadline".
  public static let distantFuture = Instant(nanoseconds: .max)

  @inlinable
  public static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }

  /// Saturates, upwards at `distantFuture`.
  @inlinable
  public static func + (left: Instant, right: Duration) -> Instant {
    Instant(nanoseconds: left.nanoseconds.adding(saturating: right.inNanoseconds))
  }

  /// Saturates; `distantFuture` less anything is `distantFuture`.
  @inlinable
  public static func - (left: Instant, right: Duration) -> Instant {
    left == .distantFuture
      ? left : Instant(nanoseconds: left.nanoseconds.subtracting(saturating: right.inNanoseconds))
  }

  /// The time from `right` to `left`, negative when `right` is the later one; saturates.
  @inlinable
  public static func - (left: Instant, right: Instant) -> Duration {
    .nanoseconds(left.nanoseconds.subtracting(saturating: right.nanoseconds))
  }
}

extension Duration {
  /// The whole duration in nanoseconds, saturating at about ±292 years.
  @inlinable
  public var inNanoseconds: Int64 {
    let (seconds, attoseconds) = components
    return seconds.multiplied(saturating: 1_000_000_000).adding(saturating: attoseconds / 1_000_000_000)
  }

  /// The whole duration in milliseconds, rounded towards zero.
  @inlinable
  public var inMilliseconds: Int64 { inNanoseconds / 1_000_000 }

  /// The duration in seconds.
  @inlinable
  public var inSeconds: Double { Double(inNanoseconds) / 1e9 }
}
