internal import Metrics
internal import Postgres

/// Which outbox: the schema of its tables, and the channel on which its relays are told that events wait.
///
/// Several contexts in one database have an outbox each, in a schema of their own with a channel of their own. The
/// tables have the same names in every schema; migrations/outbox makes them.
public struct OutboxTables: Sendable, Hashable {
  /// Where the tables are; nil for wherever a session's `search_path` finds them.
  public let schema: String?
  /// The channel to notify after a commit. Channels belong to the database, not to a schema.
  public let channel: String
  private let prefix: String

  /// - Parameters:
  ///   - schema: its name as the catalogue has it, not quoted.
  ///   - channel: of this outbox alone.
  /// - Throws: `configuration` for what cannot be a name: it is empty, longer than 63 bytes, or holds a NUL.
  public init(schema: String? = nil, channel: String) throws(OutboxError) {
    if let schema { try Self.check(schema, "schema") }
    try Self.check(channel, "channel")
    self.schema = schema
    self.channel = channel
    prefix = schema.map { quoteIdentifier($0) + "." } ?? ""
  }

  /// PostgreSQL cuts longer names off without a word, so that two could be one.
  private static func check(_ name: String, _ what: String) throws(OutboxError) {
    guard (1...63).contains(name.utf8.count), !name.utf8.contains(0) else {
      throw OutboxError(
        .configuration, "the \(what) of an outbox needs a name of 1 to 63 bytes without NUL, found \"\(name)\"")
    }
  }

  // MARK: - The tables as statements name them

  /// The parent of all events.
  public var event: String { name("event") }
  /// Events that wait.
  public var wait: String { name("event_wait") }
  /// Published events, the parent of the days.
  public var done: String { name("event_done") }
  /// Events that the broker refused for good.
  public var dead: String { name("event_dead") }
  /// The leases, one for each shard.
  public var shard: String { name("event_shard") }
  /// The living relays.
  public var relay: String { name("event_relay") }
  /// The paused topics.
  public var topicPause: String { name("event_topic_pause") }
  /// What was done to the outbox, and what happened to it.
  public var operationLog: String { name("operation_log") }
  /// The sequence of the events' ids.
  public var idSequence: String { name("event_id_seq") }

  /// What tells the metrics of several outboxes in one process apart.
  var metricLabels: MetricsRegistry.Labels { schema.map { ["schema": $0] } ?? [:] }

  /// The same with a reason.
  func metricLabels(reason: String) -> MetricsRegistry.Labels {
    schema.map { ["reason": reason, "schema": $0] } ?? ["reason": reason]
  }

  private func name(_ table: String) -> String { prefix + table }

  /// `wait` as a text within a statement.
  var waitLiteral: String { quoteLiteral(wait) }

  /// `idSequence` as a text within a statement.
  var idSequenceLiteral: String { quoteLiteral(idSequence) }
}
