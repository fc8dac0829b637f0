internal import Postgres
internal import Values

/// What one operator did in one transaction, as the log of operations has it.
struct OperatorAction: Sendable, Hashable {
  /// The transaction that wrote it.
  let transaction: String
  /// The entries: events, shards or letters concerned.
  let count: Int
  /// A raw value of `Operation.Action`.
  let action: String
  let person: String
  let topic: String?
  /// The key, where all entries are about this one.
  let key: String?
  /// Whether it was written within `OperatorActions.handover`.
  let isNew: Bool
}

/// Finds what operators have done since the last look, for lines of the program's log: the commands that they type run
/// elsewhere. For one thread at a time.
///
/// A look reads a few entries by the primary key. It goes back to the end of the look before the last: an action that
/// commits late has lower numbers than entries that were seen before it.
struct OperatorActions: Sendable {
  /// How far a first look goes back in time: what is older was told by the process that looked before, whose lease may
  /// have had to run out. What is newer may be told by both.
  static let handover = Duration.seconds(120)
  /// How far it goes back in entries.
  private static let reach = 1_000

  private let statement: Statement
  private let end: Statement
  /// The highest numbers at the last look and at the one before it.
  private var ends: (older: Int64, newer: Int64)?
  /// What the last look found.
  private var told: Set<Told> = []

  init(_ tables: OutboxTables) {
    let log = tables.operationLog
    end = Statement("SELECT coalesce(max(id), 0) AS last FROM \(log)", isReadOnly: true)
    // Rows of the log are never updated: xmin is the transaction that wrote them.
    statement = Statement(
      """
      SELECT xmin::text AS transaction, count(*) AS entries, action, actor, topic,
             CASE WHEN count(*) = count(key) AND min(key) = max(key) THEN min(key) END AS key,
             max(at) > clock_timestamp() - interval '\(Self.handover.components.seconds) s' AS is_new
      FROM \(log) WHERE id > $1 AND action = ANY($2::text[])
      GROUP BY xmin::text, action, actor, topic ORDER BY min(id)
      """, isReadOnly: true)
  }

  private enum EndColumn: Int, AnswerColumn { case last }
  private enum Column: Int, AnswerColumn { case transaction, entries, action, actor, topic, key, isNew }

  /// What tells actions apart, however many of its entries a look reads.
  private struct Told: Hashable {
    let transaction: String
    let action: String
    let person: String
    let topic: String?

    init(_ action: OperatorAction) {
      transaction = action.transaction
      self.action = action.action
      person = action.person
      topic = action.topic
    }
  }

  /// Makes the next look a first one: until then another process looks.
  mutating func forget() { (ends, told) = (nil, []) }

  /// - Returns: the actions that no earlier look has returned, the oldest first.
  mutating func look(on connection: Connection) throws(DatabaseError) -> [OperatorAction] {
    let last = try connection.run(Command(end)).only.int64(EndColumn.last)
    let floor = ends?.older ?? last - Int64(Self.reach)
    let rows = try connection.run(Command(statement, [.int64(floor), .textArray(Operation.Action.operators)]))
    let found = try rows.map { (row) throws(DatabaseError) in
      OperatorAction(
        transaction: try row.text(Column.transaction), count: try row.int(Column.entries),
        action: try row.text(Column.action), person: try row.text(Column.actor),
        topic: try row.optionalText(Column.topic), key: try row.optionalText(Column.key),
        isNew: try row.bool(Column.isNew))
    }
    let isFirst = ends == nil
    defer { (ends, told) = ((ends?.newer ?? last, last), Set(found.map(Told.init))) }
    return found.filter { isFirst ? $0.isNew : !told.contains(Told($0)) }
  }
}

extension Operation.Action {
  /// The raw values of what operators do; the others are what relays see.
  fileprivate static let operators = allCases.filter { ![.dead, .obstacle, .obstacleOver].contains($0) }.map(\.rawValue)
}
