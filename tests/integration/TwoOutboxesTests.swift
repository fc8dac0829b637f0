import Foundation
import Logger
import Metrics
import Migrator
import OutboxSchema
import Postgres
import Runtime
import Testing
import Values

@testable import Outbox

/// Two contexts with an outbox each in one database, as no session's `search_path` finds them.
@Suite("Two outboxes in one database", .needsDatabase)
struct TwoOutboxesTests {
  /// One context's outbox with a broker of its own.
  private struct Context: Sendable {
    let tables: OutboxTables
    let broker = MemoryBroker()

    /// Quotes in the name: it is quoted wherever it is used.
    init(_ schema: String) throws {
      tables = try OutboxTables(schema: "\(schema) 'a' \"b\"", channel: "\(schema)_outbox")
    }

    var quoted: String { tables.schema.map(quoteIdentifier) ?? "" }

    func insert(_ keys: [String], on connection: Connection) throws {
      let writer = OutboxWriter(tables, shards: try ShardMap.load(tables, on: connection))
      let events = keys.map {
        NewEvent(eventID: .random(), key: $0, sequence: 1, topic: "t", payload: [], type: "made", source: "/test")
      }
      try connection.run(writer.insert(events))
    }

    func relay(_ pool: ConnectionPool, poll: Duration = .milliseconds(50)) throws -> Relay {
      let relay = Relay(
        tables: tables,
        configuration: try RelayConfiguration(owner: "relay", reserve: .seconds(2), pollInterval: poll), pool: pool,
        publisher: MemoryPublisher(broker), logger: TestDatabase.quiet, metrics: MetricsRegistry())
      relay.start()
      return relay
    }

    func status(_ connection: Connection) throws -> OutboxStatus { try OutboxInspection(tables).status(on: connection) }
  }

  /// Two outboxes, and sessions that find neither by `search_path`.
  private func withTwo(_ body: (Context, Context, ConnectionPool) async throws -> Void) async throws {
    try await TestDatabase.withSchemaAsync { name in
      let contexts = [try Context("\(name)_gateway"), try Context("\(name)_processing")]
      let connection = try TestDatabase.open(schema: name)
      for context in contexts { try make(context) }
      let pool = ConnectionPool(
        configuration: try TestDatabase.configuration(schema: name), size: 6, queueLimit: 100, name: "test",
        logger: TestDatabase.quiet, metrics: MetricsRegistry())
      let result: Result<Void, any Error>
      do {
        result = .success(try await body(contexts[0], contexts[1], pool))
      } catch {
        result = .failure(error)
      }
      try await blocking { pool.stop() }
      for context in contexts { try connection.script("DROP SCHEMA \(context.quoted) CASCADE") }
      try result.get()
    }
  }

  private func make(_ context: Context) throws {
    let line = try OutboxSchema.line("test.outbox", of: context.tables)
    try Migrator(configuration: try TestDatabase.configuration(), line: line, logger: TestDatabase.quiet).up()
  }

  private func connect() throws -> Connection { try TestDatabase.open() }

  @Test func eachRelayPublishesItsOwnEvents() async throws {
    try await withTwo { one, two, pool in
      let connection = try connect()
      try one.insert(["a", "b"], on: connection)
      try two.insert(["a"], on: connection)
      #expect(try one.status(connection).waiting == 2)
      #expect(try two.status(connection).waiting == 1)
      let first = try one.relay(pool)
      try await eventually { try one.status(connection).waiting == 0 }
      #expect(one.broker.keys.sorted() == ["a", "b"])
      #expect(try two.status(connection).waiting == 1)
      #expect(try OutboxInspection(two.tables).holdings(on: connection).map(\.owner) == [nil])
      let second = try two.relay(pool)
      try await eventually { try two.status(connection).waiting == 0 }
      #expect(two.broker.keys == ["a"] && one.broker.keys.count == 2)
      // Under one owner's name, as a process with both has it: each holds the shards of its own outbox.
      #expect(first.ownsAllShards && second.ownsAllShards)
      for context in [one, two] {
        #expect(try OutboxInspection(context.tables).holdings(on: connection).map(\.owner) == ["relay"])
        // Each made the days of its own tables, when it met a missing one.
        #expect(try days(of: context, on: connection) == OutboxPartitions.daysAhead + 1)
      }
      try await blocking {
        first.stop(until: .now() + .seconds(5))
        second.stop(until: .now() + .seconds(5))
      }
      #expect(try OutboxInspection(one.tables).events(EventFilter(.done, limit: 10), on: connection).count == 2)
      #expect(try OutboxInspection(two.tables).events(EventFilter(.done, limit: 10), on: connection).count == 1)
    }
  }

  private func days(of context: Context, on connection: Connection) throws -> Int {
    try connection.int(
      "SELECT count(*) FROM pg_inherits WHERE inhparent = \(quoteLiteral(context.tables.done))::regclass")
  }

  @Test func aNotificationWakesTheRelaysOfOneOutbox() async throws {
    try await withTwo { one, two, pool in
      let heard = Monitor<[String]>([])
      let listener = Listener(
        configuration: try TestDatabase.configuration(), channels: [one.tables.channel, two.tables.channel],
        logger: TestDatabase.quiet
      ) { channel, _ in
        heard.update { $0.append(channel) }
      }
      try await eventually { listener.isConnected }
      let connection = try connect()
      try connection.run(Notifier.commands(one.tables.channel))
      try await eventually { heard.withLock { $0 } == [one.tables.channel] }
      _ = try OutboxRepair(two.tables, by: "tester").pause("t", on: connection)
      try await eventually { heard.withLock { $0 } == [one.tables.channel, two.tables.channel] }
      try await blocking { listener.stop() }
    }
  }

  @Test func eachCareIsOfItsOwnTables() async throws {
    try await withTwo { one, two, pool in
      let connection = try connect()
      let stop = StopFlag()
      var cares: [OutboxCare] = []
      for context in [one, two] {
        try connection.script(
          "CREATE TABLE \(context.quoted).event_done_20200101 PARTITION OF \(context.tables.done) "
            + "FOR VALUES FROM ('2020-01-01T00:00Z') TO ('2020-01-02T00:00Z')")
        let relay = Relay(
          tables: context.tables, configuration: try RelayConfiguration(owner: "idle"), pool: pool,
          publisher: MemoryPublisher(context.broker), logger: TestDatabase.quiet, metrics: MetricsRegistry())
        cares.append(
          OutboxCare(
            tables: context.tables, shards: ShardMap(count: 64),
            configuration: try TestDatabase.configuration(parameters: DayCare.limits), relay: relay,
            retention: .seconds(86_400), logger: TestDatabase.quiet, metrics: MetricsRegistry(), stop: stop))
      }
      #expect(OutboxCare.role(of: one.tables) != OutboxCare.role(of: two.tables))
      let first = cares[0]
      _ = try await blocking { first.run() }
      #expect(try days(of: one, on: connection) == OutboxPartitions.daysAhead + 1)
      #expect(try days(of: two, on: connection) == 1)
      let second = cares[1]
      _ = try await blocking { second.run() }
      #expect(try days(of: two, on: connection) == OutboxPartitions.daysAhead + 1)
      #expect(
        try connection.int(
          "SELECT count(*) FROM pg_class WHERE relname = 'event_done_20200101' AND relnamespace "
            + "IN (\(quoteLiteral(one.quoted))::regnamespace, \(quoteLiteral(two.quoted))::regnamespace)") == 0)
    }
  }

  @Test func repairsAndPausesConcernOneOutbox() async throws {
    try await withTwo { one, two, pool in
      let connection = try connect()
      for context in [one, two] {
        try context.insert(["dead", "stray"], on: connection)
        try connection.script(
          """
          WITH gone AS (DELETE FROM \(context.tables.wait) WHERE key = 'dead' RETURNING *)
          INSERT INTO \(context.tables.dead) SELECT id, event_id, shard, key, seq, topic, payload, headers, 'DEAD' FROM gone;
          UPDATE \(context.tables.wait) SET shard = 1000
          """)
      }
      let strays = OutboxStrays(one.tables, shards: try ShardMap.load(one.tables, on: connection))
      #expect(try strays.bury(on: connection).map(\.key) == ["stray"])
      #expect(try one.status(connection).dead == 2)
      #expect(try two.status(connection).dead == 1)
      #expect(try OutboxRepair(one.tables, by: "tester").requeue(.all, on: connection).map(\.key) == ["dead"])
      #expect(try two.status(connection).dead == 1)
      #expect(try connection.int("SELECT count(*) FROM \(two.tables.shard) WHERE epoch > 0") == 0)
      #expect(try OutboxRepair(two.tables, by: "tester").pause("t", on: connection))
      #expect(try OutboxInspection(one.tables).pausedTopics(on: connection).isEmpty)
      #expect(try OutboxInspection(two.tables).pausedTopics(on: connection).map(\.topic) == ["t"])
      let relay = try one.relay(pool)
      try await eventually { one.broker.keys == ["dead"] }
      try await blocking { relay.stop(until: .now() + .seconds(5)) }
      let replayed = try OutboxRepair(one.tables, by: "tester").replay(
        key: "dead", shard: ShardMap(count: 64).shard(of: "dead"), on: connection)
      #expect(replayed.count == 1)
      try OutboxPartitions(two.tables).forgetGoneRelays(on: connection)
      #expect(try two.status(connection).waiting == 1)
    }
  }

  @Test(arguments: ["", String(repeating: "é", count: 32), "a\u{0}b"])
  func whatCannotBeANameIsRefused(name: String) {
    #expect(throws: OutboxError.self) { try OutboxTables(schema: name, channel: "c") }
    #expect(throws: OutboxError.self) { try OutboxTables(channel: name) }
  }
}
