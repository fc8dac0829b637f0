internal import Synchronization

/// A number that goes up and down. Callable on any thread.
public final class Gauge: Sendable {
  private let bits = Atomic<UInt64>(0)

  /// A gauge at zero. `MetricsRegistry.gauge` makes those that are exposed.
  public init() {}

  /// Replaces the value.
  public func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }
  /// Replaces the value; beyond 2^53 the nearest Double is taken.
  public func set(_ value: some BinaryInteger) { set(Double(value)) }

  /// The present value.
  public var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }
}
