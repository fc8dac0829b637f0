internal import Postgres
internal import Tracing
public import Values

/// Where an event is in its life.
public enum EventStatus: String, Sendable, CaseIterable {
  /// Not yet on its topic.
  case waiting = "WAIT"
  /// Acknowledged by the broker.
  case done = "DONE"
  /// Refused by the broker for good.
  case dead = "DEAD"
}

/// One event without its payload, for people who look after the outbox.
public struct EventSummary: Sendable, Hashable {
  public let id: Int64
  /// The event's identity (`ce_id`).
  public let eventID: UniqueID
  /// The shard of its key.
  public let shard: Int16
  /// Its key.
  public let key: String
  /// Its number within its key, from 1.
  public let sequence: Int64
  /// The topic that it is published to.
  public let topic: String
  /// Where it is in its life.
  public let status: EventStatus
  /// How often it left WAIT, as DONE or as DEAD.
  public let attempts: Int
  /// What the broker said last; nil when it never refused.
  public let lastError: String?
  /// When it was inserted, by the database's clock.
  public let createdAt: Timestamp
  /// When it was published.
  public let doneAt: Timestamp?
  /// The end of the lease under which it was published.
  public let reservedTo: Timestamp?
  /// Where it lies on its topic; nil unless it was published and the broker told.
  public let place: MessagePlace?

  /// The headers that were written with it, names and values in turn; none where they cannot be read.
  public let headers: [String]

  /// The value of a header; nil when it has none.
  public func header(_ name: String) -> String? { Outbox.header(name, among: headers) }

  /// The id of the trace that it belongs to, as logs have it.
  var traceIDText: String? { header(TraceContext.name).flatMap { TraceContext(traceparent: $0)?.traceIDText } }

  private enum Column: Int, AnswerColumn {
    case id, eventID, shard, key, seq, topic, attempts, lastError, createdAt, doneAt, reservedTo
    case topicPartition, topicOffset, headers
  }

  /// Rows of `columns`. What is missing in a row is shown as nothing: people look here for rows that are not sound.
  static func read(_ rows: Rows, _ status: EventStatus) throws(DatabaseError) -> [EventSummary] {
    try rows.map { (row) throws(DatabaseError) in
      EventSummary(
        id: try row.int64(Column.id), eventID: try row.optionalUUID(Column.eventID) ?? UniqueID(high: 0, low: 0),
        shard: try row.int16(Column.shard), key: try row.optionalText(Column.key) ?? "",
        sequence: try row.optionalInt64(Column.seq) ?? 0, topic: try row.optionalText(Column.topic) ?? "",
        status: status, attempts: Int(try row.optionalInt64(Column.attempts) ?? 0),
        lastError: try row.optionalText(Column.lastError),
        createdAt: try row.optionalTimestamp(Column.createdAt) ?? Timestamp(microseconds: 0),
        doneAt: try row.optionalTimestamp(Column.doneAt), reservedTo: try row.optionalTimestamp(Column.reservedTo),
        place: try place(row), headers: (try? row.textArray(Column.headers)) ?? [])
    }
  }

  private static func place(_ row: Row) throws(DatabaseError) -> MessagePlace? {
    guard let partition = try row.optionalInt64(Column.topicPartition),
      let offset = try row.optionalInt64(Column.topicOffset)
    else { return nil }
    return MessagePlace(partition: Int32(clamping: partition), offset: offset)
  }

  /// The SELECT list of `Column`.
  static let columns =
    """
    id, event_id, shard, key, seq, topic, attempts, last_error, created_at, done_at, reserved_to, topic_partition, \
    topic_offset, headers
    """
}
