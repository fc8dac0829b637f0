public import Settings

/// The topics of the pipeline of direct payments and the consumer groups that read them: a group of settings, for the
/// programs at both ends. Each tells how far the other's groups are behind, which a program that is down cannot.
public struct DirectTopics: Sendable {
  /// `DIRECT_PAYMENT_TOPIC`: the payments to be executed.
  public var payments = ""
  /// `DIRECT_RESULT_TOPIC`: what became of them.
  public var results = ""
  /// `PROCESSING_GROUP`: the group that reads payments.
  public var processorGroup = ""
  /// `GATEWAY_GROUP`: the group that reads results.
  public var gatewayGroup = ""

  /// The values before any row of a table is read.
  public init() {}

  /// The rows. The number of their partitions is among the rows of `KafkaSettings`.
  public static func rows(_ users: [Program]) -> [Setting<DirectTopics>] {
    [
      .name(
        "DIRECT_PAYMENT_TOPIC", \.payments, longest: 245, extra: "._-", .value("direct.payments"), users,
        "topic of the payments to be executed; unreadable messages go to the topic with `.dlq` appended"),
      .name(
        "DIRECT_RESULT_TOPIC", \.results, longest: 245, extra: "._-", .value("direct.results"), users,
        "topic of what becomes of payments; unreadable messages go to the topic with `.dlq` appended"),
      .name(
        "PROCESSING_GROUP", \.processorGroup, longest: 249, extra: "._-", .value("direct-processor"), users,
        "consumer group on the topic of payments"),
      .name(
        "GATEWAY_GROUP", \.gatewayGroup, longest: 249, extra: "._-", .value("direct-gateway"), users,
        "consumer group on the topic of results; the one on the topics of dead letters has `-dead-letters` appended"),
    ]
  }

  /// Where messages of a topic go that cannot be read.
  public static func deadLetters(of topic: String) -> String { topic + ".dlq" }

  /// The group that reads those of both topics.
  public var deadLetterGroup: String { gatewayGroup + "-dead-letters" }

  /// The topics of `payments-processor`, each with its group.
  public var processorGroups: [(group: String, topic: String)] { [(processorGroup, payments)] }

  /// The topics of `payments-gateway`, each with its group.
  public var gatewayGroups: [(group: String, topic: String)] {
    [(gatewayGroup, results)] + [payments, results].map { (deadLetterGroup, Self.deadLetters(of: $0)) }
  }
}
