package import Kafka
internal import Values

/// The requeued messages of one partition of the dead-letter topic: all below an offset, and some above it.
///
/// It is kept as the committed offset of a consumer group and its note, so any machine knows it. Pure.
package struct RequeueLedger: Sendable, Hashable {
  /// Brokers take 4,096 bytes by default (`offset.metadata.max.bytes`).
  package static let longestNote = 4_000

  /// Everything below is done.
  package private(set) var next: Int64
  /// Done offsets above `next`: ascending ranges with gaps between them and after `next`.
  private(set) var above: [ClosedRange<Int64>] = []

  /// - Parameters:
  ///   - next: the committed offset.
  ///   - note: what `note` gave; anything else is taken for none.
  ///   - low: the oldest message that is kept.
  package init(next: Int64, note: String, low: Int64) {
    self.next = next
    for part in note.split(separator: ",") {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int64($0) }
      guard let first = ends[0], let last = ends.count == 1 ? first : ends[1], ends.count <= 2, first <= last,
        first > (above.last?.upperBound ?? next)
      else {
        above = []
        break
      }
      above.append(first...last)
    }
    if low > next {
      self.next = low
      above.removeAll { $0.upperBound < low }
      close()
    }
  }

  /// `7-9,12`.
  package var note: String {
    above.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ",")
  }

  /// Whether the message at that offset was requeued.
  package func isDone(_ offset: Int64) -> Bool { offset < next || above.contains { $0.contains(offset) } }

  /// Messages of the partition that were not requeued.
  /// - Parameter end: the offset of its next message.
  package func waiting(to end: Int64) -> Int64 {
    let done = above.reduce(Int64(0)) { done, range in
      guard range.lowerBound < end else { return done }
      return done.adding(
        saturating: min(range.upperBound.adding(saturating: 1), end).subtracting(saturating: range.lowerBound))
    }
    return max(0, end.subtracting(saturating: next).subtracting(saturating: done))
  }

  /// Messages of a dead-letter topic that were not requeued.
  /// - Parameter lag: of the group whose offsets and notes say which ones were.
  package static func waiting(_ lag: GroupLag) -> Int64 {
    lag.partitions.reduce(0) { sum, partition in
      let ledger = RequeueLedger(
        next: partition.committed ?? 0, note: partition.note, low: partition.watermarks.low)
      return sum.adding(saturating: ledger.waiting(to: partition.watermarks.high))
    }
  }

  /// Records that a message was requeued.
  /// - Returns: false when there are too many gaps to be noted; nothing has changed then.
  package mutating func markDone(_ offset: Int64) -> Bool {
    if isDone(offset) { return true }
    var changed = self
    let place = above.firstIndex { $0.lowerBound > offset } ?? above.count
    changed.above.insert(offset...offset, at: place)
    changed.join(at: place)
    changed.close()
    guard changed.note.utf8.count <= Self.longestNote else { return false }
    self = changed
    return true
  }

  /// Joins the range at `place` with its neighbours where they touch.
  private mutating func join(at place: Int) {
    for left in [place, place - 1] where left >= 0 && left + 1 < above.count {
      guard above[left].upperBound.adding(saturating: 1) == above[left + 1].lowerBound else { continue }
      above[left] = above[left].lowerBound...above[left + 1].upperBound
      above.remove(at: left + 1)
    }
  }

  /// Moves `next` over what it has reached.
  private mutating func close() {
    while let first = above.first, first.lowerBound <= next {
      next = max(next, first.upperBound.adding(saturating: 1))
      above.removeFirst()
    }
  }
}
