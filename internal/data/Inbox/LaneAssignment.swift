internal import Kafka

/// Which partitions this member owns, and which lane each of them belongs to. Pure.
///
/// Every assignment of a partition has a number of its own: messages that came under an earlier number are no longer
/// ours, even if the partition has come back.
struct LaneAssignment: Sendable {
  private struct Holding {
    let lane: Int
    let number: Int
  }

  private let lanes: Int
  private var holdings: [TopicPartition: Holding] = [:]
  private var lastNumber = 0

  /// - Parameter lanes: how many there are; at least 1.
  init(lanes: Int) {
    precondition(lanes > 0, "an inbox has at least one lane")
    self.lanes = lanes
  }

  /// The partitions that are ours.
  var places: [TopicPartition] { Array(holdings.keys) }

  /// Adds partitions; each goes to the lane that has the fewest.
  /// - Returns: each partition's lane, 0 and up.
  mutating func take(_ places: [TopicPartition]) -> [(place: TopicPartition, lane: Int)] {
    var loads = Array(repeating: 0, count: lanes)
    for (place, holding) in holdings where !places.contains(place) { loads[holding.lane] += 1 }
    return places.map { place in
      // There is at least one lane.
      let lane = loads.indices.min { loads[$0] < loads[$1] }!
      loads[lane] += 1
      lastNumber += 1
      holdings[place] = Holding(lane: lane, number: lastNumber)
      return (place, lane)
    }
  }

  /// Removes partitions that went to another member.
  mutating func giveUp(_ places: [TopicPartition]) {
    for place in places { holdings[place] = nil }
  }

  /// The number of the partition's assignment; nil when it is not ours.
  func number(of place: TopicPartition) -> Int? { holdings[place]?.number }

  /// A claim on those of the partitions that are ours.
  func claim(_ places: Set<TopicPartition>) -> LaneClaim {
    var claim = LaneClaim()
    for place in places { claim.numbers[place] = number(of: place) }
    return claim
  }

  /// The partitions of a claim that have been ours ever since.
  func owned(_ claim: LaneClaim) -> Set<TopicPartition> {
    Set(claim.numbers.filter { number(of: $0.key) == $0.value }.keys)
  }
}

/// The assignments under which a batch came, by partition: only while they last may its offsets be stored.
package struct LaneClaim: Sendable {
  fileprivate(set) var numbers: [TopicPartition: Int] = [:]

  /// A claim on nothing.
  package init() {}
}
