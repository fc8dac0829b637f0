public import Postgres
public import Values

/// An entry of the log of operations: what an operator did, or what happened that somebody may have to know.
public struct Operation: Sendable, Hashable {
  /// What was done or happened.
  public enum Action: String, Sendable, CaseIterable {
    /// The broker refused an event for good.
    case dead
    /// A relay could not publish any more.
    case obstacle
    /// It could again.
    case obstacleOver = "obstacle_over"
    /// Dead events were put back.
    case requeue
    /// Published events are published once more.
    case replay
    /// A topic was paused.
    case pause
    /// A pause was ended.
    case resume
    /// A shard was taken from a relay that was silent.
    case takeOver = "take_over"
    /// A message of a dead-letter topic was put back to its topic.
    case letterRequeue = "letter_requeue"
    /// A message of a dead-letter topic was given up.
    case letterDiscard = "letter_discard"
    /// Money was moved out of suspense.
    case suspenseRelease = "suspense_release"
  }

  /// Its number; later entries have higher ones.
  public let id: Int64
  /// When, by the database's clock.
  public let at: Timestamp
  /// A raw value of `Action`; another word where another version has written it.
  public let action: String
  /// The operator, or the relay that saw it.
  public let actor: String
  /// The topic, where it is about one.
  public let topic: String?
  /// The event's key, where it is about one.
  public let key: String?
  /// The event's identity, where it is about one.
  public let eventID: UniqueID?
  /// The shard, where it is about one.
  public let shard: Int16?
  /// The broker's words, or what else there is to say.
  public let detail: String?
}

/// What was done to an outbox and what happened to it, and what else operators did in its schema: one entry for each
/// event, topic, shard or key concerned, written in the transaction of the action. Kept for ninety days.
public struct OperationLog: Sendable {
  /// Entries deleted by one call at most.
  private static let batch = 1_000

  private let insert: Statement
  private let newest: Statement
  private let delete: Statement

  /// - Parameter tables: the outbox that it is about.
  public init(_ tables: OutboxTables) {
    let log = tables.operationLog
    insert = Statement(
      """
      INSERT INTO \(log) (action, actor, topic, key, detail)
      SELECT $1::text, $2::text, $3::text, n.key, n.detail FROM unnest($4::text[], $5::text[]) n(key, detail)
      """)
    newest = Statement(
      """
      SELECT id, at, action, actor, topic, key, event_id, shard, detail FROM \(log)
      WHERE ($1::text IS NULL OR key = $1) AND ($2::text IS NULL OR action = $2)
        AND ($3::timestamptz IS NULL OR at >= $3)
      ORDER BY id DESC LIMIT $4
      """, isReadOnly: true)
    delete = Statement(
      """
      DELETE FROM \(log) WHERE at < clock_timestamp() - interval '90 days'
        AND id IN (SELECT id FROM \(log) ORDER BY id LIMIT \(Self.batch))
      """)
  }

  private enum Column: Int, AnswerColumn { case id, at, action, actor, topic, key, eventID, shard, detail }

  /// The newest entries, newest first.
  /// - Parameters:
  ///   - key: only those about this key.
  ///   - action: only those.
  ///   - since: only those from then on.
  public func entries(
    key: String? = nil, action: Operation.Action? = nil, since: Timestamp? = nil, limit: Int,
    on connection: Connection
  ) throws(DatabaseError) -> [Operation] {
    let parameters: [Parameter] = [
      .textOrNull(key), .textOrNull(action?.rawValue), .timestampOrNull(since), .int64(Int64(limit)),
    ]
    return try connection.run(Command(newest, parameters)).map { (row) throws(DatabaseError) in
      Operation(
        id: try row.int64(Column.id), at: try row.timestamp(Column.at), action: try row.text(Column.action),
        actor: try row.text(Column.actor), topic: try row.optionalText(Column.topic),
        key: try row.optionalText(Column.key), eventID: try row.optionalUUID(Column.eventID),
        shard: row.isNull(Column.shard) ? nil : try row.int16(Column.shard),
        detail: try row.optionalText(Column.detail))
    }
  }

  /// The entry of an action about a topic as a whole, such as a pause.
  func entry(_ action: Operation.Action, by actor: String, topic: String) -> Command {
    Command(
      insert,
      [.text(action.rawValue), .text(actor), .text(topic), .optionalTextArray([nil]), .optionalTextArray([nil])])
  }

  /// Writes down what was done with what is no event, such as dead letters.
  /// - Parameters:
  ///   - topic: where it is about messages of one.
  ///   - messages: the key and a description of each.
  public func note(
    _ action: Operation.Action, by actor: String, topic: String? = nil, messages: [(key: String?, detail: String)],
    on connection: Connection
  ) throws(DatabaseError) {
    let parameters: [Parameter] = [
      .text(action.rawValue), .text(actor), .textOrNull(topic), .optionalTextArray(messages.map(\.key)),
      .optionalTextArray(messages.map(\.detail)),
    ]
    _ = try connection.run(Command(insert, parameters))
  }

  /// Deletes entries that are older than ninety days, the oldest first, a bounded number.
  func forgetOld(on connection: Connection) throws(DatabaseError) { _ = try connection.run(Command(delete)) }
}
