import ClientSettings
import Kafka
import Outbox
import SagaSettings
import Settings
import Values

/// `inventory requeue`: publishes the messages of dead letters again.
struct InventoryRequeue: Subcommand {
  static let usage = Usage(
    name: "inventory requeue", summary: "put messages of the dead-letter topic back to the inventory topic",
    options: RequeueFilter.options + [
      Option("--max-requeues", "N", "leave messages alone that were put back so often; default 3"),
      Option("--dry-run", nil, "only show what would be done"), Operator.option,
    ],
    synopsis: "\(RequeueFilter.synopsis) [--max-requeues N] [--dry-run] [--operator NAME]",
    notes: """
      The topics are CONSUMER_TOPIC and the one of this name with .dlq added. Key, value and headers are those of the
      message that died, without what was said of its death. How often it was put back says the log of operations, by where
      the message lay, whatever its header dlq_requeues claims. What was put back is remembered in the committed offsets of
      the group \(SagaSettings.Consumer.requeueGroup) and not put back again. Mend the cause first, or the messages come back as new
      dead letters.
      """,
    example: "paysaga inventory requeue --error currency --dry-run")

  private let filter: RequeueFilter
  private let mostRequeues: Int64
  private let isDryRun: Bool
  private let person: String

  init(_ arguments: Arguments) throws(CommandError) {
    filter = try RequeueFilter(arguments)
    mostRequeues = try arguments.integer("--max-requeues", in: 1...1_000_000) ?? 3
    isDryRun = arguments.has("--dry-run")
    person = try Operator.name(arguments)
  }

  func run(_ session: Session) throws {
    let topic = session.settings.consumer.topic
    let reader = try RequeueReader.open(filter, session)
    defer { reader.close() }
    guard let partitions = try Brokers(session).partitions(of: topic) else {
      throw CommandError.failure("there is no topic \(topic) at \(session.settings.kafka.brokers)")
    }
    let publisher = try RequeuePublisher(session, topic: topic, partitions: partitions)
    defer { publisher.close() }
    let log = try LetterLog(.letterRequeue, by: person, session)
    defer { log.close() }
    try requeue(reader, publisher, log, session, topic)
  }

  private func requeue(
    _ reader: RequeueReader, _ publisher: RequeuePublisher, _ log: LetterLog, _ session: Session, _ topic: String
  ) throws {
    var done: Int64 = 0
    var held: Int64 = 0
    let counts = try log.counts(of: session.settings.consumer.deadLetterTopic, in: topic)
    while done < filter.limit, let letters = try reader.letters(filter, RequeueFilter.batch) {
      var chosen: [DeadLetter] = []
      for var letter in letters {
        letter.counted = counts.count(letter, of: topic)
        if done + Int64(chosen.count) >= filter.limit { break }
        if let obstacle = letter.obstacle(topic: topic, limit: mostRequeues) {
          held += 1
          notice("\(letter.letter.place)@\(letter.letter.offset) stays: \(printable(obstacle))")
        } else {
          chosen.append(letter)
        }
      }
      if !isDryRun {
        let outcome = try publisher.publish(chosen)
        try log.note(
          zip(outcome.published, outcome.places).map { ($0, RequeueCounts.detail($0, to: $1)) })
        try reader.note((outcome.published.map(\.letter), outcome.failure))
      }
      session.output.print(rows: chosen.map(\.record))
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
