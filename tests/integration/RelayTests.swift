import Errors
import Metrics
import Postgres
import Runtime
import SagaDomain
import SagaStore
import Testing
import Values

@testable import Outbox

extension RelayStore {
  /// What the server calls itself at present.
  func history(on connection: Connection) throws -> ServerHistory {
    try read(ReadRequest(shards: [], history: ServerHistory(name: "")), on: connection).history
  }
}

/// A broker in memory: it keeps what was published, in order, and answers as it is told to.
final class MemoryBroker: Sendable {
  private struct State {
    var topic: [OutboundMessage] = []
    var refused: Set<String> = []
    var isDown = false
  }
  private let state = Monitor(State())

  fileprivate func take(_ messages: [OutboundMessage]) -> [PublishOutcome] {
    state.update { state in
      messages.map { message in
        if state.isDown { return PublishOutcome(token: message.token, result: .transient("down")) }
        if state.refused.contains(message.key) {
          return PublishOutcome(token: message.token, result: .permanent("refused", isCertain: true))
        }
        state.topic.append(message)
        return PublishOutcome(token: message.token, result: .acknowledged)
      }
    }
  }

  var topic: [OutboundMessage] { state.withLock { $0.topic } }
  var keys: [String] { topic.map(\.key) }
  func refuse(_ keys: Set<String>) { state.update { $0.refused = keys } }
  func setDown(_ isDown: Bool) { state.update { $0.isDown = isDown } }
}

/// One relay's producer to it.
final class MemoryPublisher: EventPublisher {
  private let broker: MemoryBroker
  private struct Sink {
    var report: @Sendable ([PublishOutcome]) -> Void = { _ in }
  }
  private let sink = Monitor(Sink())

  init(_ broker: MemoryBroker) { self.broker = broker }

  func start(_ handler: @escaping @Sendable ([PublishOutcome]) -> Void) { sink.update { $0.report = handler } }
  func publish(_ messages: [OutboundMessage]) { sink.withLock { $0.report }(broker.take(messages)) }
  func purge() {}
}

@Suite("Relay", .needsDatabase)
struct RelayTests {
  fileprivate static let lastIDQuery = RelayStatements(TestDatabase.outbox, onDead: .hold).lastID.sql

  /// A relay with its pool; `reserve` is short, so that takeovers are.
  struct Running: Sendable {
    let relay: Relay
    let pool: ConnectionPool
    let metrics: MetricsRegistry

    func stop(grace: Duration = .seconds(5)) async throws {
      try await blocking {
        relay.stop(until: .now() + grace)
        pool.stop()
      }
    }
  }

  static func start(
    _ database: PaymentDatabase, _ broker: MemoryBroker, name: String = "one", window: Int = 1_000
  ) throws -> Running {
    let metrics = MetricsRegistry()
    let pool = database.pool(3)
    let relay = Relay(
      tables: TestDatabase.outbox,
      configuration: try RelayConfiguration(
        owner: name, reserve: .seconds(2), window: window, pollInterval: .milliseconds(50)),
      pool: pool, publisher: MemoryPublisher(broker), logger: TestDatabase.quiet, metrics: metrics)
    relay.start()
    return Running(relay: relay, pool: pool, metrics: metrics)
  }

  private func waiting(_ connection: Connection) throws -> Int { try connection.int("SELECT count(*) FROM event_wait") }

  @Test func eventsComeOutOnceInOrderAndAreDone() async throws {
    try await PaymentDatabase.with { database in
      try database.create(orders: 1...500)
      let connection = try database.connect()
      let settles = try (Int64(1)...500).map { try SettleCommand(orderID: $0, to: .completed, reason: "") }
      _ = try database.transactions.settle(settles, on: connection)
      let broker = MemoryBroker()
      let running = try Self.start(database, broker, window: 100)
      try await eventually { try waiting(connection) == 0 }
      try await running.stop()
      #expect(broker.topic.count == 1_000)
      for (key, messages) in Dictionary(grouping: broker.topic, by: \.key) {
        let numbers = messages.map { message in message.headers.first { $0.name == "seq" }?.value }
        #expect(numbers == ["1", "2"], "order \(key)")
      }
      #expect(
        try connection.int(
          "SELECT count(*) FROM event WHERE status = 'DONE' AND reserved_to > done_at AND attempts = 1")
          == 1_000)
      #expect(try connection.int("SELECT count(*) FROM event_shard WHERE owner IS NOT NULL") == 0)
    }
  }

  /// As rows from before the checks, or from tables that somebody changed.
  @Test func aRowThatCannotBePublishedIsDeadAndTheRestGoesOn() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      try connection.script(
        """
        ALTER TABLE event_wait DROP CONSTRAINT event_wait_headers_check;
        ALTER TABLE event ALTER COLUMN topic DROP NOT NULL;
        INSERT INTO event (event_id, shard, key, seq, topic, payload, headers) VALUES
          (gen_random_uuid(), 5, 'null', 1, 'payment', '{}', ARRAY['ce_id', NULL]),
          (gen_random_uuid(), 5, 'odd', 1, 'payment', '{}', ARRAY['ce_id']),
          (gen_random_uuid(), 5, 'square', 1, 'payment', '{}', ARRAY[['a', 'b'], ['c', 'd']]),
          (gen_random_uuid(), 5, 'topic', 1, NULL, '{}', '{}'),
          (gen_random_uuid(), 5, 'null', 2, 'payment', '{}', '{}'),
          (gen_random_uuid(), 5, 'sound', 1, 'payment', '{}', '{}')
        """)
      let broker = MemoryBroker()
      let running = try Self.start(database, broker)
      try await eventually { try connection.int("SELECT count(*) FROM event_dead") == 4 && broker.keys == ["sound"] }
      try await running.stop()
      let dead = try OutboxInspection(TestDatabase.outbox).events(EventFilter(.dead, limit: 10), on: connection)
      #expect(
        dead.map { "\($0.key): \($0.lastError ?? "")" } == [
          "null: the row cannot be published: headers holds an array with NULL in it",
          "odd: the row cannot be published: headers has a name without a value",
          "square: the row cannot be published: headers holds an array of 2 dimensions, expected one",
          "topic: the row cannot be published: topic is NULL",
        ])
      #expect(try connection.int("SELECT count(*) FROM event_wait WHERE key = 'null' AND seq = 2") == 1)
      // Mended, one goes back; the others are passed over.
      try connection.script("UPDATE event_dead SET headers = '{}' WHERE key = 'null'")
      #expect(
        try OutboxRepair(TestDatabase.outbox, by: "tester").requeue(.all, on: connection).map(\.key) == [
          "null", "topic",
        ])
    }
  }

  @Test func oneRowFailsNoStatementOfTheOthers() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      // Dead already under its number, attempted as often as can be counted, in shards at the ends of their epochs.
      try connection.script(
        """
        ALTER TABLE event_wait DROP CONSTRAINT event_wait_headers_check;
        ALTER TABLE event_shard DROP CONSTRAINT event_shard_epoch_check;
        UPDATE event_shard SET epoch = 9223372036854775807 WHERE shard = 5;
        UPDATE event_shard SET epoch = -7 WHERE shard = 6;
        INSERT INTO event (id, event_id, shard, key, seq, topic, payload, status)
        VALUES (900000, gen_random_uuid(), 5, 'twice', 1, 'payment', '{}', 'DEAD');
        INSERT INTO event (event_id, shard, key, seq, topic, payload, headers, attempts) VALUES
          (gen_random_uuid(), 5, 'twice', 1, 'payment', '{}', ARRAY['ce_id'], 0),
          (gen_random_uuid(), 5, 'odd', 1, 'payment', '{}', ARRAY['ce_id'], 2147483647),
          (gen_random_uuid(), 6, 'sound', 1, 'payment', '{}', '{}', 2147483647)
        """)
      let broker = MemoryBroker()
      let running = try Self.start(database, broker)
      try await eventually {
        try connection.int("SELECT count(*) FROM event_dead WHERE key = 'odd'") == 1
          && connection.int("SELECT count(*) FROM event_done WHERE key = 'sound'") == 1
      }
      try await running.stop()
      #expect(try connection.int("SELECT count(*) FROM event_wait WHERE key = 'twice'") == 1)
      #expect(broker.keys == ["sound"])
    }
  }

  /// The broker has the event and the table refuses to say so: it is not published on and on, and the others go on.
  @Test func aRowThatCannotBeDoneStopsNoOther() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      try connection.script(
        """
        ALTER TABLE event_done ADD CONSTRAINT no_bad_key CHECK (key <> 'bad');
        INSERT INTO event (event_id, shard, key, seq, topic, payload)
        SELECT gen_random_uuid(), n % 64, CASE n WHEN 40 THEN 'bad' ELSE 'sound-' || n END, 1, 'payment', '{}'
        FROM generate_series(1, 100) n
        """)
      let broker = MemoryBroker()
      let running = try Self.start(database, broker)
      try await eventually { try connection.int("SELECT count(*) FROM event_done") == 99 }
      try await running.stop()
      #expect(try connection.int("SELECT count(*) FROM event_wait WHERE key = 'bad' AND attempts = 0") == 1)
      #expect(broker.topic.count == 100)
      // Mended, it is completed by the next relay.
      try connection.script("ALTER TABLE event_done DROP CONSTRAINT no_bad_key")
      let next = try Self.start(database, broker, name: "two")
      try await eventually { try connection.int("SELECT count(*) FROM event_done") == 100 }
      try await next.stop()
    }
  }

  @Test func aTransactionThatCommitsLateIsNotSkipped() async throws {
    try await PaymentDatabase.with { database in
      let late = try database.connect()
      // Order 1 draws the lowest id and does not commit.
      try late.script(
        """
        BEGIN; INSERT INTO payment (order_id) VALUES (1);
        INSERT INTO event (event_id, shard, key, seq, topic, payload)
        VALUES (gen_random_uuid(), 48, '1', 1, 'payment', 'late')
        """)
      let broker = MemoryBroker()
      let running = try Self.start(database, broker)
      for round in Int64(0)..<20 {
        try database.create(orders: (round * 50 + 2)..<(round * 50 + 52))
        running.relay.wake()
      }
      try await eventually { broker.topic.count == 1_000 }
      try late.script("COMMIT")
      running.relay.wake()
      // Well before the half-minute sweep from the start.
      try await eventually(within: .seconds(10)) { broker.keys.contains("1") }
      try await running.stop()
      #expect(broker.topic.count == 1_001)
    }
  }

  /// An id drawn by a transaction without an id of its own would be passed by a floor noted at that moment.
  @Test func anEventsIDIsDrawnOnceItsTransactionHasOne() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      try connection.script(
        """
        CREATE FUNCTION refuse_without_id() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          IF pg_current_xact_id_if_assigned() IS NULL THEN RAISE EXCEPTION 'no transaction id yet'; END IF;
          RETURN new;
        END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON event_wait FOR EACH ROW EXECUTE FUNCTION refuse_without_id()
        """)
      let writer = OutboxWriter(
        TestDatabase.outbox, shards: try ShardMap.load(TestDatabase.outbox, on: connection))
      // The first of every 32 numbers of a sequence is logged, which gives the transaction its id.
      for number in Int64(1)...3 {
        _ = try connection.run(
          writer.insert([
            NewEvent(
              eventID: .random(), key: "1", sequence: number, topic: "payment", payload: [], type: "test", source: "/")
          ]))
      }
      #expect(try connection.int("SELECT count(*) FROM event_wait") == 3)
    }
  }

  /// A snapshot's own xmax is not above a writer that began last: a floor noted with it would pass the writer over.
  @Test func theNotedBoundIsAboveEveryRunningWriter() async throws {
    try await PaymentDatabase.with { database in
      let (reader, writer) = (try database.connect(), try database.connect())
      let store = RelayStore(tables: TestDatabase.outbox, owner: "one", reserve: .seconds(30))
      _ = try store.read(ReadRequest(shards: [], history: ServerHistory(name: "")), on: reader)
      let xid = try writer.run([.begin, Command(Statement("SELECT pg_current_xact_id()::text::bigint"))])[1].only.int64(
        0)
      let report = try store.read(ReadRequest(shards: [], history: ServerHistory(name: "")), on: reader)
      #expect(report.snapshot.xmax > xid)
      #expect(report.snapshot.xmin <= xid)
      _ = try writer.run(.rollback)
    }
  }

  /// `SELECT last_value FROM event_id_seq` goes back here a few times in a million, by 32: a floor noted from it passes
  /// over ids that somebody is yet to draw.
  @Test func theSequenceIsNeverReadAheadOfWhatWasDrawn() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      #expect(try connection.int(Self.lastIDQuery) == 0)
      try connection.script(
        """
        CREATE FUNCTION draw(times int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
          FOR n IN 1..times LOOP PERFORM nextval('event_id_seq'); END LOOP;
        END $$;
        CREATE FUNCTION falls(times int) RETURNS int LANGUAGE plpgsql AS $$
        DECLARE last bigint := 0; next bigint; found int := 0;
        BEGIN
          FOR n IN 1..times LOOP
            next := (\(Self.lastIDQuery));
            IF next < last THEN found := found + 1; END IF;
            last := next;
          END LOOP;
          RETURN found;
        END $$
        """)
      async let drawing: Void = blocking { try database.connect().script("SELECT draw(400000)") }
      #expect(try await blocking { try database.connect().int("SELECT falls(150000)") } == 0)
      try await drawing
      #expect(try connection.int(Self.lastIDQuery) == 400_000)
    }
  }

  /// Two events of order 1 wait; the first lies below where the read begins.
  @Test func aReadTellsWhatWaitsRightBefore() async throws {
    try await PaymentDatabase.with { database in
      try database.create(orders: 1...1)
      let connection = try database.connect()
      let settle = try SettleCommand(orderID: 1, to: .completed, reason: "")
      _ = try database.transactions.settle([settle], on: connection)
      let row = try connection.run(
        Command(
          Statement(
            """
            UPDATE event_shard SET owner = 'one', epoch = 1, reserved_to = 'infinity'
            WHERE shard = (SELECT min(shard) FROM event_wait) RETURNING shard, (SELECT min(id) FROM event_wait)
            """))
      ).only
      let store = RelayStore(tables: TestDatabase.outbox, owner: "one", reserve: .seconds(30))
      let (shard, first) = (try row.int16(0), try row.int64(1))
      for floor in [0, first] {
        let report = try store.read(
          ReadRequest(
            shards: [.init(shard: shard, epoch: 1, floor: floor, limit: 10)],
            history: try store.history(on: connection)), on: connection)
        #expect(report.events.map(\.sequence) == (floor == 0 ? [1, 2] : [2]))
        #expect(report.predecessors == [first + 1: first])
      }
    }
  }

  /// After a failover the same ids are drawn again and the leases may be older.
  @Test func whatWasReadElsewhereIsNotCompletedHere() async throws {
    try await PaymentDatabase.with { database in
      try database.create(orders: 1...1)
      let connection = try database.connect()
      let store = RelayStore(tables: TestDatabase.outbox, owner: "one", reserve: .seconds(30))
      let claimed = try store.maintainLeases(
        LeaseRequest(renew: [], release: [], keeping: [], mayClaim: true), on: connection)
      #expect(claimed.history == (try store.history(on: connection)))
      let row = try connection.run(Command(Statement("SELECT shard, id, event_id FROM event_wait"))).only
      let (shard, id, eventID) = (try row.int16(0), try row.int64(1), try row.uuid(2))
      let lease = try #require(claimed.claimed.first { $0.shard == shard })
      func request(_ eventID: UniqueID, _ history: ServerHistory, isDead: Bool) -> CompletionRequest {
        CompletionRequest(
          leases: [lease],
          items: [
            .init(shard: lease.shard, id: id, eventID: eventID, token: 0, refusal: isDead ? "no" : nil)
          ], history: history)
      }
      let elsewhere = ServerHistory(name: "elsewhere")
      for isDead in [false, true] {
        #expect(try store.complete(request(eventID, elsewhere, isDead: isDead), on: connection).moved == [:])
        // Another event has the id now.
        let moved = try store.complete(request(.random(), claimed.history, isDead: isDead), on: connection).moved
        #expect(moved == [lease.shard: 0])
      }
      #expect(try waiting(connection) == 1)
      let asked = ReadRequest.Shard(shard: lease.shard, epoch: lease.epoch, floor: 0, limit: 10)
      #expect(try store.read(ReadRequest(shards: [asked], history: elsewhere), on: connection).held == [])
      #expect(try store.read(ReadRequest(shards: [asked], history: claimed.history), on: connection).events.count == 1)
      var renewal = LeaseRequest(renew: [lease], release: [], keeping: [lease], mayClaim: false, history: elsewhere)
      #expect(try store.maintainLeases(renewal, on: connection).renewed == [])
      renewal.history = claimed.history
      #expect(try store.maintainLeases(renewal, on: connection).renewed == [lease])
      try OutboxPartitions(TestDatabase.outbox).ensureDays(on: connection)
      let moved = try store.complete(request(eventID, claimed.history, isDead: false), on: connection).moved
      #expect(moved == [lease.shard: 1])
    }
  }

  /// The server's clock was put back by an hour after the crash of a relay.
  @Test func aLeaseThatEndsLaterThanAnyCanIsNotBelieved() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      try connection.script(
        """
        UPDATE event_shard SET owner = 'crashed', epoch = 5, reserved_to = clock_timestamp() + interval '1 h';
        INSERT INTO event_relay VALUES ('crashed', clock_timestamp() + interval '1 h')
        """)
      try database.create(orders: 1...50)
      let running = try Self.start(database, MemoryBroker())
      try await eventually(within: .seconds(5)) { running.relay.ownedShards == 64 }
      try await eventually { try waiting(connection) == 0 }
      #expect(try connection.int("SELECT min(epoch) FROM event_shard") == 6)
      try await running.stop()
    }
  }

  @Test func twoRelaysShareAndOneTakesOverFromTheOther() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      let broker = MemoryBroker()
      let one = try Self.start(database, broker, name: "one")
      try await eventually { one.relay.ownedShards == 64 }
      let two = try Self.start(database, broker, name: "two")
      try await eventually { one.relay.ownedShards == 32 && two.relay.ownedShards == 32 }
      try database.create(orders: 1...300)
      try await eventually { try waiting(connection) == 0 }
      #expect(broker.topic.count == 300)
      // A clean stop gives the leases back: the other has them long before they would have run out.
      let began = Instant.now()
      try await one.stop()
      try await eventually { two.relay.ownedShards == 64 }
      #expect(Instant.now() - began < .milliseconds(1_800))
      try database.create(orders: 301...400)
      try await eventually { try waiting(connection) == 0 }
      #expect(broker.topic.count == 400)
      try await two.stop()
    }
  }

  @Test func aCrashedRelayIsTakenOverWithinItsLease() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      try connection.script(
        """
        UPDATE event_shard SET owner = 'crashed', epoch = 5, reserved_to = clock_timestamp() + interval '1500 ms';
        INSERT INTO event_relay VALUES ('crashed', clock_timestamp() + interval '1500 ms')
        """)
      try database.create(orders: 1...50)
      let broker = MemoryBroker()
      let began = Instant.now()
      let running = try Self.start(database, broker)
      try await eventually { try waiting(connection) == 0 }
      #expect(Instant.now() - began >= .milliseconds(1_300))
      #expect(Instant.now() - began < .seconds(8))
      #expect(try connection.int("SELECT min(epoch) FROM event_shard") == 6)
      try await running.stop()
    }
  }

  @Test func aRelayWhoseShardsWereTakenCompletesNothingAndComesBack() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      let broker = MemoryBroker()
      let running = try Self.start(database, broker)
      try await eventually { running.relay.ownedShards == 64 }
      broker.setDown(true)
      try database.create(orders: 1...20)
      running.relay.wake()
      // Another takes every shard for a moment, as after a pause of this relay.
      try connection.script(
        "UPDATE event_shard SET owner = 'thief', epoch = epoch + 1, reserved_to = clock_timestamp() + interval '1 s'")
      broker.setDown(false)
      try await eventually { running.relay.ownedShards == 0 }
      #expect(try connection.int("SELECT count(*) FROM event_done") == 0)
      try await eventually { try waiting(connection) == 0 }
      #expect(Set(broker.keys).count == 20)
      try await running.stop()
    }
  }

  @Test func anOutageOfTheBrokerSpendsNothing() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      let broker = MemoryBroker()
      broker.setDown(true)
      try database.create(orders: 1...20)
      let running = try Self.start(database, broker)
      try await eventually { running.relay.ownedShards == 64 }
      try await Task.sleep(for: .milliseconds(600))
      #expect(try connection.int("SELECT count(*) FROM event WHERE status = 'WAIT' AND attempts = 0") == 20)
      broker.setDown(false)
      try await eventually { try waiting(connection) == 0 }
      #expect(try connection.int("SELECT count(*) FROM event_dead") == 0)
      try await running.stop()
    }
  }

  @Test func aRefusedEventIsDeadAndHoldsItsKeyOnly() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      let broker = MemoryBroker()
      broker.refuse(["7"])
      try database.create(orders: 1...20)
      _ = try database.transactions.settle(
        try (Int64(1)...20).map { try SettleCommand(orderID: $0, to: .failed, reason: "") }, on: connection)
      let running = try Self.start(database, broker)
      try await eventually { broker.topic.count == 38 }
      try await eventually { try connection.int("SELECT count(*) FROM event_dead WHERE last_error = 'refused'") == 1 }
      broker.refuse([])
      // The rest of the key waits behind its dead head, polled for again and again.
      try await Task.sleep(for: .milliseconds(300))
      #expect(!broker.keys.contains("7"))
      try await eventually { try waiting(connection) == 1 }
      try await running.stop()
    }
  }

  @Test func aMissingDayIsMade() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      #expect(try connection.int("SELECT count(*) FROM pg_inherits WHERE inhparent = 'event_done'::regclass") == 0)
      try database.create(orders: 1...3)
      let running = try Self.start(database, MemoryBroker())
      try await eventually { try waiting(connection) == 0 }
      #expect(try connection.int("SELECT count(*) FROM pg_inherits WHERE inhparent = 'event_done'::regclass") == 8)
      try await running.stop()
    }
  }
}

@Suite("Outbox partitions", .needsDatabase)
struct OutboxPartitionTests {
  @Test func daysAreMadeAheadOnceAndOldOnesDropped() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      try OutboxPartitions(TestDatabase.outbox).ensureDays(on: connection)
      try OutboxPartitions(TestDatabase.outbox).ensureDays(on: connection)
      #expect(try connection.int("SELECT count(*) FROM pg_inherits WHERE inhparent = 'event_done'::regclass") == 8)
      try connection.script(
        """
        CREATE TABLE event_done_20200101 PARTITION OF event_done FOR VALUES FROM ('2020-01-01T00:00Z') TO ('2020-01-02T00:00Z')
        """)
      // One that a crash left detached and not yet dropped.
      try connection.script(
        "CREATE TABLE event_done_20200102 (LIKE event_done, CONSTRAINT event_done_20200102_day CHECK (true))")
      let dropped = try OutboxPartitions(TestDatabase.outbox).days.drop(olderThan: .seconds(86_400), on: connection)
        .tables
      #expect(dropped == ["event_done_20200101", "event_done_20200102"])
      #expect(try connection.int("SELECT count(*) FROM pg_inherits WHERE inhparent = 'event_done'::regclass") == 8)
    }
  }

  @Test func severalProgramsMakeTheSameDaysAtOnce() async throws {
    try await PaymentDatabase.with { database in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<6 {
          group.addTask {
            try await blocking { try OutboxPartitions(TestDatabase.outbox).ensureDays(on: try database.connect()) }
          }
        }
        try await group.waitForAll()
      }
      let connection = try database.connect()
      try OutboxPartitions(TestDatabase.outbox).ensureDays(on: connection)
      #expect(try connection.int("SELECT count(*) FROM pg_inherits WHERE inhparent = 'event_done'::regclass") == 8)
    }
  }
}
