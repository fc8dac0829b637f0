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

  private let chosen: GroupWatch.Group?
  private let showsPartitions: Bool

  init(_ arguments: Arguments) throws(CommandError) {
    switch (arguments.text("--group"), arguments.text("--topic")) {
    case (nil, nil): chosen = nil
    case (let group?, let topic?): chosen = GroupWatch.Group(group, on: topic)
    default: throw .usage("--group and --topic belong together")
    }
    showsPartitions = arguments.has("--partitions")
  }

  func run(_ session: Session) throws {
    // Says so when no broker answers.
    _ = try Brokers(session).topics()
    let known = try ConsumerGroups(session)
    var groups: [Record] = []
    var isEmpty = true
    // Those that were asked before one could not be are shown.
    defer { session.output.print(rows: groups) }
    for group in chosen.map({ [$0] }) ?? known.all {
      guard let lag = try known.lag(of: group) else {
        if chosen != nil {
          throw CommandError.failure(
            "there is no topic \(printable(group.topic)) at \(session.settings.kafka.brokers)")
        }
        continue
      }
      groups.append(lag.record)
      isEmpty = false
      guard showsPartitions, !session.wantsJSON else { continue }
      session.output.print(rows: groups)
      session.output.print(rows: lag.partitions.map(\.record))
      groups = []
    }
    if isEmpty { notice("none of the topics is there at \(session.settings.kafka.brokers)") }
  }
}

extension GroupLag {
  fileprivate var record: Record {
    [
      "group": .text(group), "topic": .text(topic), "messages": .number(messages),
      "seconds": age(at: .now()).map { .number($0.inMilliseconds / 1_000) } ?? .null,
      "partitions": .list(partitions.map(\.record)),
    ]
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
