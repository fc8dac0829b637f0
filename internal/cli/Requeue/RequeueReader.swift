import Inbox
import Kafka
import SagaSettings
import Values

/// Reads the dead-letter topic up to its present end and stores which of its messages were requeued.
final class RequeueReader {
  private let scan: TopicScan
  private let session: Session
  private var ledgers: [TopicPartition: RequeueLedger] = [:]

  init(_ session: Session, places: [TopicPartition]) throws {
    self.session = session
    scan = try TopicScan(session, group: SagaSettings.Consumer.requeueGroup)
    let committed = try scan.consumer.groupOffsets(of: places, until: .now() + session.patience(.seconds(10)))
    var ranges: [TopicScan.Range] = []
    for place in places {
      let marks = try scan.watermarks(place)
      let known = committed[place]
      let ledger = RequeueLedger(next: known?.offset ?? 0, note: known?.note ?? "", low: marks.low)
      ledgers[place] = ledger
      ranges.append(TopicScan.Range(place: place, start: ledger.next, end: marks.high))
    }
    try scan.begin(ranges)
  }

  /// The next waiting letters that `filter` chooses, none of them put back or discarded before; may be none. A message
  /// written after the beginning, which may be one that was requeued a moment ago and died again, is none of them.
  /// - Returns: nil at the end of all partitions, or when the command was interrupted.
  func letters(_ filter: RequeueFilter, _ max: Int) throws -> [DeadLetter]? {
    guard !session.interruption.isRequested, let messages = try scan.next(max) else { return nil }
    return messages.map(DeadLetter.init).filter { filter.chooses($0) && !isDone($0.letter) }
  }

  private func isDone(_ message: ConsumedMessage) -> Bool { ledgers[message.place]?.isDone(message.offset) ?? false }

  /// Notes what was put back or discarded.
  /// - Throws: the failure, once everything else is noted.
  func note(_ outcome: (published: [ConsumedMessage], failure: String?)) throws {
    var overflow: TopicPartition?
    for message in outcome.published where ledgers[message.place]?.markDone(message.offset) == false {
      overflow = message.place
    }
    for place in Set(outcome.published.map(\.place)) {
      guard let ledger = ledgers[place] else { continue }
      try scan.consumer.commit(
        TopicPartitionOffset(place.topic, place.partition, ledger.next), note: ledger.note,
        until: .now() + session.patience(.seconds(10)))
    }
    if let failure = outcome.failure { throw CommandError.failure("not all could be put back: \(failure)") }
    if let overflow {
      throw CommandError.failure(
        "\(overflow) has too many gaps to remember what was put back of it; go on without --error and --offset")
    }
  }

  func close() { scan.close() }
}
