internal import Kafka

/// Which partitions this member owns, and through which lane the messages of each come. Pure.
///
/// Every assignment of a partition has a number of its own: messages that were taken under an earlier one are not ours
/// any more, even if the partition has come back.
struct LaneAssignment: Sendable {
  private struct Holding {
    let lane: Int
    let number: Int
  }

  private let lanes: Int
  private var holdings: [TopicPartition: Holding] = [:]
  private var lastNumber = 0

  init(lanes: Int) {
    precondition(lanes > 0, "messages must come through something")
    self.lanes = lanes
  }

  var places: [TopicPartition] { Array(holdings.keys) }

  /// Takes partitions over; each goes to the lane that has the fewest.
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

  mutating func giveUp(_ places: [TopicPartition]) {
    for place in places { holdings[place] = nil }
  }

  /// The number of the partition's assignment; nil when it is not ours.
  func number(of place: TopicPartition) -> Int? { holdings[place]?.number }
}
