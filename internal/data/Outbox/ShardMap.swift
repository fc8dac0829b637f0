internal import Errors
public import Postgres

/// How keys are spread over the shards. The number of shards is fixed when the tables are made.
public struct ShardMap: Sendable, Hashable {
  /// The number of shards: the rows of `event_shard`.
  public let count: Int

  /// - Parameter count: 1 to 32,767.
  public init(count: Int) {
    precondition((1...Int(Int16.max)).contains(count), "the number of shards must be 1 to 32767, found \(count)")
    self.count = count
  }

  private enum Column: Int, AnswerColumn { case shards, pauses }

  /// Reads the number of shards from the tables.
  /// - Throws: `schema` when the tables are missing or empty, `database` when it cannot be asked.
  public static func load(_ tables: OutboxTables, on connection: Connection) throws(OutboxError) -> ShardMap {
    let statement = Statement(
      "SELECT count(*) AS shards, (SELECT count(*) FROM \(tables.topicPause)) AS pauses FROM \(tables.shard)")
    let count: Int
    do throws(DatabaseError) {
      count = try connection.run(Command(statement)).only.int(Column.shards)
    } catch {
      if error.sqlState == "42P01" {
        throw OutboxError(
          .schema, "table \(tables.shard) or \(tables.topicPause) is missing: run the migrations", cause: error)
      }
      throw OutboxError(.database, "the number of shards could not be read", cause: error)
    }
    guard (1...Int(Int16.max)).contains(count) else {
      throw OutboxError(.schema, "table \(tables.shard) has \(count) rows, expected 1 to 32767: run the migrations")
    }
    return ShardMap(count: count)
  }

  /// Waits for the database and reads the number of shards from the tables.
  /// - Throws: `OutboxError` `.schema`; `DatabaseError` `.closed` when stopped meanwhile.
  public static func wait(_ tables: OutboxTables, _ database: DatabaseWait) throws -> ShardMap {
    let ask: (Connection) throws(OutboxError) -> ShardMap = { (connection) throws(OutboxError) in
      try load(tables, on: connection)
    }
    return try database.answer(again: { (error: OutboxError) in error.code == .database }, ask)
  }

  /// The shard of a key: FNV-1a (64 bit) over its UTF-8 with a final mix, so that it is the same in every release.
  public func shard(of key: String) -> Int16 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in key.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    hash ^= hash >> 32
    return Int16(hash % UInt64(count))
  }
}
