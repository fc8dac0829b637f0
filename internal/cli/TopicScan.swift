import ClientSettings
import Kafka
import SagaSettings
import Values

/// Reads partitions of a topic up to the ends that they have when it begins; nobody joins a group. One thread.
final class TopicScan {
  /// A partition that is read.
  struct Range {
    let place: TopicPartition
    /// The first offset to read.
    let start: Int64
    /// The offset before which to end.
    let end: Int64
  }

  let consumer: KafkaConsumer
  private let session: Session
  /// After how long without a message a partition's end is taken to be out of reach.
  private let patience: Duration
  /// The end of each partition that is not read yet.
  private var ends: [TopicPartition: Int64] = [:]

  /// An interruption ends its reads from here on.
  /// - Parameter group: whose committed offsets are looked at; nil for none.
  init(_ session: Session, group: String? = nil) throws {
    self.session = session
    patience = session.patience(.seconds(15))
    let options = group.map { KafkaConsumer.Options(group: $0, commitInterval: .zero) } ?? KafkaConsumer.Options()
    consumer = try KafkaConsumer(session.kafka, options: options, logger: session.kafkaLogger)
    session.interruption.handle { [consumer] in consumer.wake() }
  }

  /// The oldest offset of a partition, and the one after its newest.
  func watermarks(_ place: TopicPartition) throws -> Watermarks {
    try consumer.queryWatermarks(place, until: .now() + patience)
  }

  /// Begins to read. Ranges without messages are left out.
  func begin(_ ranges: [Range]) throws {
    let ranges = ranges.filter { $0.start < $0.end }
    for range in ranges { ends[range.place] = range.end }
    try consumer.assign(ranges.map { (place: $0.place, from: .offset($0.start)) })
  }

  /// The next messages; may be none.
  /// - Parameter limit: when the whole has to be read.
  /// - Returns: nil at the end of all partitions, or when the command was interrupted.
  /// - Throws: when no message comes.
  func next(_ max: Int, until limit: Instant = .distantFuture) throws -> [ConsumedMessage]? {
    if ends.isEmpty { return nil }
    let deadline = min(limit, .now() + patience)
    var messages: [ConsumedMessage] = []
    while messages.isEmpty, Instant.now() < deadline, !session.interruption.isRequested {
      messages = try consumer.poll(max: max, until: min(deadline, .now() + .seconds(1)))
      if let denial = consumer.denial { throw denial }
    }
    if messages.isEmpty {
      if session.interruption.isRequested { return nil }
      let topics = Set(ends.keys.map(\.topic)).sorted().joined(separator: ", ")
      throw CommandError.failure(
        "no message came from \(session.settings.kafka.brokers) in time; \(topics) is not read to its end")
    }
    // What was written after the beginning is left out.
    messages.removeAll { message in message.offset >= ends[message.place] ?? 0 }
    for message in messages where ends[message.place] == message.next.offset { ends[message.place] = nil }
    return messages
  }

  func close() { consumer.close(until: .now() + .seconds(2)) }
}
