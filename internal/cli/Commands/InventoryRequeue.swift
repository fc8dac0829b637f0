import ClientSettings
import Kafka
import SagaSettings
import Settings
import Values

/// `inventory requeue`: publishes the messages of dead letters again.
struct InventoryRequeue: Subcommand {
  static let usage = Usage(
    name: "inventory requeue", summary: "put messages of the dead-letter topic back to the inventory topic",
    options: [
      Option("--partition", "P", "only of this partition of the dead-letter topic"),
      Option("--offset", "O", "only the message at this offset, with --partition"),
      Option("--error", "TEXT", "only messages whose dlq_error holds this text"),
      Option("--limit", "N", "at most so many, the oldest of each partition first"),
      Option("--max-requeues", "N", "leave messages alone that were put back so often; default 3"),
      Option("--dry-run", nil, "only show what would be done"),
    ],
    synopsis: "[--partition P [--offset O]] [--error TEXT] [--limit N] [--max-requeues N] [--dry-run]",
    notes: """
      The topics are CONSUMER_TOPIC and the one of this name with .dlq added. Key, value and headers are those of the
      message that died, without what was said of its death; dlq_requeues counts. What was put back is remembered in the
      committed offsets of the group \(RequeueReader.group) and not put back again. Mend the cause first, or the
      messages come back as new dead letters.
      """,
    example: "paysaga inventory requeue --error currency --dry-run")

  /// Messages on the way at once.
  private static let batch = 500

  private let filter: RequeueFilter
  private let isDryRun: Bool

  init(_ arguments: Arguments) throws(CommandError) {
    let partition = try arguments.integer("--partition", in: 0...Int64(Int32.max)).map { Int32($0) }
    let offset = try arguments.integer("--offset", in: 0...Int64.max)
    guard offset == nil || partition != nil else { throw .usage("--offset needs --partition: offsets repeat in each") }
    filter = RequeueFilter(
      partition: partition, offset: offset, error: arguments.text("--error"),
      limit: try arguments.integer("--limit", in: 1...Int64.max) ?? .max,
      mostRequeues: try arguments.integer("--max-requeues", in: 1...1_000_000) ?? 3)
    isDryRun = arguments.has("--dry-run")
  }

  func run(_ session: Session) throws {
    let topic = session.settings.consumer.topic
    let letters = session.settings.consumer.deadLetterTopic
    guard let count = try Brokers(session).partitions(of: letters) else {
      throw CommandError.failure("there is no topic \(letters) at \(session.settings.kafka.brokers)")
    }
    guard let partitions = try Brokers(session).partitions(of: topic) else {
      throw CommandError.failure("there is no topic \(topic) at \(session.settings.kafka.brokers)")
    }
    if let partition = filter.partition, partition >= count {
      throw CommandError.failure("\(letters) has \(count) partitions, from 0")
    }
    let reader = try RequeueReader(
      session, places: (0..<Int32(count)).filter { filter.partition ?? $0 == $0 }.map { TopicPartition(letters, $0) })
    defer { reader.close() }
    let publisher = try RequeuePublisher(session, topic: topic, partitions: partitions)
    defer { publisher.close() }
    session.interruption.handle { [consumer = reader.consumer] in consumer.wake() }
    try requeue(reader, publisher, session, topic)
  }

  private func requeue(
    _ reader: RequeueReader, _ publisher: RequeuePublisher, _ session: Session, _ topic: String
  ) throws {
    var done: Int64 = 0
    var held: Int64 = 0
    while done < filter.limit, !session.interruption.isRequested, let messages = try reader.read(Self.batch) {
      var chosen: [DeadLetter] = []
      for letter in messages.map(DeadLetter.init) where filter.chooses(letter) && !reader.isDone(letter.letter) {
        if done + Int64(chosen.count) >= filter.limit { break }
        if let obstacle = letter.obstacle(topic: topic, limit: filter.mostRequeues) {
          held += 1
          notice("\(letter.letter.place)@\(letter.letter.offset) stays: \(printable(obstacle))")
        } else {
          chosen.append(letter)
        }
      }
      if !isDryRun { try reader.note(try publisher.publish(chosen)) }
      for letter in chosen { session.output.print(letter.record) }
      done += Int64(chosen.count)
    }
    let rest = held == 0 ? "" : "; \(held) stay"
    notice("\(done) messages \(isDryRun ? "would be put back; nothing was changed" : "put back")\(rest)")
    if session.interruption.isRequested { throw CommandError.failure("interrupted") }
    if filter.offset != nil, done == 0 {
      throw CommandError.failure("there is no such message that could be put back")
    }
  }
}

/// Which dead letters are meant.
struct RequeueFilter {
  var partition: Int32?
  var offset: Int64?
  var error: String?
  var limit = Int64.max
  var mostRequeues: Int64 = 3

  /// Whether a letter is among them; the partition was looked at before.
  func chooses(_ letter: DeadLetter) -> Bool {
    if let offset, letter.letter.offset != offset { return false }
    if let error, !letter.error.contains(error) { return false }
    return true
  }
}
