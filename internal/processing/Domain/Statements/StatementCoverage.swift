public import Values

/// The time in which statements list everything, and what is missing between. Pure.
public struct StatementCoverage: Sendable, Hashable {
  /// The covered times, oldest first, none touching the next.
  public let covered: [Range<Timestamp>]

  /// The coverage by statements. - Parameter periods: the complete times of each, in any order.
  public init(_ periods: [ClosedRange<Timestamp>]) {
    var covered: [Range<Timestamp>] = []
    for period in periods.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = covered.last, period.lowerBound <= last.upperBound {
        covered[covered.count - 1] = last.lowerBound..<max(last.upperBound, period.upperBound)
      } else {
        covered.append(period.lowerBound..<period.upperBound)
      }
    }
    self.covered = covered
  }

  /// Whether all of a time is covered.
  public func covers(_ time: Range<Timestamp>) -> Bool {
    covered.contains { $0.lowerBound <= time.lowerBound && time.upperBound <= $0.upperBound }
  }

  /// The parts of a time that no statement covers, oldest first.
  public func gaps(in time: Range<Timestamp>) -> [Range<Timestamp>] {
    var gaps: [Range<Timestamp>] = []
    var start = time.lowerBound
    for each in covered where each.upperBound > start && each.lowerBound < time.upperBound {
      if start < each.lowerBound { gaps.append(start..<each.lowerBound) }
      start = each.upperBound
    }
    if start < time.upperBound { gaps.append(start..<time.upperBound) }
    return gaps
  }
}
