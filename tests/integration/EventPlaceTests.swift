import Postgres
import SagaDomain
import SagaStore
import Testing
import Tracing
import Values

@testable import Outbox

/// What the tables keep for those who look for one payment's story.
@Suite("Places, callers and indexes", .needsDatabase)
struct EventPlaceTests {
  @Test func aCompletedEventHasItsPlace() async throws {
    try await PaymentDatabase.with { database in
      try database.create(orders: 1...2)
      let connection = try database.connect()
      try OutboxPartitions(TestDatabase.outbox).ensureDays(on: connection)
      let store = RelayStore(tables: TestDatabase.outbox, owner: "one", reserve: .seconds(30))
      let claimed = try store.maintainLeases(
        LeaseRequest(renew: [], release: [], keeping: [], mayClaim: true), on: connection)
      let waiting = try OutboxInspection(TestDatabase.outbox).events(EventFilter(.waiting, limit: 10), on: connection)
      #expect(waiting.map(\.place) == [nil, nil])
      let places = [MessagePlace(partition: 3, offset: 1 << 40), nil]
      let items = zip(waiting, places).map { event, place in
        CompletionRequest.Item(
          shard: event.shard, id: event.id, eventID: event.eventID, token: 0, refusal: nil, place: place)
      }
      let leases = claimed.claimed.filter { lease in items.contains { $0.shard == lease.shard } }
      _ = try store.complete(
        CompletionRequest(leases: leases, items: items, history: claimed.history), on: connection)
      let done = try OutboxInspection(TestDatabase.outbox).events(EventFilter(.done, limit: 10), on: connection)
      #expect(done.sorted { $0.id < $1.id }.map(\.place) == places)
      #expect(done.allSatisfy { $0.header("ce_type") == "paysaga.payment.created" && $0.header("caller") == nil })
    }
  }

  @Test func aPaymentKeepsWhoOpenedAndWhoSettledIt() async throws {
    try await PaymentDatabase.with(ttl: .milliseconds(1)) { database in
      let connection = try database.connect()
      let trace = TraceContext(traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
      _ = try database.transactions.create(
        [
          try CreateCommand(orderID: 2, caller: "shop@10.0.0.1:5"),
          try CreateCommand(orderID: 1, trace: trace, place: "inventory/0@9"), try CreateCommand(orderID: 3),
        ], on: connection)
      _ = try database.transactions.settle(
        [try SettleCommand(orderID: 1, to: .failed, reason: "no", trace: trace, caller: "[::1]:4")], on: connection)
      try await eventually { try connection.int("SELECT count(*) FROM payment WHERE expires_at > now()") == 0 }
      _ = try database.transactions.expire(limit: 10, from: nil, on: connection)
      let rows = try connection.run(
        Command(
          Statement(
            "SELECT coalesce(opened_by, '-') || ', ' || coalesce(settled_by, '-') FROM payment ORDER BY order_id")))
      let mark = "trace=4bf92f3577b34da6a3ce929d0e0e4736"
      #expect(
        try rows.map { try $0.text(0) }
          == ["inventory/0@9 \(mark), [::1]:4 \(mark)", "shop@10.0.0.1:5, expiry", "-, expiry"])
    }
  }

  /// The names of a day's indexes that are valid, with what they index.
  private func indexes(_ connection: Connection) throws -> [String] {
    try connection.run(
      Command(
        Statement(
          """
          SELECT c.relname || ' ' || substring(pg_get_indexdef(c.oid) FROM 'USING .*$') FROM pg_index i
          JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indisvalid AND i.indrelid = ANY (
            SELECT relid FROM pg_partition_tree('event_done')) ORDER BY 1
          """))
    ).map { try $0.text(0) }
  }

  @Test func daysGetTheirIndexesWhenTheyAreOver() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      try connection.script(
        """
        CREATE TABLE event_done_20200101 PARTITION OF event_done
          FOR VALUES FROM ('2020-01-01T00:00Z') TO ('2020-01-02T00:00Z');
        CREATE TABLE event_done_20200102 PARTITION OF event_done
          FOR VALUES FROM ('2020-01-02T00:00Z') TO ('2020-01-03T00:00Z')
        """)
      let indexes = OutboxPartitions(TestDatabase.outbox).indexes
      func build(at moment: String, retention: Duration = .seconds(7 * 86_400)) throws -> [String] {
        let missing = try indexes.missing(keptFor: retention, now: Timestamp(moment), on: connection)
        for index in missing { try indexes.build(index, limit: .seconds(60), on: connection) }
        return missing.map(\.name)
      }
      // A clock that runs ahead of the relay's does not index a day that is still written to.
      #expect(try build(at: "2020-01-02T00:10:00Z") == ["event_done_20200102_by_done_at"])
      // Nor is one that is dropped soon: detaching it would wait for the index, and the index for that.
      #expect(try build(at: "2020-01-02T00:20:00Z", retention: .seconds(86_400)).isEmpty)
      #expect(
        try build(at: "2020-01-02T00:20:00Z") == ["event_done_20200101_by_event_id", "event_done_20200101_by_key"])
      #expect(try build(at: "2020-01-02T00:20:00Z").isEmpty)
      let wanted = [
        "event_done_20200101_by_event_id USING btree (event_id)", "event_done_20200101_by_key USING btree (key)",
        "event_done_20200102_by_done_at USING brin (done_at) WITH (autosummarize='on')",
      ]
      #expect(try self.indexes(connection) == wanted)
      // One that was given up half-built is built anew.
      try connection.script(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'event_done_20200101_by_key'::regclass")
      #expect(try self.indexes(connection).count == 2)
      #expect(try build(at: "2020-01-02T00:20:00Z") == ["event_done_20200101_by_key"])
      #expect(try self.indexes(connection) == wanted)
    }
  }
}
