internal import Tracing
public import Values

/// A waiting event, as it was read from the outbox.
public struct WaitingEvent: Sendable, Hashable {
  /// Its place in the outbox: within a key, id order is commit order.
  public let id: Int64
  /// The shard of its key.
  public let shard: Int16
  /// Its identity, the same in every copy on the topic (`ce_id`).
  public let eventID: UniqueID
  /// Events of one key and topic are published in id order.
  public let key: String
  /// Its number within its key, from 1.
  public let sequence: Int64
  /// The topic to publish to.
  public let topic: String
  /// The message's value.
  public let payload: [UInt8]
  /// The headers that were written with it: names and values in turn.
  public let headers: [String]
  /// When it was inserted, by the database's clock; the message's `ce_time`.
  public let createdAt: Timestamp
  /// Why the row cannot be published, whatever a broker says; nil for every row that `OutboxWriter` wrote.
  public let fault: String?

  /// The trace that it belongs to.
  var trace: TraceContext? { header(TraceContext.name, among: headers).flatMap { TraceContext(traceparent: $0) } }

  /// What it is in order with.
  var line: KeyOnTopic { KeyOnTopic(key: key, topic: topic) }

  /// Made by the relay, and by tests.
  public init(
    id: Int64, shard: Int16, eventID: UniqueID, key: String, sequence: Int64, topic: String, payload: [UInt8],
    headers: [String], createdAt: Timestamp, fault: String? = nil
  ) {
    self.id = id
    self.shard = shard
    self.eventID = eventID
    self.key = key
    self.sequence = sequence
    self.topic = topic
    self.payload = payload
    self.headers = headers
    self.createdAt = createdAt
    self.fault = fault
  }
}

/// What is published in order: the events of one key on one topic. Readers see nothing of an order between topics, and
/// a topic that refuses or is paused holds nothing back on others.
struct KeyOnTopic: Sendable, Hashable {
  let key: String
  let topic: String
}

/// The value of a header; nil when there is none.
/// - Parameter headers: names and values in turn.
func header(_ name: String, among headers: [String]) -> String? {
  stride(from: 0, to: headers.count - 1, by: 2).first { headers[$0] == name }.map { headers[$0 + 1] }
}
