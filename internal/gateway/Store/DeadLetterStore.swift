internal import GatewayDomain
internal import Inbox
public import Outbox
public import Postgres
public import Values

/// A dead letter, without its message: that may hold account numbers and tokens.
public struct StoredDeadLetter: Sendable {
  /// Its number.
  public let id: Int64
  /// The topic that the message was on.
  public let source: String
  /// The topic of the letter, its partition and its offset there.
  public let topic: String
  /// See `topic`.
  public let partition: Int64
  /// See `topic`.
  public let offset: Int64
  /// When it was written there.
  public let diedAt: Timestamp
  /// The payment that the message's key names, if it names one.
  public let paymentID: UniqueID?
  /// Bytes of the message; nil for a message without a value, and once somebody has decided.
  public let size: Int64?
  /// Why it could not be used.
  public let reason: String
  /// How often the message had been sent again before.
  public let requeues: Int64
  /// `waiting`, `requeued` or `discarded`.
  public let state: String
  /// When somebody has decided.
  public let decidedAt: Timestamp?
  /// Who has.
  public let decidedBy: String?
}

/// Which dead letters a person means.
public enum DeadLetterChoice: Sendable, Hashable {
  /// One.
  case one(Int64)
  /// All that wait and were sent again less often than so.
  case all(mostRequeues: Int64)
}

/// The dead letters of the pipeline, for people: shown, sent again or discarded.
public struct DeadLetterStore: Sendable {
  /// Letters of one transaction.
  private static let batch: Int64 = 100

  private let list: Statement
  private let take: Statement
  private let lockPayments: Statement
  private let countEvents: Statement
  private let decide: Statement
  private let count: Statement

  /// The letters of these tables.
  public init(_ t: GatewayTables) {
    list = Statement(
      """
      SELECT id, source, topic, partition::bigint AS partition, message_offset AS offset, died_at, key,
             octet_length(value)::bigint AS size, reason, requeues::bigint AS requeues, state, decided_at, decided_by
      FROM \(t.deadLetter)
      WHERE ($1::bigint IS NULL OR id = $1) AND ($2::bool OR $1::bigint IS NOT NULL OR state = 'waiting')
      ORDER BY id LIMIT $3
      """, isReadOnly: true)
    take = Statement(
      """
      SELECT id, source, key, value, requeues::bigint AS requeues FROM \(t.deadLetter)
      WHERE state = 'waiting' AND ($1::bigint IS NULL OR id = $1) AND requeues < $2 AND (value IS NOT NULL OR NOT $3)
      ORDER BY id LIMIT $4 FOR UPDATE
      """)
    lockPayments = Statement(
      "SELECT id, events FROM \(t.payment) WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE")
    countEvents = Statement(
      """
      UPDATE \(t.payment) p SET events = u.events FROM unnest($1::uuid[], $2::bigint[]) u(id, events)
      WHERE p.id = u.id
      """)
    decide = Statement(
      """
      UPDATE \(t.deadLetter) SET state = $2, decided_by = $3, decided_at = clock_timestamp(), key = NULL, value = NULL
      WHERE id = ANY ($1)
      """)
    count = Statement(
      """
      SELECT count(*) AS count, coalesce(extract(epoch FROM clock_timestamp() - min(kept_at)), 0)::float8 AS oldest
      FROM \(t.deadLetter) WHERE state = 'waiting'
      """, isReadOnly: true)
  }

  private enum Column: Int, AnswerColumn {
    case id, source, topic, partition, offset, diedAt, key, size, reason, requeues, state, decidedAt, decidedBy
  }

  /// Letters, the oldest first.
  /// - Parameters:
  ///   - id: only this one, whatever became of it.
  ///   - isWhole: also those that somebody has decided about.
  public func letters(
    id: Int64? = nil, isWhole: Bool = false, limit: Int, on connection: Connection
  ) throws(DatabaseError) -> [StoredDeadLetter] {
    let rows = try connection.run(
      Command(list, [id.map { .int64($0) } ?? .typedNull(.int64), .bool(isWhole), .int64(Int64(limit))]))
    var found: [StoredDeadLetter] = []
    for row in rows {
      found.append(
        StoredDeadLetter(
          id: try row.int64(Column.id), source: try row.text(Column.source), topic: try row.text(Column.topic),
          partition: try row.int64(Column.partition), offset: try row.int64(Column.offset),
          diedAt: try row.timestamp(Column.diedAt),
          paymentID: row.isNull(Column.key) ? nil : UniqueID(utf8: try row.bytes(Column.key)),
          size: try row.optionalInt64(Column.size), reason: try row.text(Column.reason),
          requeues: try row.int64(Column.requeues), state: try row.text(Column.state),
          decidedAt: try row.optionalTimestamp(Column.decidedAt), decidedBy: try row.optionalText(Column.decidedBy)))
    }
    return found
  }

  /// How many wait, and for how long the oldest has, in seconds.
  public func waiting(on connection: Connection) throws(DatabaseError) -> (count: Int64, oldest: Double) {
    let row = try connection.run(Command(count, [])).only
    return (try row.int64(WaitingColumn.count), try row.double(WaitingColumn.oldest))
  }

  private enum WaitingColumn: Int, AnswerColumn { case count, oldest }

  /// Has the messages sent again through the outbox, in the transaction that marks their letters. A letter without a
  /// value has nothing to be sent.
  /// - Returns: the letters; none when none is left.
  public func requeue(
    _ choice: DeadLetterChoice, by person: String, outbox: OutboxWriter, on connection: Connection
  ) throws(DatabaseError) -> [Int64] {
    try connection.transaction { (connection) throws(DatabaseError) in
      let letters = try taken(choice, hasValue: true, on: connection)
      guard !letters.isEmpty else { return [] }
      var events: [UniqueID: Int64] = [:]
      let payments = Set(letters.compactMap(\.paymentID)).sorted()
      for row in try connection.run(Command(lockPayments, [.uuidArray(payments)])) {
        events[try row.uuid(EventColumn.id)] = try row.int64(EventColumn.events)
      }
      let messages = letters.map { letter in letter.event(&events) }
      let counted = events.sorted { $0.key < $1.key }
      try connection.run([
        Command(countEvents, [.uuidArray(counted.map(\.key)), .int64Array(counted.map(\.value))]),
        outbox.insert(messages), mark(letters, "requeued", by: person),
      ])
      return letters.map(\.id)
    }
  }

  private enum EventColumn: Int, AnswerColumn { case id, events }

  /// Marks letters as done with; their messages are forgotten.
  /// - Returns: the letters; none when none is left.
  public func discard(
    _ choice: DeadLetterChoice, by person: String, on connection: Connection
  ) throws(DatabaseError) -> [Int64] {
    try connection.transaction { (connection) throws(DatabaseError) in
      let letters = try taken(choice, hasValue: false, on: connection)
      if !letters.isEmpty { try connection.run(mark(letters, "discarded", by: person)) }
      return letters.map(\.id)
    }
  }

  private func mark(_ letters: [TakenLetter], _ state: String, by person: String) -> Command {
    Command(decide, [.int64Array(letters.map(\.id)), .text(state), .text(person)])
  }

  private func taken(
    _ choice: DeadLetterChoice, hasValue: Bool, on connection: Connection
  ) throws(DatabaseError) -> [TakenLetter] {
    let (id, most): (Parameter, Int64) =
      switch choice {
      case .one(let id): (.int64(id), .max)
      case .all(let most): (.typedNull(.int64), most)
      }
    var letters: [TakenLetter] = []
    for row in try connection.run(Command(take, [id, .int64(most), .bool(hasValue), .int64(Self.batch)])) {
      letters.append(try TakenLetter(row))
    }
    return letters
  }
}

/// A letter that is about to be sent again.
private struct TakenLetter {
  let id: Int64
  let source: String
  let paymentID: UniqueID?
  let value: [UInt8]
  let requeues: Int64

  private enum Column: Int, AnswerColumn { case id, source, key, value, requeues }

  init(_ row: Row) throws(DatabaseError) {
    id = try row.int64(Column.id)
    source = try row.text(Column.source)
    paymentID = row.isNull(Column.key) ? nil : UniqueID(utf8: try row.bytes(Column.key))
    value = row.isNull(Column.value) ? [] : try row.bytes(Column.value)
    requeues = try row.int64(Column.requeues)
  }

  /// The message anew. It follows what the outbox has had of a payment that is live; every other is alone under a key
  /// of its own, since nothing follows it.
  func event(_ events: inout [UniqueID: Int64]) -> NewEvent {
    var (key, sequence) = ("dead-letter-\(id)", Int64(1))
    if let payment = paymentID, let last = events[payment] {
      events[payment] = last + 1
      (key, sequence) = (payment.description, last + 1)
    }
    return NewEvent(
      eventID: .random(), key: key, sequence: sequence, topic: source, payload: value, type: "paysaga.direct.requeued",
      source: PaymentIntake.eventSource,
      headers: [NewEvent.Header(DeadLetterHeader.requeues, String(requeues.adding(saturating: 1)))])
  }
}
