import ClientSettings
import Kafka
import SagaSettings
import Settings
import Values

/// `watch`: shows events as they arrive.
struct Watch: Subcommand {
  private enum Start: String, CaseIterable { case earliest, latest }

  static let usage = Usage(
    name: "watch", summary: "show the messages of a topic as they arrive",
    options: [
      Option("--topic", "NAME", "default: PRODUCER_TOPIC"),
      Option("--order", "N", "only messages of this order"),
      Option("--from", "WHERE", "earliest: all that is kept; latest (the default): what comes from now on"),
      Option("--count", "N", "end after so many"),
      Option("--timeout", "D", "end after this long, such as 30s; a failure when --count has not been reached"),
    ],
    synopsis: "[--topic NAME] [--order N] [--from earliest|latest] [--count N] [--timeout D]",
    notes: """
      A line shows time, partition@offset, key, status, seq and ce_id; --json the whole message. Nothing is committed:
      watching takes nothing away from anybody. Ctrl-C ends it.
      """,
    example: "paysaga watch --from earliest --count 10")

  private let topic: String?
  /// The key of the messages that are shown; nil for all.
  private let key: [UInt8]?
  private let start: Start
  private let count: Int64?
  private let timeout: Duration?

  init(_ arguments: Arguments) throws(CommandError) {
    topic = arguments.text("--topic")
    key = try arguments.integer("--order", in: 1...Int64.max).map { Array(String($0).utf8) }
    start = try arguments.choice("--from", Start.self) ?? .latest
    count = try arguments.integer("--count", in: 1...Int64.max)
    timeout = try arguments.duration("--timeout")
  }

  func run(_ session: Session) throws {
    let deadline = timeout.map { Instant.now() + $0 } ?? .distantFuture
    let topic = topic ?? session.settings.producer.topic
    let consumer = try KafkaConsumer(
      session.kafka, options: KafkaConsumer.Options(), logger: session.kafkaLogger)
    // A reader without a group has nobody to say farewell to.
    defer { consumer.close(until: Instant.now() + .seconds(1)) }
    session.interruption.handle { consumer.wake() }
    try assign(consumer, topic, session)
    let seen = try follow(consumer, session, until: deadline)
    guard let count, seen < count, !session.output.isClosed else { return }
    let reason = session.interruption.isRequested ? "interrupted" : "the time is over"
    throw CommandError.failure("\(reason): \(seen) of \(count) messages came")
  }

  private func assign(_ consumer: KafkaConsumer, _ topic: String, _ session: Session) throws {
    guard let partitions = try Brokers(session).partitions(of: topic) else {
      throw Self.unknown(topic, try Brokers(session).topics().keys.sorted(), session)
    }
    let places = (0..<Int32(partitions)).map { TopicPartition(topic, $0) }
    // The end as it is now, looked up: librdkafka would look when it gets to it, and miss what came meanwhile.
    let limit = Instant.now() + .seconds(10)
    try consumer.assign(
      try places.map { place in
        let from =
          start == .earliest
          ? StartPosition.earliest : .offset(try consumer.queryWatermarks(place, until: limit).high)
        return (place: place, from: from)
      })
    notice("watching \(topic) from \(start.rawValue), \(partitions) partitions, at \(session.settings.kafka.brokers)")
  }

  private static func unknown(_ topic: String, _ known: [String], _ session: Session) -> CommandError {
    let hint =
      Spelling.nearest(to: topic, among: known).map { "did you mean \($0)?" }
      ?? (known.isEmpty ? "it has none yet" : "it has \(known.prefix(20).joined(separator: ", "))")
    return .failure("there is no topic \(printable(topic)) at \(session.settings.kafka.brokers); \(hint)")
  }

  /// - Returns: how many messages were shown.
  private func follow(_ consumer: KafkaConsumer, _ session: Session, until deadline: Instant) throws -> Int64 {
    var seen: Int64 = 0
    var wasConnected = false
    var wasLost = false
    while !session.interruption.isRequested, !session.output.isClosed, Instant.now() < deadline {
      if let count, seen >= count { break }
      let polled = try consumer.poll(max: 1_000, until: min(deadline, Instant.now() + .seconds(1)))
      if let denial = consumer.denial { throw denial }
      let wanted = key.map { key in polled.filter { $0.key == key } } ?? polled
      let messages = wanted.prefix(Int(clamping: count.map { $0 - seen } ?? .max))
      for message in messages {
        let view = EventView(message: message)
        session.output.print(view.record, line: session.wantsJSON ? nil : view.line)
      }
      session.output.flush()
      session.output.checkReader()
      seen += Int64(messages.count)
      let isConnected = consumer.isConnected
      if wasConnected, !isConnected { notice("no broker is reachable; waiting for one") }
      if wasLost, isConnected { notice("a broker is back") }
      wasLost = !isConnected && (wasConnected || wasLost)
      wasConnected = isConnected
    }
    return seen
  }
}
