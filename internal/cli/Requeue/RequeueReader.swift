import Kafka
import Values

/// Reads the dead-letter topic up to its present end and stores which of its messages were requeued.
final class RequeueReader {
  /// Whose committed offsets say what was put back.
  static let group = "paysaga-requeue"
  /// After how long without a message a partition's end is taken to be out of reach.
  private static let patience = Duration.seconds(15)

  let consumer: KafkaConsumer
  private let interruption: Interruption
  private var ledgers: [TopicPartition: RequeueLedger] = [:]
  /// The end of each partition that is not read yet.
  private var ends: [TopicPartition: Int64] = [:]

  init(_ session: Session, places: [TopicPartition]) throws {
    interruption = session.interruption
    consumer = try KafkaConsumer(
      session.kafka, options: KafkaConsumer.Options(group: Self.group, commitInterval: .zero),
      logger: session.kafkaLogger)
    let deadline = Instant.now() + .seconds(10)
    let committed = try consumer.groupOffsets(of: places, until: deadline)
    var starts: [(place: TopicPartition, from: StartPosition)] = []
    for place in places {
      let marks = try consumer.queryWatermarks(place, until: deadline)
      let known = committed[place]
      let ledger = RequeueLedger(next: known?.offset ?? 0, note: known?.note ?? "", low: marks.low)
      ledgers[place] = ledger
      guard ledger.next < marks.high else { continue }
      ends[place] = marks.high
      starts.append((place, .offset(ledger.next)))
    }
    try consumer.assign(starts)
  }

  /// The next waiting letters that `filter` chooses, none of them put back or discarded before; may be none.
  /// - Returns: nil at the end of all partitions, or when the command was interrupted.
  func letters(_ filter: RequeueFilter, _ max: Int) throws -> [DeadLetter]? {
    guard !interruption.isRequested, let messages = try read(max) else { return nil }
    return messages.map(DeadLetter.init).filter { filter.chooses($0) && !isDone($0.letter) }
  }

  /// The next messages, those put back before among them.
  /// - Returns: nil at the end of all partitions, or when the command was interrupted.
  private func read(_ max: Int) throws -> [ConsumedMessage]? {
    if ends.isEmpty { return nil }
    let deadline = Instant.now() + Self.patience
    var messages: [ConsumedMessage] = []
    while messages.isEmpty, Instant.now() < deadline, !interruption.isRequested {
      messages = try consumer.poll(max: max, until: min(deadline, .now() + .seconds(1)))
      if let denial = consumer.denial { throw denial }
    }
    if messages.isEmpty {
      if interruption.isRequested { return nil }
      throw CommandError.failure("no message came for \(Self.patience); the topic is not read to its end")
    }
    // A message written after the beginning may be one that was requeued a moment ago and died again.
    messages.removeAll { message in message.offset >= ends[message.place] ?? 0 }
    for message in messages where ends[message.place] == message.next.offset { ends[message.place] = nil }
    return messages
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
      try consumer.commit(
        TopicPartitionOffset(place.topic, place.partition, ledger.next), note: ledger.note,
        until: .now() + .seconds(10))
    }
    if let failure = outcome.failure { throw CommandError.failure("not all could be put back: \(failure)") }
    if let overflow {
      throw CommandError.failure(
        "\(overflow) has too many gaps to remember what was put back of it; go on without --error and --offset")
    }
  }

  func close() { consumer.close(until: .now() + .seconds(2)) }
}
