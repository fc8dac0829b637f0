internal import Synchronization

/// Counts observations in buckets with fixed upper bounds. Callable on any thread.
public final class Histogram: @unchecked Sendable {
  // @unchecked: the memory behind `buckets` is made in init and holds atomics only.

  /// Seconds, from 100 µs to 10 s: what calls, statements and publications take.
  public static let latencySeconds: [Double] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
  ]
  /// Seconds, from 1 ms to an hour: how long something waited, which an outage makes long.
  public static let delaySeconds: [Double] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600,
  ]
  /// Powers of four up to 16,384: batch sizes.
  public static let sizes: [Double] = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384]

  let bounds: [Double]
  private let buckets: UnsafeMutableBufferPointer<Atomic<UInt64>>
  private let sum = Atomic<UInt64>(0)  // a Double's bits

  /// - Parameter bounds: inclusive upper bounds, ascending; one bucket above the last is always there.
  public init(bounds: [Double] = Histogram.latencySeconds) {
    precondition(zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 }, "histogram bounds must ascend")
    self.bounds = bounds
    buckets = .allocate(capacity: bounds.count + 1)
    for index in buckets.indices { buckets.initializeElement(at: index, to: Atomic(0)) }
  }

  deinit {
    buckets.deinitialize()
    buckets.deallocate()
  }

  /// Counts an observation into the first bucket whose bound is not below it.
  public func observe(_ value: Double) {
    var index = 0
    while index < bounds.count, value > bounds[index] { index += 1 }
    buckets[index].wrappingAdd(1, ordering: .relaxed)
    var old = sum.load(ordering: .relaxed)
    while true {
      let new = (Double(bitPattern: old) + value).bitPattern
      let (isDone, found) = sum.weakCompareExchange(expected: old, desired: new, ordering: .relaxed)
      if isDone { return }
      old = found
    }
  }

  /// Cumulative bucket counts (the last is the total), sum and count. The counts belong together; the sum may lack or
  /// have more what is observed meanwhile.
  public func snapshot() -> (cumulative: [UInt64], sum: Double, count: UInt64) {
    var running: UInt64 = 0
    let cumulative = buckets.indices.map { index in
      running += buckets[index].load(ordering: .relaxed)
      return running
    }
    return (cumulative, Double(bitPattern: sum.load(ordering: .relaxed)), running)
  }
}
