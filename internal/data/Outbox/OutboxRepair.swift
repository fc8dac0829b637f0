public import Postgres

/// What an operator does to the outbox by hand: bring dead events back, publish done ones again, pause topics.
///
/// Whatever makes an old row readable raises the epochs of its shards in the same transaction. A relay reads above a
/// floor, and joins the lease rows by epoch in the statement that reads: with the epoch it has lost the shard, takes it
/// anew and reads from the bottom. The owner and the end of the lease stay, so that no other relay takes the shard
/// while the old one may still have messages with its producer (G6).
///
/// Locks are taken in the relays' order: shards ascending, then events. Every function is one transaction; a conflict
/// with a relay that moves the same rows is tried again.
public struct OutboxRepair: Sendable {
  /// Events in one transaction at most: what is locked and answered is bounded.
  public static let limit = 10_000

  /// Which dead events to bring back.
  public enum Selection: Sendable, Hashable {
    case ids([Int64])
    /// All of them, the oldest `limit` first.
    case all
  }

  private let statements: RepairStatements
  private let log: OperationLog
  private let person: String

  /// - Parameters:
  ///   - tables: the outbox to repair.
  ///   - person: who does it, for the log of operations.
  public init(_ tables: OutboxTables, by person: String) {
    statements = RepairStatements(tables)
    log = OperationLog(tables)
    self.person = person
  }

  /// The dead events that `requeue` would bring back, by ascending id: those whose rows can be published.
  public func dead(_ selection: Selection, on connection: Connection) throws(DatabaseError) -> [EventSummary] {
    let rows =
      switch selection {
      case .ids(let ids): try connection.run(Command(statements.deadByID, [.int64Array(ids)]))
      case .all: try connection.run(Command(statements.deadAll, [.int64(Int64(Self.limit))]))
      }
    return try EventSummary.read(rows, .dead)
  }

  /// Puts dead events back to WAIT; id, number and identity stay.
  /// - Returns: what was moved; events that are not dead (any more) are not among them.
  public func requeue(
    _ selection: Selection, on connection: Connection
  ) throws(DatabaseError) -> [EventSummary] {
    try retrying(connection) { connection throws(DatabaseError) in
      let found = try dead(selection, on: connection)
      if found.isEmpty { return [] }
      try raiseEpochs(of: Set(found.map(\.shard)), on: connection)
      let moved = try connection.run(Command(statements.moveDead, [.int64Array(found.map(\.id)), .text(person)]))
      return try EventSummary.read(moved, .waiting)
    }
  }

  /// The published events of a key that `replay` would publish again, by ascending number. Reads all that is kept of
  /// the published events: seconds with millions of them.
  public func published(key: String, on connection: Connection) throws(DatabaseError) -> [EventSummary] {
    try EventSummary.read(
      try connection.run(Command(statements.doneOfKey, [.text(key), .int64(Int64(Self.limit))])), .done)
  }

  /// Puts all published events of a key that are still kept back to WAIT, so that relays publish them again, before
  /// anything of the key that waits; id, number and identity stay.
  public func replay(
    key: String, shard: Int16, on connection: Connection
  ) throws(DatabaseError) -> [EventSummary] {
    try retrying(connection) { connection throws(DatabaseError) in
      try raiseEpochs(of: [shard], on: connection)
      // With the shard locked no relay completes anything of the key meanwhile.
      let moved = try connection.run(Command(statements.moveDone, [.text(key), .text(person)]))
      return try EventSummary.read(moved, .waiting)
    }
  }

  /// Stops the publication of a topic's events. What relays have in memory of it is dropped at their next statement.
  /// - Returns: false when it was paused already.
  public func pause(_ topic: String, on connection: Connection) throws(DatabaseError) -> Bool {
    try retrying(connection) { connection throws(DatabaseError) in
      let isNew = try connection.run(Command(statements.insertPause, [.text(topic)])).affected == 1
      if isNew {
        try raiseEpochs(of: nil, on: connection)
        _ = try connection.run(log.entry(.pause, by: person, topic: topic))
      }
      return isNew
    }
  }

  /// Publishes a paused topic's events again.
  /// - Returns: false when it was not paused.
  public func resume(_ topic: String, on connection: Connection) throws(DatabaseError) -> Bool {
    try retrying(connection) { connection throws(DatabaseError) in
      let wasPaused = try connection.run(Command(statements.deletePause, [.text(topic)])).affected == 1
      // Of all shards: an event that commits right now may be passed over in any of them before this commits.
      if wasPaused {
        try raiseEpochs(of: nil, on: connection)
        _ = try connection.run(log.entry(.resume, by: person, topic: topic))
      }
      return wasPaused
    }
  }

  /// Which shards to take from their relay.
  public enum Holding: Sendable, Hashable {
    case shards([Int16])
    /// All of one owner.
    case owner(String)
  }

  /// A shard that somebody holds.
  public struct HeldShard: Sendable, Hashable {
    /// Its number.
    public let shard: Int16
    /// The relay that held it.
    public let owner: String
    /// Whether it was taken: its relay gave no sign of life for `OutboxInspection.silence`.
    public let isTaken: Bool
  }

  /// Takes shards from relays that are silent, before their leases end, so that others can claim them at once. What
  /// such a relay has with its producer may still reach the topic when it wakes up: as a copy, and after later events.
  /// - Returns: the shards of `holding` that somebody held.
  public func takeOver(_ holding: Holding, on connection: Connection) throws(DatabaseError) -> [HeldShard] {
    let (shards, owner): ([Int16], String?) =
      switch holding {
      case .shards(let shards): (shards, nil)
      case .owner(let owner): ([], owner)
      }
    return try retrying(connection) { connection throws(DatabaseError) in
      try connection.run(
        Command(statements.takeOver, [.int16Array(shards), .textOrNull(owner), .text(person)])
      ).map { (row) throws(DatabaseError) in
        HeldShard(
          shard: try row.int16(HeldColumn.shard), owner: try row.text(HeldColumn.owner),
          isTaken: try row.bool(HeldColumn.isTaken))
      }
    }
  }

  private enum HeldColumn: Int, AnswerColumn { case shard, owner, isTaken }

  /// - Parameter shards: nil for all.
  private func raiseEpochs(of shards: Set<Int16>?, on connection: Connection) throws(DatabaseError) {
    _ = try connection.run(Command(statements.raise, [.int16Array(shards?.sorted() ?? []), .bool(shards == nil)]))
  }

  /// One transaction, with a NOTIFY that is sent with its commit; operators are rare, so its lock costs nobody.
  private func retrying<T>(
    _ connection: Connection, _ body: (Connection) throws(DatabaseError) -> T
  ) throws(DatabaseError) -> T {
    var attempts = 0
    while true {
      do throws(DatabaseError) {
        return try connection.transaction { connection throws(DatabaseError) in
          let result = try body(connection)
          _ = try connection.run(Command(statements.notify))
          return result
        }
      } catch {
        attempts += 1
        guard error.isSerializationFailure || error.isDeadlock, attempts < 20 else { throw error }
      }
    }
  }
}

/// The texts of the repairs, made once.
private final class RepairStatements: Sendable {
  let deadByID: Statement
  let deadAll: Statement
  let doneOfKey: Statement
  let raise: Statement
  let moveDead: Statement
  let moveDone: Statement
  let insertPause: Statement
  let deletePause: Statement
  let takeOver: Statement
  let notify: Statement

  init(_ t: OutboxTables) {
    let columns = EventSummary.columns
    let sound = Self.sound(t)
    deadByID = Statement(
      "SELECT \(columns) FROM \(t.dead) WHERE id = ANY($1::bigint[]) AND \(sound) ORDER BY id", isReadOnly: true)
    deadAll = Statement("SELECT \(columns) FROM \(t.dead) WHERE \(sound) ORDER BY id LIMIT $1", isReadOnly: true)
    doneOfKey = Statement(
      "SELECT \(columns) FROM \(t.done) WHERE key = $1::text ORDER BY seq LIMIT $2", isReadOnly: true)
    raise = Self.raise(t)
    moveDead = Self.move("DELETE FROM \(t.dead) WHERE id = ANY($1::bigint[]) AND \(sound)", .requeue, t)
    moveDone = Self.move("DELETE FROM \(t.done) WHERE key = $1::text", .replay, t)
    takeOver = Self.takeOver(t)
    insertPause = Statement("INSERT INTO \(t.topicPause) (topic) VALUES ($1::text) ON CONFLICT DO NOTHING")
    deletePause = Statement("DELETE FROM \(t.topicPause) WHERE topic = $1::text")
    notify = Statement("NOTIFY \(quoteIdentifier(t.channel))")
  }

  /// Of events that relays refuse for what is in their rows, only those that were mended can go back: the checks of
  /// event_wait would refuse the others, and with them all that are put back together.
  private static func sound(_ t: OutboxTables) -> String {
    """
    shard BETWEEN 0 AND (SELECT count(*) - 1 FROM \(t.shard)) AND
    CASE WHEN cardinality(headers) = 0 THEN true WHEN array_ndims(headers) <> 1 THEN false
         ELSE cardinality(headers) % 2 = 0 AND array_position(headers, NULL) IS NULL END
    """
  }

  private static func raise(_ t: OutboxTables) -> Statement {
    Statement(
      """
      WITH held AS MATERIALIZED (
        SELECT s.shard FROM \(t.shard) s WHERE $2::bool OR s.shard = ANY($1::smallint[])
        ORDER BY s.shard FOR NO KEY UPDATE OF s)
      UPDATE \(t.shard) s SET epoch = \(RelayStatements.nextEpoch) FROM held WHERE s.shard = held.shard
      """)
  }

  /// The relay's entry goes too, so that it counts for no share of the shards any more.
  private static func takeOver(_ t: OutboxTables) -> Statement {
    Statement(
      """
      WITH held AS MATERIALIZED (
        SELECT s.shard, s.owner FROM \(t.shard) s
        WHERE s.owner IS NOT NULL AND (s.shard = ANY($1::smallint[]) OR s.owner = $2::text)
        ORDER BY s.shard FOR NO KEY UPDATE OF s),
      silent AS MATERIALIZED (
        SELECT h.shard, h.owner FROM held h
        WHERE NOT EXISTS (SELECT FROM \(t.relay) r WHERE r.owner = h.owner AND \(OutboxInspection.isHeard("r")))),
      freed AS (
        UPDATE \(t.shard) s SET owner = NULL, epoch = \(RelayStatements.nextEpoch), reserved_to = '-infinity'
        FROM silent WHERE s.shard = silent.shard),
      told AS (
        INSERT INTO \(t.operationLog) (action, actor, shard, detail)
        SELECT 'take_over', $3::text, shard, 'from ' || owner FROM silent ORDER BY shard),
      gone AS (DELETE FROM \(t.relay) r USING (SELECT DISTINCT owner FROM silent) o WHERE r.owner = o.owner)
      SELECT h.shard, h.owner, s.shard IS NOT NULL AS is_taken FROM held h LEFT JOIN silent s USING (shard)
      ORDER BY h.shard
      """)
  }

  /// `attempts` and `last_error` stay: they tell what became of it before.
  private static func move(_ gone: String, _ action: Operation.Action, _ t: OutboxTables) -> Statement {
    Statement(
      """
      WITH gone AS (\(gone) RETURNING *),
      back AS (
        INSERT INTO \(t.wait) (id, event_id, shard, key, seq, topic, payload, headers, status, attempts, last_error,
                                created_at)
        SELECT id, event_id, shard, key, seq, topic, payload, headers, 'WAIT', attempts, last_error, created_at
        FROM gone ORDER BY id
        RETURNING *),
      told AS (
        INSERT INTO \(t.operationLog) (action, actor, topic, key, event_id, shard, detail)
        SELECT '\(action.rawValue)', $2::text, topic, key, event_id, shard, last_error FROM gone ORDER BY id)
      SELECT \(EventSummary.columns) FROM back ORDER BY id
      """)
  }
}
