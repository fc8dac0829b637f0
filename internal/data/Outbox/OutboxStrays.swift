public import Postgres
internal import Values

/// Events that no relay will ever read, because their shard does not exist.
///
/// Only whoever writes past our programs makes them. They are moved to DEAD, where they are seen; giving them a shard
/// and requeueing them brings them back.
public struct OutboxStrays: Sendable {
  /// Events moved by one call at most.
  public static let limit = 1_000

  private let shards: ShardMap
  private let move: Statement

  /// - Parameter shards: those that exist.
  public init(_ tables: OutboxTables, shards: ShardMap) {
    self.shards = shards
    move = Self.move(tables)
  }

  /// Moves waiting events whose shard is none to DEAD, with a reason.
  /// - Returns: what was moved.
  public func bury(on connection: Connection) throws(DatabaseError) -> [EventSummary] {
    let parameters: [Parameter] = [.int32(Int32(clamping: shards.count)), .int64(Int64(Self.limit))]
    let results = try connection.run([.begin, Self.indexOnly, Command(move, parameters), .commit])
    return try EventSummary.read(results[2], .dead)
  }

  /// Two looks into the index on (shard, id), however many wait.
  private static let indexOnly = Command(Statement("SET LOCAL enable_seqscan = off"))

  private static func move(_ t: OutboxTables) -> Statement {
    Statement(
      """
      WITH found AS MATERIALIZED (
        (SELECT w.ctid AS place FROM \(t.wait) w WHERE w.shard < 0 ORDER BY w.shard, w.id LIMIT $2)
        UNION ALL
        (SELECT w.ctid AS place FROM \(t.wait) w WHERE w.shard >= $1::int ORDER BY w.shard, w.id LIMIT $2)
        LIMIT $2),
      gone AS (DELETE FROM \(t.wait) w USING found f WHERE w.ctid = f.place RETURNING w.*),
      dead AS (
        INSERT INTO \(t.dead) (id, event_id, shard, key, seq, topic, payload, headers, status, attempts, last_error,
                                created_at, done_at)
        SELECT id, event_id, shard, key, seq, topic, payload, headers, 'DEAD', attempts,
               'shard ' || shard || ' does not exist: there are ' || $1::int, created_at, clock_timestamp()
        FROM gone ORDER BY id
        RETURNING *),
      told AS (
        INSERT INTO \(t.operationLog) (action, actor, topic, key, event_id, shard, detail)
        SELECT 'dead', 'table care', topic, key, event_id, shard, last_error FROM dead ORDER BY id)
      SELECT \(EventSummary.columns) FROM dead ORDER BY id
      """)
  }
}
