import Kafka
import Outbox
import SagaSettings
import Values

/// Finds an order's dead letters on the dead-letter topic of the inventory topic, those put back or discarded among
/// them. The newest messages of each partition are read.
struct OrderLetters {
  /// Messages of a partition that are read at most.
  private static let most: Int64 = 10_000
  /// How long reading may take.
  private static let patience = Duration.seconds(10)

  private let session: Session

  init(_ session: Session) { self.session = session }

  /// As entries of the order's story; none when there is no such topic.
  /// - Throws: when no broker answers, or the topic was not read to its end in time.
  func entries(_ order: Int64) throws -> [Story.Entry] {
    let topic = session.settings.consumer.deadLetterTopic
    guard let count = try Brokers(session).partitions(of: topic) else { return [] }
    let reader = try KafkaConsumer(session.kafka, options: KafkaConsumer.Options(), logger: session.kafkaLogger)
    defer { reader.close(until: .now() + .seconds(1)) }
    let deadline = Instant.now() + Self.patience
    var ends: [TopicPartition: Int64] = [:]
    var starts: [(place: TopicPartition, from: StartPosition)] = []
    for place in (0..<Int32(clamping: count)).map({ TopicPartition(topic, $0) }) {
      let marks = try reader.queryWatermarks(place, until: deadline)
      guard marks.low < marks.high else { continue }
      ends[place] = marks.high
      starts.append((place, .offset(max(marks.low, marks.high - Self.most))))
    }
    if starts.isEmpty { return [] }
    try reader.assign(starts)
    let key = Array(String(order).utf8)
    var found: [Story.Entry] = []
    while !ends.isEmpty {
      guard Instant.now() < deadline, !session.interruption.isRequested else {
        throw CommandError.failure("\(topic) was not read to its end within \(Self.patience)")
      }
      let messages = try reader.poll(max: 1_000, until: min(deadline, .now() + .seconds(1)))
      if let denial = reader.denial { throw denial }
      for message in messages {
        if message.key == key { found.append(DeadLetter(message).story) }
        if let end = ends[message.place], message.next.offset >= end { ends[message.place] = nil }
      }
    }
    return found
  }
}
