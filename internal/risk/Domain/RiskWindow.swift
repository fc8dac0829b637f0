internal import Values

/// How far back payments are counted. The raw values are those of rule files and of stored features.
///
/// Payments are counted in buckets, and a window slides by a bucket: it covers at least its length, and at most one
/// bucket more.
public enum RiskWindow: String, Sendable, Hashable, CaseIterable {
  case minute = "1m"
  case hour = "1h"
  case day = "24h"

  /// The length of a bucket, in microseconds.
  var bucket: Int64 {
    switch self {
    case .minute: 5_000_000
    case .hour: 60_000_000
    case .day: 1_800_000_000
    }
  }

  /// How many buckets are as long as the window.
  var buckets: Int64 {
    switch self {
    case .minute: 12
    case .hour: 60
    case .day: 48
    }
  }
}

/// What was counted: payments in all currencies, and the sum in that of the payment that is decided about.
public struct RiskCount: Sendable, Hashable {
  /// How many payments.
  public var count: Int64
  /// In minor units.
  public var sum: Int64

  /// A count.
  public init(count: Int64 = 0, sum: Int64 = 0) {
    self.count = count
    self.sum = sum
  }

  mutating func add(count: Int64, sum: Int64) {
    self.count = self.count.adding(saturating: count)
    self.sum = self.sum.adding(saturating: sum)
  }
}

/// What was counted of one key in each window.
public struct RiskUsage: Sendable, Hashable {
  /// In the last minute.
  public var minute = RiskCount()
  /// In the last hour.
  public var hour = RiskCount()
  /// In the last 24 hours.
  public var day = RiskCount()

  /// Nothing.
  public init() {}

  /// Adds what was counted of another key.
  mutating func add(_ other: RiskUsage) {
    for window in RiskWindow.allCases { self[window].add(count: other[window].count, sum: other[window].sum) }
  }

  /// What was counted in a window.
  public subscript(window: RiskWindow) -> RiskCount {
    get {
      switch window {
      case .minute: minute
      case .hour: hour
      case .day: day
      }
    }
    set {
      switch window {
      case .minute: minute = newValue
      case .hour: hour = newValue
      case .day: day = newValue
      }
    }
  }
}
