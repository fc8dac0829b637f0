import Kafka
import SagaSettings
import Settings
import Values

/// How far a consumer group is behind on a topic, as the brokers know it: the group's programs need not run.
struct GroupLag {
  /// A partition of the topic.
  struct Partition {
    let partition: Int32
    /// nil when the group has committed nothing: it will begin at the oldest message.
    let committed: Int64?
    let watermarks: Watermarks
    /// When the first message that is not consumed was written; nil when there is none, or it could not be read.
    var oldest: Timestamp?

    /// The offset of the first message that is not consumed.
    var next: Int64 { max(committed ?? watermarks.low, watermarks.low) }
    /// Messages that are not consumed.
    var messages: Int64 { max(0, watermarks.high.subtracting(saturating: next)) }
  }

  let group: String
  let topic: String
  private(set) var partitions: [Partition]

  var messages: Int64 { partitions.reduce(0) { $0.adding(saturating: $1.messages) } }

  /// How long the oldest message has waited, by this machine's clock; nil when none waits, or none could be read.
  func age(at now: Timestamp) -> Duration? {
    partitions.compactMap(\.oldest).min().map {
      .microseconds(max(0, now.microseconds.subtracting(saturating: $0.microseconds)))
    }
  }

  /// Asks the brokers; the group is not joined, and nothing is committed.
  /// - Parameter count: the topic's partitions.
  init(group: String, topic: String, partitions count: Int, _ session: Session) throws {
    self.group = group
    self.topic = topic
    let patience = session.patience(.seconds(10))
    let reader = try KafkaConsumer(
      session.kafka, options: KafkaConsumer.Options(group: group, commitInterval: .zero), logger: session.kafkaLogger)
    defer { reader.close(until: .now() + .seconds(2)) }
    let places = (0..<Int32(clamping: count)).map { TopicPartition(topic, $0) }
    let committed = try reader.groupOffsets(of: places, until: .now() + patience)
    partitions = []
    for place in places {
      partitions.append(
        Partition(
          partition: place.partition, committed: committed[place]?.offset,
          watermarks: try reader.queryWatermarks(place, until: .now() + patience)))
    }
    try readAges(reader, patience)
  }

  /// Reads the first message of each partition that is not consumed.
  private mutating func readAges(_ reader: KafkaConsumer, _ patience: Duration) throws {
    var open = Set(partitions.indices.filter { partitions[$0].messages > 0 })
    guard !open.isEmpty else { return }
    try reader.assign(
      open.sorted().map {
        (place: TopicPartition(topic, partitions[$0].partition), from: .offset(partitions[$0].next))
      })
    let deadline = Instant.now() + patience
    while !open.isEmpty, Instant.now() < deadline {
      for message in try reader.poll(max: 100, until: min(deadline, .now() + .seconds(1))) {
        let index = Int(message.partition)
        guard open.remove(index) != nil else { continue }
        partitions[index].oldest = message.timestamp
        try reader.pause([message.place])
      }
      if let denial = reader.denial { throw denial }
    }
  }

  /// The groups and topics of all programs, by the settings given to this one.
  static func all(_ session: Session) -> [(group: String, topic: String)] {
    func name(_ setting: String, _ standard: String) -> String { session.given.text(setting) ?? standard }
    let payments = name("DIRECT_PAYMENT_TOPIC", "direct.payments")
    let results = name("DIRECT_RESULT_TOPIC", "direct.results")
    let gateway = name("GATEWAY_GROUP", "direct-gateway")
    var groups = [
      (name("CONSUMER_GROUP", "payments"), session.settings.consumer.topic),
      (name("PROCESSING_GROUP", "direct-processor"), payments), (gateway, results),
      ("\(gateway)-dead-letters", "\(payments).dlq"), ("\(gateway)-dead-letters", "\(results).dlq"),
    ]
    if let debits = session.given.text("DEBIT_TOPIC") {
      groups.append((name("DEBIT_GROUP", "direct-debits"), debits))
    }
    return groups
  }
}
