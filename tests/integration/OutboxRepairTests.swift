import Postgres
import Testing
import Values

@testable import Outbox

@Suite("Outbox repairs", .needsDatabase)
struct OutboxRepairTests {
  /// Events as `key:seq:topic`, all in shard 5, in this order.
  private func insert(_ events: [String], _ status: EventStatus, on connection: Connection) throws {
    try OutboxPartitions(TestDatabase.outbox).ensureDays(on: connection)
    for event in events {
      let parts = event.split(separator: ":")
      try connection.script(
        """
        INSERT INTO event (event_id, shard, key, seq, topic, payload, status, done_at)
        VALUES (gen_random_uuid(), 5, '\(parts[0])', \(parts[1]), '\(parts[2])', '', '\(status.rawValue)', now())
        """)
    }
  }

  /// Makes shard 5 ours under its present epoch.
  private func hold(on connection: Connection) throws -> Int64 {
    try connection.script(
      "UPDATE event_shard SET owner = 'one', reserved_to = clock_timestamp() + interval '1 minute' WHERE shard = 5")
    return Int64(try connection.int("SELECT epoch FROM event_shard WHERE shard = 5"))
  }

  /// What a relay reads as `key:seq`, or nil when it no longer holds the shard.
  private func read(
    _ onDead: DeadPolicy = .hold, epoch: Int64, floor: Int64 = 0, on connection: Connection
  ) throws -> [String]? {
    let store = RelayStore(tables: TestDatabase.outbox, owner: "one", reserve: .seconds(30), onDead: onDead)
    let report = try store.read(
      ReadRequest(
        shards: [.init(shard: 5, epoch: epoch, floor: floor, limit: 100)], history: try store.history(on: connection)),
      on: connection)
    return report.held.contains(5) ? report.events.map { "\($0.key):\($0.sequence)" } : nil
  }

  @Test func aDeadEventComesBackAsItWasUnderANewEpoch() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      try insert(["a:1:t"], .dead, on: connection)
      try insert(["a:2:t", "b:1:t"], .waiting, on: connection)
      let epoch = try hold(on: connection)
      #expect(try read(epoch: epoch, on: connection) == ["b:1"])
      let dead = try OutboxRepair(TestDatabase.outbox, by: "tester").dead(.all, on: connection)
      let moved = try OutboxRepair(TestDatabase.outbox, by: "tester").requeue(.ids([dead[0].id, 999]), on: connection)
      #expect(moved.map(\.eventID) == dead.map(\.eventID) && moved.map(\.id) == dead.map(\.id))
      // With its old epoch and floor the relay reads nothing; its lease is still its own.
      #expect(try read(epoch: epoch, floor: 100, on: connection) == nil)
      #expect(try connection.int("SELECT count(*) FROM event_shard WHERE epoch > 0") == 1)
      #expect(try connection.int("SELECT count(*) FROM event_shard WHERE owner = 'one' AND reserved_to > now()") == 1)
      #expect(try read(epoch: epoch + 1, on: connection) == ["a:1", "a:2", "b:1"])
      #expect(try OutboxRepair(TestDatabase.outbox, by: "tester").requeue(.all, on: connection).isEmpty)
    }
  }

  @Test func aCompletionUnderTheOldEpochMovesNothing() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      try insert(["a:1:t"], .dead, on: connection)
      try insert(["b:1:t"], .waiting, on: connection)
      let epoch = try hold(on: connection)
      _ = try OutboxRepair(TestDatabase.outbox, by: "tester").requeue(.all, on: connection)
      let store = RelayStore(tables: TestDatabase.outbox, owner: "one", reserve: .seconds(30))
      let row = try connection.run(Command(Statement("SELECT id, event_id FROM event_wait WHERE key = 'b'"))).only
      let (id, eventID) = (try row.int64(0), try row.uuid(1))
      let report = try store.complete(
        CompletionRequest(
          leases: [ShardEpoch(shard: 5, epoch: epoch)],
          items: [.init(shard: 5, id: id, eventID: eventID, token: 0)],
          history: try store.history(on: connection)), on: connection)
      #expect(report.moved.isEmpty)
      #expect(try connection.int("SELECT count(*) FROM event_wait") == 2)
    }
  }

  @Test func aReplayComesBeforeWhatWaitsAndPassesADeadSuccessor() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      try insert(["a:1:t", "b:1:t", "a:2:t"], .done, on: connection)
      try insert(["a:3:t"], .dead, on: connection)
      try insert(["a:4:t"], .waiting, on: connection)
      let epoch = try hold(on: connection)
      #expect(
        try OutboxRepair(TestDatabase.outbox, by: "tester").published(key: "a", on: connection).map(\.sequence) == [
          1, 2,
        ])
      let moved = try OutboxRepair(TestDatabase.outbox, by: "tester").replay(key: "a", shard: 5, on: connection)
      #expect(moved.map(\.sequence) == [1, 2])
      #expect(try read(epoch: epoch + 1, on: connection) == ["a:1", "a:2"])
      #expect(try connection.int("SELECT count(*) FROM event_done") == 1)
    }
  }

  @Test func behindADeadEventTheKeyGoesOnWhenToldSo() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      try insert(["a:1:t"], .dead, on: connection)
      try insert(["a:2:t"], .waiting, on: connection)
      let epoch = try hold(on: connection)
      #expect(try read(.hold, epoch: epoch, on: connection) == [])
      #expect(try read(.continue, epoch: epoch, on: connection) == ["a:2"])
    }
  }

  @Test func aDeadEventHoldsNothingBackOnOtherTopics() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      try insert(["a:1:t"], .dead, on: connection)
      try insert(["a:2:u", "a:3:t", "a:4:u"], .waiting, on: connection)
      #expect(try read(.hold, epoch: try hold(on: connection), on: connection) == ["a:2", "a:4"])
    }
  }

  @Test func aPausedTopicHoldsNothingBackOnOthers() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      try insert(["a:1:u", "a:2:t", "a:3:u", "b:1:u"], .waiting, on: connection)
      var epoch = try hold(on: connection)
      #expect(try OutboxRepair(TestDatabase.outbox, by: "tester").pause("t", on: connection))
      #expect(try !OutboxRepair(TestDatabase.outbox, by: "tester").pause("t", on: connection))
      #expect(try OutboxInspection(TestDatabase.outbox).pausedTopics(on: connection).map(\.topic) == ["t"])
      #expect(try read(epoch: epoch, on: connection) == nil)
      epoch += 1
      #expect(try read(epoch: epoch, on: connection) == ["a:1", "a:3", "b:1"])
      #expect(try OutboxRepair(TestDatabase.outbox, by: "tester").resume("t", on: connection))
      #expect(try !OutboxRepair(TestDatabase.outbox, by: "tester").resume("t", on: connection))
      #expect(try read(epoch: epoch, floor: 100, on: connection) == nil)
      #expect(try read(epoch: epoch + 1, on: connection) == ["a:1", "a:2", "a:3", "b:1"])
      #expect(try connection.int("SELECT min(epoch) FROM event_shard") == 2)
    }
  }

  @Test func repairsAtOnceMoveEachEventOnce() async throws {
    try await PaymentDatabase.with { database in
      try insert((1...50).map { "k\($0):1:t" }, .dead, on: try database.connect())
      let moved = try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<4 {
          group.addTask {
            try await blocking {
              try OutboxRepair(TestDatabase.outbox, by: "tester").requeue(.all, on: try database.connect()).count
            }
          }
        }
        return try await group.reduce(0, +)
      }
      #expect(moved == 50)
      #expect(try database.connect().int("SELECT count(*) FROM event_wait") == 50)
    }
  }
}
