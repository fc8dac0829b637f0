internal import GatewayDomain
public import Inbox
public import Kafka
public import Postgres
internal import Values

/// A message of the topics for dead letters, as it is kept.
public struct KeptLetter: Sendable {
  let message: ConsumedMessage
  /// The topic that the message was on.
  let source: String
  let reason: String
  let requeues: Int64

  /// The longest reason, in characters.
  static let maximumReason = 1_000

  init(_ message: ConsumedMessage) {
    self.message = message
    // Not by its header: nothing that is sent again may go to a topic of somebody's choice.
    source = message.topic.hasSuffix(".dlq") ? String(message.topic.dropLast(4)) : message.topic
    // As PostgreSQL counts characters.
    let told = (Self.text(DeadLetterHeader.error, message) ?? "").unicodeScalars.prefix(Self.maximumReason)
    reason = String(String.UnicodeScalarView(told))
    requeues = Self.text(DeadLetterHeader.requeues, message).flatMap { Int32($0) }.map { Int64(max($0, 0)) } ?? 0
  }

  /// The last header of that name, which is the one that was added last. PostgreSQL's text holds no NUL.
  private static func text(_ name: String, _ message: ConsumedMessage) -> String? {
    message.headers.last { $0.name == name }?.value.map { value in
      String(decoding: value.filter { $0 != 0 }, as: UTF8.self)
    }
  }

  /// `[["name", "hexadecimal digits"], …]` of the message's own headers.
  var headers: String {
    let own = message.headers.filter { !DeadLetterHeader.ofOneDeath.contains($0.name) }
    var bytes = Array("[".utf8)
    for (index, header) in own.enumerated() {
      bytes += (index == 0 ? "[" : ",[").utf8
      JSONWriter.appendString(header.name.filter { $0 != "\0" }, to: &bytes)
      bytes.append(UInt8(ascii: ","))
      JSONWriter.appendString(Hexadecimal.text(header.value ?? []), to: &bytes)
      bytes.append(UInt8(ascii: "]"))
    }
    bytes.append(UInt8(ascii: "]"))
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// What became of a dead letter.
public enum DeadLetterOutcome: String, InboxOutcome {
  /// It waits for a person.
  case kept
  /// It was kept before.
  case known
}

/// Keeps the dead letters of the pipeline as rows; one for each lane of an inbox. Nothing is unusable for it.
public struct DeadLetterHandler: InboxHandler {
  private let insert: Statement

  /// Keeps them in these tables.
  public init(_ tables: GatewayTables) {
    insert = Statement(
      """
      INSERT INTO \(tables.deadLetter)
        (topic, partition, message_offset, died_at, source, key, value, headers, reason, requeues)
      SELECT u.topic, u.partition, u.message_offset, u.died_at, u.source, u.key, u.value, u.headers::json, u.reason,
             u.requeues
      FROM unnest($1::text[], $2::int[], $3::bigint[], $4::timestamptz[], $5::text[], $6::bytea[], $7::bytea[],
                  $8::text[], $9::text[], $10::bigint[])
           AS u(topic, partition, message_offset, died_at, source, key, value, headers, reason, requeues)
      ON CONFLICT DO NOTHING RETURNING message_offset
      """)
  }

  /// Takes every message.
  public func sort(_ message: ConsumedMessage) -> InboxSorting<KeptLetter, DeadLetterOutcome> {
    .work(KeptLetter(message))
  }

  /// Keeps them, in one statement.
  public func execute(
    _ letters: [KeptLetter], on connection: Connection
  ) throws(DatabaseError) -> [InboxResult<DeadLetterOutcome>] {
    let messages = letters.map(\.message)
    let rows = try connection.run(
      Command(
        insert,
        [
          .textArray(messages.map(\.topic)), .int32Array(messages.map(\.partition)),
          .int64Array(messages.map(\.offset)),
          .timestampArray(messages.map { $0.timestamp ?? Timestamp(microseconds: 0) }),
          .textArray(letters.map(\.source)), .optionalBytesArray(messages.map(\.key)),
          .optionalBytesArray(messages.map(\.value)), .textArray(letters.map(\.headers)),
          .textArray(letters.map(\.reason)), .int64Array(letters.map(\.requeues)),
        ]))
    let isNew = rows.count == letters.count
    return letters.map { _ in .done(isNew ? .kept : .known) }
  }

  /// No message is to blame: what the database refuses here waits for whoever repairs it.
  public func reasonToRefuse(_ error: DatabaseError) -> String? { nil }
}
