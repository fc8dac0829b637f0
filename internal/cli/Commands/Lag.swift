import ClientSettings
import Kafka
import SagaSettings
import Settings
import Values

/// `lag`: how far consumer groups are behind.
struct Lag: Subcommand {
  static let usage = Usage(
    name: "lag", summary: "show how far the consumer groups of all programs are behind, in messages and seconds",
    options: [
      Option("--group", "GROUP", "only this group, on --topic"), Option("--topic", "NAME", "the topic of --group"),
      Option("--partitions", nil, "also a line for each partition"),
    ],
    synopsis: "[--group GROUP --topic NAME] [--partitions]",
    notes: """
      The brokers are asked, so it works with the consumers down. `seconds` is the age of the oldest message that is not
      consumed. A group that has committed nothing (`committed` is missing) will begin at the oldest message. The groups
      are those of CONSUMER_GROUP, PROCESSING_GROUP, GATEWAY_GROUP and DEBIT_GROUP on their topics; topics that are not
      there are left out.
      """,
    example: "paysaga lag")

  private let chosen: (group: String, topic: String)?
  private let showsPartitions: Bool

  init(_ arguments: Arguments) throws(CommandError) {
    switch (arguments.text("--group"), arguments.text("--topic")) {
    case (nil, nil): chosen = nil
    case (let group?, let topic?): chosen = (group, topic)
    default: throw .usage("--group and --topic belong together")
    }
    showsPartitions = arguments.has("--partitions")
  }

  func run(_ session: Session) throws {
    let topics = try Brokers(session).topics()
    var count = 0
    for (group, topic) in chosen.map({ [$0] }) ?? GroupLag.all(session) {
      guard let partitions = topics[topic] else {
        if chosen != nil {
          throw CommandError.failure("there is no topic \(printable(topic)) at \(session.settings.kafka.brokers)")
        }
        continue
      }
      count += 1
      print(try GroupLag(group: group, topic: topic, partitions: partitions, session), session)
    }
    if count == 0 { notice("none of the topics is there at \(session.settings.kafka.brokers)") }
  }

  private func print(_ lag: GroupLag, _ session: Session) {
    let partitions = lag.partitions.map(\.record)
    let age = lag.age(at: .now())
    session.output.print([
      "group": .text(lag.group), "topic": .text(lag.topic), "messages": .number(lag.messages),
      "seconds": age.map { .number($0.inMilliseconds / 1_000) } ?? (lag.messages == 0 ? .number(0) : .null),
      "partitions": .list(partitions),
    ])
    if showsPartitions, !session.wantsJSON { for line in partitions { session.output.print(line) } }
  }
}

extension GroupLag.Partition {
  fileprivate var record: Record {
    [
      "partition": .number(Int64(partition)), "committed": committed.map { .number($0) } ?? .null,
      "low": .number(watermarks.low), "high": .number(watermarks.high), "messages": .number(messages),
      "oldest": .optional(oldest),
    ]
  }
}
