import Logger
import Migrator
import Outbox
import Postgres
import SagaDomain
import SagaSchema
import SagaStore
import Testing
import Values

/// The tables beside other tools: publications, schemas, views and backups.
@Suite("Care of the tables", .needsDatabase)
struct TableCareTests {
  /// Two old days as `DayPartitions` makes them.
  private static let oldDays = (1...2).map { day in
    """
    CREATE TABLE event_done_2020010\(day) PARTITION OF event_done
      FOR VALUES FROM ('2020-01-0\(day)T00:00Z') TO ('2020-01-0\(day + 1)T00:00Z');
    ALTER TABLE event_done_2020010\(day) ADD CONSTRAINT event_done_2020010\(day)_day CHECK (done_at IS NOT NULL),
      REPLICA IDENTITY FULL
    """
  }.joined(separator: ";\n")

  private func care(_ connection: Connection) throws -> DayPartitions.Dropped {
    try OutboxPartitions(TestDatabase.outbox).days.drop(olderThan: .seconds(86_400), on: connection)
  }

  /// As a publication FOR ALL TABLES, which only a superuser may make, would do it.
  @Test func aPublicationForbidsNothing() async throws {
    try await PaymentDatabase.with(ttl: .seconds(3_600)) { database in
      let connection = try database.connect()
      let name = try connection.run(Command(Statement("SELECT current_schema()::text"))).only.text(0)
      try connection.script(
        """
        CREATE PUBLICATION \(name) FOR TABLE payment, event, event_shard, event_relay, event_topic_pause, idempotency_key,
          schema_migrations
        """)
      let key = try IdempotencyKey(Array("key".utf8))
      for order in Int64(1)...2 {
        _ = try database.transactions.create(
          [try CreateCommand(orderID: order, callKey: order == 1 ? key : nil)], on: connection)[0].get()
      }
      _ = try database.transactions.settle([try SettleCommand(orderID: 1, to: .completed, reason: "")], on: connection)
      try connection.script("UPDATE payment SET expires_at = now() - interval '1 minute' WHERE order_id = 2")
      #expect(try database.transactions.expire(limit: 10, from: nil, on: connection).expired == 1)
      let broker = MemoryBroker()
      broker.refuse(["2"])
      let running = try RelayTests.start(database, broker)
      try await eventually { try connection.int("SELECT count(*) FROM event_dead") == 1 && broker.keys == ["1", "1"] }
      broker.refuse([])
      #expect(try OutboxRepair(TestDatabase.outbox, by: "tester").requeue(.all, on: connection).count == 1)
      running.relay.wake()
      try await eventually { broker.keys.count == 4 }
      try await eventually { try connection.int("SELECT count(*) FROM event_done") == 4 }
      #expect(
        try OutboxRepair(TestDatabase.outbox, by: "tester").replay(
          key: "1", shard: ShardMap(count: 64).shard(of: "1"), on: connection
        ).count == 2)
      running.relay.wake()
      try await eventually { broker.keys.count == 6 }
      try await eventually { try connection.int("SELECT count(*) FROM event_wait") == 0 }
      #expect(try OutboxRepair(TestDatabase.outbox, by: "tester").pause("payment", on: connection))
      #expect(try OutboxRepair(TestDatabase.outbox, by: "tester").resume("payment", on: connection))
      try await running.stop()
      try OutboxPartitions(TestDatabase.outbox).forgetGoneRelays(on: connection)
      try connection.script("DROP PUBLICATION \(name)")
    }
  }

  /// `CREATE SCHEMA payments` for the user payments: new tables go there unless they are told where.
  @Test func daysLieBesideTheirParentWhateverTheSearchPath() async throws {
    try await TestDatabase.withSchemaAsync { other in
      try await PaymentDatabase.with { database in
        let schema = try database.connect().run(Command(Statement("SELECT current_schema()::text"))).only.text(0)
        let connection = try Connection.open(
          try TestDatabase.configuration(schema: "\(other),\(schema)"), logger: TestDatabase.quiet)
        try OutboxPartitions(TestDatabase.outbox).ensureDays(on: connection)
        #expect(try PaymentKeys.days.ensure(daysAhead: 1, on: connection).isEmpty)
        let count = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace ="
        #expect(try connection.int("\(count) '\(other)'::regnamespace") == 0)
        #expect(
          try connection.int("\(count) '\(schema)'::regnamespace AND relname ~ '^(event_done|idempotency_key)_[0-9]'")
            == 10)
        // A day that an earlier version made in the other schema is found there, and dropped.
        try connection.script(Self.oldDays)
        #expect(try care(connection).tables == ["event_done_20200101", "event_done_20200102"])
        #expect(
          try connection.int("\(count) '\(schema)'::regnamespace AND relname ~ '^event_done_' AND relreplident <> 'f'")
            == 0)
      }
    }
  }

  @Test func migrationsStayWithTheTablesThatAreThere() async throws {
    try await TestDatabase.withSchemaAsync { other in
      try await PaymentDatabase.with { database in
        let schema = try database.connect().run(Command(Statement("SELECT current_schema()::text"))).only.text(0)
        let configuration = try TestDatabase.configuration(schema: "\(other),\(schema)")
        let migrator = try database.migrator(configuration)
        let steps = Array(4...SagaSchema.requiredVersion)
        #expect(try migrator.down(steps.count).map(\.version) == steps.reversed())
        #expect(try migrator.up().map(\.version) == steps)
        let connection = try Connection.open(configuration, logger: TestDatabase.quiet)
        #expect(try connection.int("SELECT count(*) FROM pg_class WHERE relnamespace = '\(other)'::regnamespace") == 0)
      }
    }
  }

  @Test func aViewOnADayKeepsNoOtherFromItsCare() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      try connection.script(Self.oldDays)
      try connection.script("CREATE VIEW seen AS SELECT * FROM event_done_20200101")
      let dropped = try care(connection)
      #expect(dropped.tables == ["event_done_20200102"])
      #expect(dropped.troubles.count == 1 && dropped.troubles[0].table.hasSuffix(".event_done_20200101"))
      #expect(dropped.troubles.first?.error.sqlState == "2BP01")
      try connection.script("DROP VIEW seen")
      // One that we have not made is nobody's day.
      try connection.script("CREATE TABLE event_done_20200103 ()")
      #expect(try care(connection).tables == ["event_done_20200101"])
    }
  }

  @Test func aDayThatSomebodyReadsIsDroppedLaterAndOnce() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      try connection.script(Self.oldDays)
      try connection.script("SET lock_timeout = '200ms'")
      let reader = try database.connect()
      try reader.script("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM event")
      for _ in 0..<2 {
        let dropped = try care(connection)
        #expect(dropped.tables.isEmpty && dropped.troubles.count == 1)
        #expect(dropped.troubles.first?.holder?.contains("process \(reader.backendID) (paysaga-tests)") == true)
      }
      try reader.script("COMMIT")
      #expect(try care(connection).tables == ["event_done_20200101", "event_done_20200102"])
    }
  }

  private func events(_ logger: Logger = TestDatabase.quiet) -> DayCare {
    let table = DayCare.Table(
      "published events", OutboxPartitions(TestDatabase.outbox).days, daysAhead: 1, retention: .seconds(86_400))
    return DayCare([table], role: "care-\(UniqueID.random())", logger: logger)
  }

  private func identities(_ connection: Connection) throws -> Int {
    try connection.int(
      "SELECT count(*) FROM pg_inherits JOIN pg_class ON oid = inhrelid "
        + "WHERE inhparent = 'event_done'::regclass AND relreplident = 'f'")
  }

  @Test func daysThatAnOlderProgramMadeGetTheirIdentity() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      let days = (1...2).map { day in
        """
        CREATE TABLE event_done_2999010\(day) PARTITION OF event_done
          FOR VALUES FROM ('2999-01-0\(day)T00:00Z') TO ('2999-01-0\(day + 1)T00:00Z')
        """
      }
      try connection.script(days.joined(separator: ";"))
      // Somebody writes to one of them: nobody is to wait behind the care for longer than a moment.
      let writer = try database.connect()
      try writer.script("BEGIN; LOCK TABLE event_done_29990102 IN ROW EXCLUSIVE MODE")
      let began = Instant.now()
      let troubles = try OutboxPartitions(TestDatabase.outbox).days.identify(on: connection)
      #expect(troubles.map(\.error.sqlState) == ["55P03"] && Instant.now() - began < .seconds(1))
      #expect(troubles.first?.holder?.contains("process \(writer.backendID)") == true)
      #expect(try identities(connection) == 1)
      try writer.script("COMMIT")
      try events().run(on: connection)
      #expect(try identities(connection) == 4)
    }
  }

  /// The role that publishes need not be the one that owns the tables: whoever owns them cares for their days.
  @Test func whoeverOwnsTheTablesCaresForTheirDays() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      try connection.script(Self.oldDays)
      let role = "r_" + UniqueID.random().description.split(separator: "-").joined()
      let schema = try connection.run(Command(Statement("SELECT current_schema()::text"))).only.text(0)
      try connection.script("CREATE ROLE \(role); GRANT USAGE ON SCHEMA \(schema) TO \(role)")
      defer { try? connection.script("RESET ROLE; DROP OWNED BY \(role); DROP ROLE \(role)") }
      let stranger = try database.connect()
      try stranger.script("SET ROLE \(role)")
      let days = OutboxPartitions(TestDatabase.outbox).days
      #expect(
        try days.missingRights(on: stranger) == ["CREATE on the schema of event_done", "ownership of event_done"])
      let care = events()
      try care.run(on: stranger)
      #expect(try connection.int("SELECT count(*) FROM pg_inherits WHERE inhparent = 'event_done'::regclass") == 2)
      // It has done what it can: it does not come back sooner than one that did all.
      #expect(!care.isDue)
      try events().run(on: connection)
      #expect(try identities(connection) == 2)
      #expect(try connection.int("SELECT count(*) FROM pg_inherits WHERE inhparent = 'event_done'::regclass") == 2)
      #expect(
        try connection.int(
          "SELECT count(*) FROM pg_class WHERE relname LIKE 'event_done_2020%' AND "
            + "relnamespace = '\(schema)'::regnamespace") == 0)
      #expect(try days.missingRights(on: connection).isEmpty)
    }
  }

  @Test func severalProgramsDropTheSameDaysAtOnce() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      try connection.script(Self.oldDays)
      let dropped = try await withThrowingTaskGroup(of: DayPartitions.Dropped.self) { group in
        for _ in 0..<4 {
          group.addTask { try await blocking { try care(try database.connect()) } }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      // Whoever is late meets what another is at and leaves it: what is gone by then is no trouble.
      #expect(!dropped.flatMap(\.troubles).contains { $0.error.sqlState == "42P01" })
      #expect(try care(connection).troubles.isEmpty)
      #expect(try connection.int("SELECT count(*) FROM pg_inherits WHERE inhparent = 'event_done'::regclass") == 0)
    }
  }
}
