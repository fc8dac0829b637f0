internal import Synchronization

/// A number that only grows. Callable on any thread.
public final class Counter: Sendable {
  private let value = Atomic<UInt64>(0)

  /// A counter at zero. `MetricsRegistry.counter` makes those that are exposed.
  public init() {}

  /// Adds `count`, which is 0 or more.
  public func add(_ count: Int = 1) {
    precondition(count >= 0, "a counter only grows")
    value.wrappingAdd(UInt64(count), ordering: .relaxed)
  }

  /// The sum of what was added; wraps at 2^64.
  public var total: UInt64 { value.load(ordering: .relaxed) }
}
