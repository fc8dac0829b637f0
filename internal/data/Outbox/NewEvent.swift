public import Postgres
public import Values

/// An event to be written in the transaction that makes it true.
public struct NewEvent: Sendable, Hashable {
  /// Its identity (`ce_id`); never used twice.
  public let eventID: UniqueID
  /// What it is about: events of one key are published in the order in which they were committed. At most 255 bytes.
  public let key: String
  /// Its number within its key, from 1, each used once.
  public let sequence: Int64
  /// The topic to publish to.
  public let topic: String
  /// The message's value.
  public let payload: [UInt8]
  /// The CloudEvents type, such as `shipping.order.shipped`.
  public let type: String
  /// The CloudEvents source, such as `/shipping`.
  public let source: String
  /// The W3C trace it belongs to, if any.
  public let traceparent: String?
  /// Who caused it, as far as known: the header `caller`.
  public let caller: String?
  /// Headers that readers of the topic need besides.
  public let headers: [Header]

  /// A header of the message: both are text without NUL.
  public struct Header: Sendable, Hashable {
    /// One that CloudEvents and we have not.
    public let name: String
    /// As it is sent.
    public let value: String

    /// A header.
    public init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  /// - Parameters:
  ///   - key: at most 255 bytes.
  ///   - sequence: from 1; less is a mistake of the caller and traps.
  public init(
    eventID: UniqueID, key: String, sequence: Int64, topic: String, payload: [UInt8], type: String, source: String,
    traceparent: String? = nil, caller: String? = nil, headers: [Header] = []
  ) {
    precondition(sequence > 0, "an event's sequence starts at 1")
    self.eventID = eventID
    self.key = key
    self.sequence = sequence
    self.topic = topic
    self.payload = payload
    self.type = type
    self.source = source
    self.traceparent = traceparent
    self.caller = caller
    self.headers = headers
  }

  /// The further headers as PostgreSQL writes an array (section 8.15.2); nil for none.
  var arrayOfHeaders: String? {
    guard !headers.isEmpty else { return nil }
    let texts = headers.flatMap { [$0.name, $0.value] }.map { text in
      "\"\(text.reduce(into: "") { $0 += $1 == "\"" || $1 == "\\" ? "\\\($1)" : "\($1)" })\""
    }
    return "{\(texts.joined(separator: ","))}"
  }
}

/// Writes events into the caller's transactions.
public struct OutboxWriter: Sendable {
  /// The channel on which relays are told that events were committed.
  public let channel: String
  private let shards: ShardMap
  private let statement: Statement

  /// - Parameter shards: how keys are spread; read from the database with `ShardMap.load`.
  public init(_ tables: OutboxTables, shards: ShardMap) {
    self.shards = shards
    channel = tables.channel
    statement = Self.insert(tables)
  }

  /// The command that inserts `events`, to be run in the transaction that makes them true.
  ///
  /// That transaction must have locked or written the row that each key stands for before this command: ids are drawn
  /// here, and their order within a key is commit order only behind such a lock.
  public func insert(_ events: [NewEvent]) -> Command {
    Command(
      statement,
      [
        .uuidArray(events.map(\.eventID)), .int16Array(events.map { shards.shard(of: $0.key) }),
        .textArray(events.map(\.key)), .int64Array(events.map(\.sequence)), .textArray(events.map(\.topic)),
        .bytesArray(events.map(\.payload)), .textArray(events.map(\.type)), .textArray(events.map(\.source)),
        .optionalTextArray(events.map(\.traceparent)), .optionalTextArray(events.map(\.caller)),
        .optionalTextArray(events.map(\.arrayOfHeaders)),
      ])
  }

  /// The condition gives the transaction its id before the first event's id is drawn, whatever was written before:
  /// relays take what could have drawn an id to be among the transactions that run.
  private static func insert(_ t: OutboxTables) -> Statement {
    Statement(
      """
      INSERT INTO \(t.event) (event_id, shard, key, seq, topic, payload, headers)
      SELECT u.event_id, u.shard, u.key, u.seq, u.topic, u.payload,
             ARRAY['ce_type', u.type, 'ce_source', u.source]
             || CASE WHEN u.traceparent IS NULL THEN '{}'::text[] ELSE ARRAY['traceparent', u.traceparent] END
             || CASE WHEN u.caller IS NULL THEN '{}'::text[] ELSE ARRAY['caller', u.caller] END
             || coalesce(u.headers::text[], '{}')
      FROM unnest($1::uuid[], $2::smallint[], $3::text[], $4::bigint[], $5::text[], $6::bytea[], $7::text[],
                  $8::text[], $9::text[], $10::text[], $11::text[])
           WITH ORDINALITY AS u(event_id, shard, key, seq, topic, payload, type, source, traceparent, caller, headers, n)
      WHERE pg_current_xact_id() IS NOT NULL
      ORDER BY u.n
      """)
  }
}
