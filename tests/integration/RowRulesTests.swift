import Migrator
import Outbox
import Postgres
import SagaDomain
import SagaSchema
import SagaStore
import Testing
import Values

/// What lies in the tables is input: whatever somebody put there ends nothing, and the rest goes on.
@Suite("Rows nobody expected", .needsDatabase)
struct RowRulesTests {
  /// Rows that were there before the checks: with them off, and on again afterwards.
  private func beforeTheChecks(_ database: PaymentDatabase, _ scripts: [String]) throws {
    let migrator = try database.migrator(database.configuration)
    let steps = Array(5...SagaSchema.requiredVersion)
    #expect(try migrator.down(steps.count).map(\.version) == steps.reversed())
    let connection = try database.connect()
    for script in scripts { try connection.script(script) }
    #expect(try migrator.up().map(\.version) == steps)
  }

  /// A payment that an unknown version of the programs has made of order 2.
  private func refund(_ database: PaymentDatabase) throws {
    try database.create(orders: 1...4)
    try beforeTheChecks(
      database,
      [
        "ALTER TYPE payment_status ADD VALUE 'REFUNDED'",
        "UPDATE payment SET status = 'REFUNDED', version = 2 WHERE order_id = 2",
      ])
  }

  @Test func insertsOfSuchRowsAreRefused() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      try connection.script("ALTER TYPE payment_status ADD VALUE 'REFUNDED'")
      let event =
        "INSERT INTO event (event_id, key, seq, topic, payload, shard, headers) VALUES (gen_random_uuid(), 'x', 1, 't', ''"
      for (script, constraint) in [
        ("\(event), 5, ARRAY['ce_id', NULL])", "event_wait_headers_check"),
        ("\(event), 5, ARRAY['ce_id'])", "event_wait_headers_check"),
        ("\(event), 5, ARRAY[['a', 'b'], ['c', 'd']])", "event_wait_headers_check"),
        ("\(event), -1, '{}')", "event_wait_shard_check"),
        ("INSERT INTO payment (order_id, status) VALUES (1, 'REFUNDED')", "payment_status_check"),
        ("INSERT INTO payment (order_id, currency) VALUES (1, 'eur')", "payment_currency_check"),
        ("INSERT INTO payment (order_id, version) VALUES (1, 9223372036854775807)", "payment_version_limit"),
      ] {
        let error = #expect(throws: DatabaseError.self) { try connection.script(script) }
        #expect(error?.constraint == constraint, "\(script)")
      }
      try connection.script("\(event), 5, '{}')")
      try connection.script("INSERT INTO payment (order_id, currency) VALUES (1, 'EUR'), (2, NULL)")
    }
  }

  @Test func aPaymentThatCannotBeReadFailsItsOwnCallsOnly() async throws {
    try await PaymentDatabase.with { database in
      try refund(database)
      let connection = try database.connect()
      func failure<Value>(_ result: Result<Value, PaymentError>) -> PaymentError? {
        if case .failure(let error) = result { error } else { nil }
      }
      let settles = try [1, 2, 3].map { (order: Int64) in try SettleCommand(orderID: order, to: .completed, reason: "")
      }
      let settled = try database.transactions.settle(settles, on: connection)
      #expect(failure(settled[0]) == nil && failure(settled[2]) == nil)
      let refused = try #require(failure(settled[1]))
      #expect(refused.code == .internal && refused.message.contains("REFUNDED") && refused.message.contains("order 2"))
      let created = try database.transactions.create(
        [try CreateCommand(orderID: 2), try CreateCommand(orderID: 9)], on: connection)
      #expect(failure(created[0])?.code == .internal && failure(created[1]) == nil)
      let found = try database.transactions.find(orderIDs: [1, 2, 4], on: connection)
      #expect(found.payments.map(\.orderID) == [1, 4] && found.unreadable.map(\.orderID) == [2])
      var leftOut: [Int64?] = []
      let query = try PaymentQuery(status: nil, pageSize: 2, after: 0)
      let page = try database.transactions.list(query, onUnreadable: { leftOut.append($0.orderID) }, on: connection)
      #expect(page.payments.map(\.orderID) == [1] && leftOut == [2])
      let next = try PaymentQuery(status: nil, pageSize: 3, after: try #require(page.next))
      #expect(try database.transactions.list(next, on: connection).payments.map(\.orderID) == [3, 4, 9])
    }
  }

  @Test func whatACallsKeyKeptMayBeUnreadable() async throws {
    try await PaymentDatabase.with { database in
      let keys = try ["one", "two"].map { try IdempotencyKey(Array($0.utf8)) }
      let connection = try database.connect()
      func create() throws -> [Result<CreateOutcome, PaymentError>] {
        try database.transactions.create(
          try keys.enumerated().map { try CreateCommand(orderID: Int64($0.offset + 1), callKey: $0.element) },
          on: connection)
      }
      for result in try create() { _ = try result.get() }
      try connection.script("UPDATE idempotency_key SET answer = answer || '{\"version\": 0}' WHERE key = 'one'")
      let again = try create()
      #expect(throws: PaymentError.self) { try again[0].get() }
      guard case .replayed = try again[1].get() else { throw DatabaseError.content("not replayed") }
    }
  }

  @Test func expiryPassesOverWhatItCannotRead() async throws {
    try await PaymentDatabase.with(ttl: .seconds(3_600)) { database in
      try database.create(orders: 1...3)
      try beforeTheChecks(
        database,
        [
          "UPDATE payment SET expires_at = now() - interval '1 hour' * id",
          "UPDATE payment SET version = 9223372036854775807 WHERE order_id = 2",
        ])
      let connection = try database.connect()
      let sweep = try database.transactions.expire(limit: 10, from: nil, on: connection)
      #expect(sweep.expired == 2 && sweep.unreadable.map(\.orderID) == [2] && sweep.isComplete)
      let next = try database.transactions.expire(limit: 10, from: nil, excluding: [2], on: connection)
      #expect(next.expired == 0 && next.unreadable.isEmpty)
    }
  }

  @Test func anEventWithoutAShardIsDeadAndComesBackWithOne() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      try connection.script(
        """
        INSERT INTO event (event_id, shard, key, seq, topic, payload)
        VALUES (gen_random_uuid(), 99, 'x', 1, 't', ''), (gen_random_uuid(), 63, 'y', 1, 't', '')
        """)
      let dead = try OutboxStrays(TestDatabase.outbox, shards: ShardMap(count: 64)).bury(on: connection)
      #expect(dead.map(\.key) == ["x"])
      #expect(dead.first?.lastError == "shard 99 does not exist: there are 64")
      #expect(try OutboxRepair(TestDatabase.outbox, by: "tester").requeue(.all, on: connection).isEmpty)
      try connection.script("UPDATE event_dead SET shard = 9")
      #expect(try OutboxRepair(TestDatabase.outbox, by: "tester").requeue(.all, on: connection).map(\.key) == ["x"])
      #expect(try OutboxStrays(TestDatabase.outbox, shards: ShardMap(count: 64)).bury(on: connection).isEmpty)
    }
  }

  @Test func aColumnOfAnotherTypeIsNoRowsFault() async throws {
    try await PaymentDatabase.with { database in
      try database.create(orders: 1...1)
      let connection = try database.connect()
      try connection.script("DROP VIEW all_payment; ALTER TABLE payment ALTER COLUMN amount_minor TYPE numeric")
      let error = #expect(throws: DatabaseError.self) { try database.transactions.find(orderIDs: [1], on: connection) }
      #expect(error?.code == .schema && error?.message.contains("amount_minor") == true)
    }
  }

  /// The tables' fault lets everybody wait, a value's fault is its message's.
  @Test(arguments: [
    "ALTER SEQUENCE payment_id_seq RESTART WITH 1", "ALTER SEQUENCE event_id_seq RESTART WITH 1",
    "ALTER TABLE payment ADD CONSTRAINT wrong CHECK (order_id < 5) NOT VALID",
    "ALTER SEQUENCE payment_id_seq MAXVALUE 2",
  ])
  func theTablesFaultIsNoMessages(script: String) async throws {
    try await PaymentDatabase.with { database in
      try database.create(orders: 1...2)
      let connection = try database.connect()
      try connection.script(script)
      // The id of an event is in the way of another only within its shard.
      let shards = ShardMap(count: 64)
      let order = try #require((Int64(5)...10_000).first { shards.shard(of: "\($0)") == shards.shard(of: "1") })
      let error = #expect(throws: DatabaseError.self) {
        try database.transactions.create([try CreateCommand(orderID: order)], on: connection)
      }
      #expect(error.map(WriteFault.isOfTables) == true && error.map(WriteFault.isOfValues) == false)
    }
  }

  @Test func whatIsInTheWayOfOneOrderIsItsOwn() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      try connection.script(
        "INSERT INTO event (event_id, shard, key, seq, topic, payload) VALUES (gen_random_uuid(), 5, '7', 1, 't', '')")
      let error = #expect(throws: DatabaseError.self) {
        try database.transactions.create([try CreateCommand(orderID: 7)], on: connection)
      }
      #expect(error.map(WriteFault.isOfValues) == true && error.map(WriteFault.isOfTables) == false)
    }
  }

  @Test func aChangeThatATriggerTakesBackFailsItsTransaction() async throws {
    try await PaymentDatabase.with { database in
      try database.create(orders: 1...1)
      let connection = try database.connect()
      try connection.script(
        """
        CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER keep BEFORE UPDATE ON payment FOR EACH ROW EXECUTE FUNCTION keep()
        """)
      let error = #expect(throws: DatabaseError.self) {
        try database.transactions.settle([try SettleCommand(orderID: 1, to: .completed, reason: "")], on: connection)
      }
      #expect(error?.message.contains("0 of 1 locked payments changed") == true)
      #expect(try connection.int("SELECT count(*) FROM event") == 1)
    }
  }

  @Test func infinityGoesBackAsItCame() async throws {
    try await PaymentDatabase.with { database in
      let key = try IdempotencyKey(Array("key".utf8))
      try database.create(orders: 1...1)
      let connection = try database.connect()
      try connection.script("UPDATE payment SET expires_at = 'infinity', created_at = '-infinity'")
      let created = try database.transactions.create([try CreateCommand(orderID: 1, callKey: key)], on: connection)
      let payment = try created[0].get().payment
      #expect(payment.expiresAt?.clamped.description == "9999-12-31T23:59:59.999999Z")
      #expect(payment.createdAt.clamped.description == "0001-01-01T00:00:00.000000Z")
      #expect(
        try connection.int(
          """
          SELECT count(*) FROM idempotency_key
          WHERE answer->>'expires_at' = 'infinity' AND answer->>'created_at' = '-infinity'
          """) == 1)
      let again = try database.transactions.create([try CreateCommand(orderID: 1, callKey: key)], on: connection)
      #expect(try again[0].get() == .replayed(payment))
    }
  }
}
