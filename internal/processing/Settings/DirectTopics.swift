public import Settings

/// The topics of the pipeline of direct payments: a group of settings, for every program that reads or writes them.
public struct DirectTopics: Sendable {
  /// `DIRECT_PAYMENT_TOPIC`: the payments to be executed.
  public var payments = ""
  /// `DIRECT_RESULT_TOPIC`: what became of them.
  public var results = ""

  /// The values before any row of a table is read.
  public init() {}

  /// The group's rows. The number of their partitions is among the rows of `KafkaSettings`.
  public static func rows(_ users: [Program]) -> [Setting<DirectTopics>] {
    [
      .name(
        "DIRECT_PAYMENT_TOPIC", \.payments, longest: 245, extra: "._-", .value("direct.payments"), users,
        "topic of the payments to be executed; unreadable messages go to the topic with `.dlq` appended"),
      .name(
        "DIRECT_RESULT_TOPIC", \.results, longest: 245, extra: "._-", .value("direct.results"), users,
        "topic of what becomes of payments; unreadable messages go to the topic with `.dlq` appended"),
    ]
  }

  /// Where messages of a topic go that cannot be read.
  public static func deadLetters(of topic: String) -> String { topic + ".dlq" }
}
