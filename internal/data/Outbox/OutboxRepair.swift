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

  /// - Parameter tables: the outbox to repair.
  public init(_ tables: OutboxTables) { statements = RepairStatements(tables) }

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
      let moved = try connection.run(Command(statements.moveDead, [.int64Array(found.map(\.id))]))
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
      let moved = try connection.run(Command(statements.moveDone, [.text(key)]))
      return try EventSummary.read(moved, .waiting)
    }
  }

  /// Stops the publication of a topic's events. What relays have in memory of it is dropped at their next statement.
  /// - Returns: false when it was paused already.
  public func pause(_ topic: String, on connection: Connection) throws(DatabaseError) -> Bool {
    try retrying(connection) { connection throws(DatabaseError) in
      let isNew = try connection.run(Command(statements.insertPause, [.text(topic)])).affected == 1
      if isNew { try raiseEpochs(of: nil, on: connection) }
      return isNew
    }
  }

  /// Publishes a paused topic's events again.
  /// - Returns: false when it was not paused.
  public func resume(_ topic: String, on connection: Connection) throws(DatabaseError) -> Bool {
    try retrying(connection) { connection throws(DatabaseError) in
      let wasPaused = try connection.run(Command(statements.deletePause, [.text(topic)])).affected == 1
      // Of all shards: an event that commits right now may be passed over in any of them before this commits.
      if wasPaused { try raiseEpochs(of: nil, on: connection) }
      return wasPaused
    }
  }

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
    moveDead = Self.move("DELETE FROM \(t.dead) WHERE id = ANY($1::bigint[]) AND \(sound)", t)
    moveDone = Self.move("DELETE FROM \(t.done) WHERE key = $1::text", t)
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

  /// `attempts` and `last_error` stay: they tell what became of it before.
  private static func move(_ gone: String, _ t: OutboxTables) -> Statement {
    Statement(
      """
      WITH gone AS (\(gone) RETURNING *),
      back AS (
        INSERT INTO \(t.wait) (id, event_id, shard, key, seq, topic, payload, headers, status, attempts, last_error,
                                created_at)
        SELECT id, event_id, shard, key, seq, topic, payload, headers, 'WAIT', attempts, last_error, created_at
        FROM gone ORDER BY id
        RETURNING *)
      SELECT \(EventSummary.columns) FROM back ORDER BY id
      """)
  }
}
