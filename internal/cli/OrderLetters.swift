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
    let scan = try TopicScan(session)
    defer { scan.close() }
    let deadline = Instant.now() + session.patience(Self.patience)
    try scan.begin(
      try (0..<Int32(clamping: count)).map { partition in
        let place = TopicPartition(topic, partition)
        let marks = try scan.watermarks(place)
        return TopicScan.Range(place: place, start: max(marks.low, marks.high - Self.most), end: marks.high)
      })
    let key = Array(String(order).utf8)
    var found: [Story.Entry] = []
    while let messages = try scan.next(1_000, until: deadline) {
      found += messages.filter { $0.key == key }.map { DeadLetter($0).story }
    }
    if session.interruption.isRequested { throw CommandError.failure("interrupted") }
    return found
  }
}
