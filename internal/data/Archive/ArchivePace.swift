internal import Values

/// How many rows a batch has, and how long to wait before the next one. Pure.
///
/// Rows that are being moved are locked until their transaction has ended. So a batch takes about `aim`, and much less
/// than the 50 ms that anybody may have to wait for a row. It never has more than a quarter of the database's time.
struct ArchivePace: Sendable {
  /// The time that a batch should take.
  static let aim = Duration.milliseconds(10)
  private static let sizes = 10...500

  /// The most rows of the next batch.
  private(set) var size = 50

  /// - Parameter time: what the last batch took.
  /// - Returns: how long to wait before the next one.
  mutating func note(_ time: Duration) -> Duration {
    if time > Self.aim * 2 {
      size = max(Self.sizes.lowerBound, size / 2)
    } else if time < Self.aim {
      size = min(Self.sizes.upperBound, size + size / 4)
    }
    return max(time * 3, .milliseconds(1))
  }
}
