internal import Kafka
internal import Values

/// Decides when records go to librdkafka, so that none wait there while others of their partition are under way. Pure.
///
/// With an idempotent producer librdkafka makes no request for a partition that has five records under way. What it has
/// of such a partition it looks at again at once, since there is no linger, so that its thread polls without a pause
/// until the broker answers. Records of a busy partition wait here instead, and go together once it has answered: alone
/// at once, under load in batches.
///
/// The partition is a guess, by the partitioner of `KafkaProducer` and as many partitions as answers have shown. A
/// wrong one costs time, nothing else: the relay has one record of a key under way, so their order does not matter.
struct PartitionPace: Sendable {
  /// As many records under way let more go. `RD_KAFKA_IDEMP_MAX_INFLIGHT` of librdkafka.
  static let limit = 5
  /// After this long records go whatever is under way: a partition that is stuck is librdkafka's to tell about. It is
  /// also how often `overdue` is to be asked.
  let patience: Duration

  /// A partition, or what is taken for one.
  private struct Lane {
    var underWay = 0
    var held: [ProducerRecord] = []
    var heldSince = Instant(nanoseconds: 0)
    /// The last call of `take` in which its records might go.
    var openIn: UInt64 = 0
  }

  private var lanes: [Lane] = []
  /// The lanes of each topic, by partition.
  private var topics: [String: [Int]] = [:]
  private var laneOfToken: [UInt64: Int] = [:]
  private var heldLanes: Set<Int> = []
  private var calls: UInt64 = 0

  /// - Parameter deliveryTimeout: within which a record is to be sent and answered.
  init(deliveryTimeout: Duration) { patience = min(.milliseconds(150), deliveryTimeout / 8) }

  /// The longest that a record waits here.
  var longestWait: Duration { patience * 2 }

  /// - Returns: the records that go now; they count as under way.
  mutating func take(_ records: [ProducerRecord], at now: Instant) -> [ProducerRecord] {
    calls += 1
    var going: [ProducerRecord] = []
    going.reserveCapacity(records.count)
    for record in records {
      let lane = lane(of: record)
      if lanes[lane].underWay < Self.limit, lanes[lane].held.isEmpty { lanes[lane].openIn = calls }
      if lanes[lane].openIn == calls {
        going.append(record)
        note(record, underWayIn: lane)
      } else {
        if lanes[lane].held.isEmpty {
          lanes[lane].heldSince = now
          heldLanes.insert(lane)
        }
        lanes[lane].held.append(record)
      }
    }
    return going
  }

  /// - Returns: the records that go now; they count as under way.
  mutating func answered(_ reports: [DeliveryReport]) -> [ProducerRecord] {
    var freed: Set<Int> = []
    for report in reports {
      learn(report)
      guard let lane = forget(report.token) else { continue }
      if lanes[lane].underWay < Self.limit, heldLanes.contains(lane) { freed.insert(lane) }
    }
    return freed.sorted().flatMap { release($0) }
  }

  /// These were not accepted after all.
  mutating func takeBack(_ records: some Sequence<ProducerRecord>) {
    for record in records { _ = forget(record.token) }
  }

  /// - Returns: the records that have waited for too long; they count as under way.
  mutating func overdue(at now: Instant) -> [ProducerRecord] {
    heldLanes.filter { now - lanes[$0].heldSince >= patience }.sorted().flatMap { release($0) }
  }

  /// - Returns: the records that wait; they are not the pace's any more.
  mutating func giveUp() -> [ProducerRecord] {
    let records = heldLanes.sorted().flatMap { lanes[$0].held }
    for lane in heldLanes { lanes[lane].held = [] }
    heldLanes = []
    return records
  }

  /// The producer that has those under way is gone.
  mutating func forgetUnderWay() {
    laneOfToken = [:]
    for lane in lanes.indices { lanes[lane].underWay = 0 }
  }

  // MARK: - Parts

  private mutating func release(_ lane: Int) -> [ProducerRecord] {
    let records = lanes[lane].held
    lanes[lane].held = []
    heldLanes.remove(lane)
    for record in records { note(record, underWayIn: lane) }
    return records
  }

  private mutating func note(_ record: ProducerRecord, underWayIn lane: Int) {
    lanes[lane].underWay += 1
    laneOfToken[record.token] = lane
  }

  private mutating func forget(_ token: UInt64) -> Int? {
    guard let lane = laneOfToken.removeValue(forKey: token) else { return nil }
    lanes[lane].underWay -= 1
    return lane
  }

  private mutating func learn(_ report: DeliveryReport) {
    guard report.partition >= 0 else { return }
    while topics[report.topic, default: []].count <= report.partition { addLane(report.topic) }
  }

  private mutating func addLane(_ topic: String) {
    topics[topic, default: []].append(lanes.count)
    lanes.append(Lane())
  }

  private mutating func lane(of record: ProducerRecord) -> Int {
    if topics[record.topic] == nil { addLane(record.topic) }
    let lanes = topics[record.topic] ?? []
    guard lanes.count > 1, let key = record.key else { return lanes[0] }
    return lanes[Int(KeyPartitioner.partition(of: key, count: lanes.count))]
  }
}
