internal import Metrics

/// What an inbox reads and how.
///
/// Several inboxes may run in one process, on other topics or in other groups; give each a name of its own.
public struct InboxConfiguration: Sendable {
  /// Names the inbox in metrics (`<name>_messages_total`), log lines, threads and the Kafka client's id. Letters,
  /// digits and `_`; unique within a process.
  public var name: String
  /// The topic to read.
  public var topic: String
  /// The consumer group.
  public var group: String
  /// Where messages go that cannot be used.
  public var deadLetterTopic: String
  /// How many messages a transaction processes at most; at least 1.
  public var batch: Int
  /// How many lanes work at once, each with a thread and a database connection; at least 1. A partition belongs to one
  /// lane, so more lanes than partitions are of no use.
  public var parallelism: Int

  /// An inbox with batches of 1,000 messages and one lane.
  public init(
    name: String, topic: String, group: String, deadLetterTopic: String, batch: Int = 1_000, parallelism: Int = 1
  ) {
    self.name = name
    self.topic = topic
    self.group = group
    self.deadLetterTopic = deadLetterTopic
    self.batch = batch
    self.parallelism = parallelism
  }

  /// The labels of the lag, which has one name for all inboxes.
  var lagLabels: MetricsRegistry.Labels { ["topic": topic, "group": group] }
}
