import Postgres
import Testing
import Values

@testable import Outbox

/// Why events wait, and the log of operations, on real tables.
@Suite("Waiting events", .needsDatabase)
struct OutboxWaitTests {
  private static let inspection = OutboxInspection(TestDatabase.outbox)
  private static let log = OperationLog(TestDatabase.outbox)

  /// Inserts `key:seq:topic:shard`.
  private func insert(_ events: [String], _ status: EventStatus = .waiting, on connection: Connection) throws {
    for event in events {
      let parts = event.split(separator: ":")
      try connection.script(
        """
        INSERT INTO event (event_id, shard, key, seq, topic, payload, status, last_error)
        VALUES (gen_random_uuid(), \(parts[3]), '\(parts[0])', \(parts[1]), '\(parts[2])', '', '\(status.rawValue)',
                CASE WHEN '\(status.rawValue)' = 'DEAD' THEN 'too large' END)
        """)
    }
  }

  /// A relay that holds `shard`, last heard so long ago, with a lease of a minute.
  private func relay(
    _ owner: String, shard: Int, heard: String = "0 s", obstacle: String? = nil, on connection: Connection
  ) throws {
    let words = obstacle.map { "'\($0)', 'in words', clock_timestamp()" } ?? "NULL, NULL, NULL"
    try connection.script(
      """
      INSERT INTO event_relay (owner, alive_to, heard_at, obstacle, obstacle_words, obstacle_since)
      VALUES ('\(owner)', clock_timestamp() + interval '30 s', clock_timestamp() - interval '\(heard)', \(words));
      UPDATE event_shard SET owner = '\(owner)', reserved_to = clock_timestamp() + interval '1 minute'
      WHERE shard = \(shard)
      """)
  }

  private func reasons(on connection: Connection) throws -> [String: EventWait] {
    let events = try Self.inspection.events(EventFilter(.waiting, limit: 100), on: connection)
    let waits = try Self.inspection.waits(of: events, on: connection)
    return Dictionary(uniqueKeysWithValues: zip(events.map { "\($0.key):\($0.sequence)" }, waits))
  }

  @Test func eachReasonIsNamed() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      try insert(["dead:1:t:1"], .dead, on: connection)
      try insert(
        [
          "dead:2:t:1", "dead:3:u:1", "paused:1:p:1", "paused:2:t:1", "fine:1:t:1", "silent:1:t:2", "refused:1:t:3",
          "away:1:t:4", "free:1:t:5",
        ], on: connection)
      try relay("good", shard: 1, on: connection)
      try relay("frozen", shard: 2, heard: "20 s", obstacle: "broker_away", on: connection)
      try relay("denied", shard: 3, obstacle: "broker_refuses", on: connection)
      try relay("lonely", shard: 4, obstacle: "broker_away", on: connection)
      _ = try OutboxRepair(TestDatabase.outbox, by: "tester").pause("p", on: connection)

      let found = try reasons(on: connection)
      let expected: [String: WaitReason] = [
        "dead:2": .behindDead, "paused:1": .topicPaused, "paused:2": .inFlight, "dead:3": .inFlight,
        "fine:1": .inFlight, "silent:1": .relaySilent, "refused:1": .brokerRefuses, "away:1": .brokerAway,
        "free:1": .noLease,
      ]
      #expect(found.mapValues(\.reason) == expected)
      #expect(found["dead:2"]?.detail?.contains("too large") == true)
      #expect(found["paused:1"]?.detail == "p" && found["silent:1"]?.detail == "frozen")
      #expect(found["refused:1"]?.detail == "in words")

      let status = try Self.inspection.status(on: connection)
      #expect(
        status.reasons == [
          .behindDead: 1, .topicPaused: 1, .inFlight: 3, .relaySilent: 1, .brokerRefuses: 1, .brokerAway: 1,
          .noLease: 1,
        ])
      #expect(status.waiting == 9 && status.dead == 1 && status.pausedTopics == 1)
      // Where dead events hold nothing back, nothing waits behind them.
      let going = try OutboxInspection(TestDatabase.outbox, onDead: .continue).status(on: connection)
      #expect(going.reasons[.behindDead] == nil && going.waiting == 9)

      let holdings = try Self.inspection.holdings(on: connection)
      let frozen = try #require(holdings.first { $0.owner == "frozen" })
      #expect(!frozen.isHeard && frozen.heardAt != nil && frozen.obstacle == nil && frozen.obstacleSince == nil)
      let denied = try #require(holdings.first { $0.owner == "denied" })
      #expect(denied.obstacle == "broker_refuses: in words" && denied.obstacleSince != nil)

      try connection.script("DELETE FROM event_relay; UPDATE event_shard SET owner = NULL, reserved_to = '-infinity'")
      #expect(try reasons(on: connection)["fine:1"]?.reason == .noRelay)
    }
  }

  @Test func anEmptyOutboxHasNoReasons() async throws {
    try await PaymentDatabase.with { database in
      let status = try Self.inspection.status(on: try database.connect())
      #expect(status.reasons.isEmpty && status.waiting == 0 && status.oldestWaiting == nil)
    }
  }

  @Test func whatOperatorsDoIsWrittenDown() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      try OutboxPartitions(TestDatabase.outbox).ensureDays(on: connection)
      try insert(["a:1:t:5"], .dead, on: connection)
      let repair = OutboxRepair(TestDatabase.outbox, by: "ann@desk")
      _ = try repair.requeue(.all, on: connection)
      _ = try repair.pause("t", on: connection)
      _ = try repair.pause("t", on: connection)
      _ = try repair.resume("t", on: connection)
      try Self.log.note(
        .letterDiscard, by: "bob", topic: "in.dlq", messages: [("7", "0@1"), (nil, "0@2")], on: connection)
      let entries = try Self.log.entries(limit: 10, on: connection).reversed()
      #expect(entries.map(\.action) == ["requeue", "pause", "resume", "letter_discard", "letter_discard"])
      #expect(entries.map(\.actor) == ["ann@desk", "ann@desk", "ann@desk", "bob", "bob"])
      #expect(entries.first?.key == "a" && entries.first?.detail == "too large" && entries.first?.eventID != nil)
      #expect(try Self.log.entries(key: "7", limit: 10, on: connection).map(\.detail) == ["0@1"])
      #expect(try Self.log.entries(action: .pause, limit: 10, on: connection).map(\.topic) == ["t"])
      #expect(try Self.log.entries(since: .now() + .seconds(3_600), limit: 10, on: connection).isEmpty)

      try connection.script("UPDATE operation_log SET at = now() - interval '91 days' WHERE action = 'requeue'")
      try Self.log.forgetOld(on: connection)
      #expect(try Self.log.entries(limit: 10, on: connection).count == 4)
    }
  }

  @Test func `what operators do is told once by a process, and what is old by none that comes later`() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      try OutboxPartitions(TestDatabase.outbox).ensureDays(on: connection)
      let repair = OutboxRepair(TestDatabase.outbox, by: "ann@desk")
      _ = try repair.pause("old", on: connection)
      try connection.script("UPDATE operation_log SET at = now() - interval '121 s'")
      var actions = OperatorActions(TestDatabase.outbox)
      #expect(try actions.look(on: connection).isEmpty, "another process has told it")

      try insert(["a:1:t:5", "b:1:t:5"], .dead, on: connection)
      try insert(["c:1:t:5"], .dead, on: connection)
      _ = try repair.requeue(.ids([3]), on: connection)
      _ = try repair.requeue(.all, on: connection)
      _ = try repair.resume("old", on: connection)
      // One that commits after a later one was seen.
      let late = try database.connect()
      try late.script("BEGIN")
      try Self.log.note(.letterDiscard, by: "bob", topic: "in.dlq", messages: [("7", "0@1"), (nil, "0@2")], on: late)
      try connection.script("INSERT INTO operation_log (action, actor) VALUES ('dead', 'a relay')")
      let seen = try actions.look(on: connection)
      #expect(seen.map(\.action) == ["requeue", "requeue", "resume"] && seen.allSatisfy { $0.person == "ann@desk" })
      #expect(seen.map(\.key) == ["c", nil, nil] && seen.map(\.count) == [1, 2, 1])
      #expect(seen.map(\.topic) == ["t", "t", "old"])
      try late.script("COMMIT")
      let more = try actions.look(on: connection)
      #expect(more.map(\.action) == ["letter_discard"] && more[0].count == 2 && more[0].key == nil)
      for _ in 0..<3 { #expect(try actions.look(on: connection).isEmpty) }
      var others = OperatorActions(TestDatabase.outbox)
      #expect(try others.look(on: connection).count == 4, "what is as new as that may be told twice")
      _ = try repair.pause("t", on: connection)
      try connection.script("UPDATE operation_log SET at = now() - interval '121 s'")
      others.forget()
      #expect(try others.look(on: connection).isEmpty, "while it did not look, another process has told it")
    }
  }

  @Test func whatHappensIsWrittenDown() async throws {
    try await PaymentDatabase.with { database in
      try database.create(orders: 1...1)
      let connection = try database.connect()
      let store = RelayStore(tables: TestDatabase.outbox, owner: "one", reserve: .seconds(30))
      let request = LeaseRequest(renew: [], release: [], keeping: [], mayClaim: true)
      let denied = PublishObstacle(.brokerRefuses, "TOPIC_AUTHORIZATION_FAILED")
      let claimed = try store.maintainLeases(request, obstacle: denied, on: connection)
      #expect(claimed.recalled.isEmpty && claimed.claimed.count == 64)
      for obstacle in [denied, nil, nil] { _ = try store.maintainLeases(request, obstacle: obstacle, on: connection) }
      let entries = try Self.log.entries(limit: 10, on: connection).reversed()
      #expect(entries.map(\.action) == ["obstacle", "obstacle_over"] && entries.allSatisfy { $0.actor == "one" })
      #expect(entries.allSatisfy { $0.detail == "broker_refuses: TOPIC_AUTHORIZATION_FAILED" })
      // The leases were ours all the time: they are claimed anew as if an operator had raised their epochs.
      #expect(try store.maintainLeases(request, on: connection).recalled.count == 64)

      let row = try connection.run(
        Command(
          Statement("SELECT w.shard, w.id, w.event_id, s.epoch FROM event_wait w JOIN event_shard s USING (shard)"))
      ).only
      let lease = ShardEpoch(shard: try row.int16(0), epoch: try row.int64(3))
      let item = CompletionRequest.Item(
        shard: lease.shard, id: try row.int64(1), eventID: try row.uuid(2), token: 0, refusal: "too large")
      let moved = try store.complete(
        CompletionRequest(leases: [lease], items: [item], history: claimed.history), on: connection)
      #expect(moved.moved == [lease.shard: 1])
      let dead = try #require(try Self.log.entries(action: .dead, limit: 10, on: connection).first)
      #expect(
        dead.key == "1" && dead.eventID == item.eventID && dead.detail == "too large" && dead.shard == lease.shard)
    }
  }

  @Test func aSilentRelayLosesItsShardsAndALivingOneKeepsThem() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      try relay("frozen", shard: 2, heard: "20 s", on: connection)
      try relay("good", shard: 3, on: connection)
      let repair = OutboxRepair(TestDatabase.outbox, by: "tester")
      let held = try repair.takeOver(.shards([2, 3, 4]), on: connection)
      #expect(held.map(\.shard) == [2, 3] && held.map(\.isTaken) == [true, false])
      #expect(held.map(\.owner) == ["frozen", "good"])
      #expect(
        try connection.int("SELECT count(*) FROM event_shard WHERE shard = 2 AND owner IS NULL AND epoch = 1") == 1)
      #expect(try connection.int("SELECT count(*) FROM event_shard WHERE owner = 'good' AND epoch = 0") == 1)
      // It counts for no share of the shards any more, so that others claim what it had.
      #expect(try connection.int("SELECT count(*) FROM event_relay WHERE owner = 'frozen'") == 0)
      let entry = try #require(try Self.log.entries(action: .takeOver, limit: 10, on: connection).first)
      #expect(entry.shard == 2 && entry.detail == "from frozen" && entry.actor == "tester")
      #expect(try repair.takeOver(.owner("frozen"), on: connection).isEmpty)
    }
  }
}
