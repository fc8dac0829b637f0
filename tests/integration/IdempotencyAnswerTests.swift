import Idempotency
import Migrator
import Postgres
import Runtime
import SagaDomain
import SagaSchema
import SagaStore
import Testing
import Values

/// Migrations 6 to 8: the payment under a key becomes one value.
@Suite("Answers under keys", .needsDatabase)
struct IdempotencyAnswerTests {
  /// The table as it was before, with a day of its own, and payments of every kind under keys.
  private static let before = [
    "INSERT INTO payment (order_id, amount_minor, currency) SELECT n, n, 'EUR' FROM generate_series(1, 6) n",
    """
    INSERT INTO idempotency_key (method, used_at, key, fingerprint, payment_id, order_id, status, reason, version,
                                 amount_minor, currency, idempotent_key, created_at, updated_at, expires_at)
    VALUES
      ('CreatePayment', now(), 'plain', '1/1/EUR', 1, 1, 'CREATED', '', 1, 1, 'EUR', NULL,
       '2026-03-01T12:00:00.000001Z', '2026-03-01T12:00:00.000001Z', NULL),
      ('CreatePayment', now(), 'words', '2/2/EUR', 2, 2, 'FAILED', E'"q\\\\u0000" \\t\\n\\u0001 \\u202e ü 🙂', 9, 2, 'EUR',
       'd978c560-fdba-4e84-b3f1-b570d8d95e4c', '1969-12-31T23:59:59.999999Z', '2024-02-29T23:00:00+05:30',
       '2026-12-31T23:59:59.999999Z'),
      ('CreatePayment', now(), 'ends', '3/0/', 9223372036854775807, 9223372036854775807, 'COMPLETED', 'x',
       9223372036854775806, 9223372036854775807, NULL, NULL, '-infinity', '0001-01-01T00:00:00Z', 'infinity'),
      ('CreatePayment', now(), 'refused', '4/0/', 4, 4, 'CREATED', '', 0, 0, NULL, NULL, now(), now(), NULL)
    """,
  ]

  private static let rows = Statement(
    """
    SELECT string_agg(concat_ws('|', method, key, fingerprint, used_at, payment_id, order_id, status, reason, version,
                                amount_minor, coalesce(currency, '-'), coalesce(idempotent_key::text, '-'), created_at,
                                updated_at, coalesce(expires_at::text, '-')), ';' ORDER BY key)
    FROM idempotency_key
    """)

  private static let newest = Int(SagaSchema.requiredVersion)

  /// Runs `body` with tables of an older version, which hold the rows above.
  private func with(
    version: Int, _ body: (PaymentDatabase, Migrator, Connection) async throws -> Void
  ) async throws {
    try await PaymentDatabase.with { database in
      let migrator = try database.migrator(database.configuration)
      try migrator.down(Self.newest - version)
      let connection = try database.connect()
      #expect(try PaymentKeys.days.ensure(daysAhead: 1, on: connection).isEmpty)
      for script in Self.before { try connection.script(script) }
      try await body(database, migrator, connection)
    }
  }

  private func key(_ text: String) throws -> IdempotencyKey { try IdempotencyKey(Array(text.utf8)) }

  @Test(arguments: [4, 5]) func aKeyFromBeforeGivesTheAnswerItGave(version: Int) async throws {
    try await with(version: version) { database, migrator, connection in
      try migrator.up()
      let commands = try [
        CreateCommand(orderID: 1, amountMinor: 1, currency: "EUR", callKey: key("plain")),
        CreateCommand(orderID: 2, amountMinor: 2, currency: "EUR", callKey: key("words")),
        CreateCommand(orderID: 3, callKey: key("ends")), CreateCommand(orderID: 4, callKey: key("refused")),
        CreateCommand(orderID: 5, callKey: key("plain")), CreateCommand(orderID: 6, callKey: key("new")),
      ]
      let outcomes = try database.transactions.create(commands, on: connection)
      let noon = Timestamp("2026-03-01T12:00:00.000001Z")!  // as it is written above
      #expect(
        try outcomes[0].get()
          == .replayed(
            Payment(
              id: 1, orderID: 1, status: .created, reason: "", version: 1, amountMinor: 1, currency: "EUR",
              idempotentKey: nil, createdAt: noon, updatedAt: noon, expiresAt: nil)))
      #expect(
        try outcomes[1].get()
          == .replayed(
            Payment(
              id: 2, orderID: 2, status: .failed, reason: "\"q\\u0000\" \t\n\u{1} \u{202e} ü 🙂", version: 9,
              amountMinor: 2, currency: "EUR", idempotentKey: UniqueID("d978c560-fdba-4e84-b3f1-b570d8d95e4c"),
              createdAt: Timestamp(microseconds: -1), updatedAt: #require(Timestamp("2024-02-29T17:30:00.000000Z")),
              expiresAt: Timestamp("2026-12-31T23:59:59.999999Z"))))
      #expect(
        try outcomes[2].get()
          == .replayed(
            Payment(
              id: .max, orderID: .max, status: .completed, reason: "x", version: .max - 1, amountMinor: .max,
              currency: "", idempotentKey: nil, createdAt: Timestamp(microseconds: .min),
              updatedAt: #require(Timestamp("0001-01-01T00:00:00.000000Z")), expiresAt: Timestamp(microseconds: .max))))
      guard case .failure(let unreadable) = outcomes[3], case .failure(let reused) = outcomes[4] else {
        throw DatabaseError.content("expected two refusals")
      }
      #expect(unreadable.code == .internal && unreadable.message.contains("version is 0") && reused.code == .keyReused)
      guard case .existing = try outcomes[5].get() else { throw DatabaseError.content("expected the payment of 6") }
    }
  }

  @Test(arguments: [4, 5]) func theWayBackLosesNothing(version: Int) async throws {
    try await with(version: version) { _, migrator, connection in
      let before = try connection.run(Command(Self.rows)).only.text(0)
      try migrator.up()
      try migrator.down(Self.newest - version)
      let after = try Connection.open(database(connection), logger: TestDatabase.quiet)
      #expect(try after.run(Command(Self.rows)).only.text(0) == before)
      // And forth again, also from the steps between.
      try migrator.up()
      try migrator.down(Self.newest - 7)
      try migrator.up()
      try migrator.down(Self.newest - 6)
      try migrator.up()
      try migrator.down(Self.newest - version)
      #expect(try after.run(Command(Self.rows)).only.text(0) == before)
    }
  }

  /// Servers of the version before go on until the last step, and nothing that they write meanwhile is left out.
  @Test func whatIsWrittenDuringTheStepsIsConverted() async throws {
    try await with(version: 5) { database, migrator, connection in
      let all = try MigrationSet(directory: PaymentDatabase.migrations).migrations
      let first = Migrator(
        configuration: database.configuration,
        line: MigrationLine(name: "saga", migrations: try MigrationSet(Array(all.prefix(6)))),
        logger: TestDatabase.quiet)
      #expect(try first.up().map(\.version) == [6])
      let insert = Statement(
        """
        INSERT INTO idempotency_key (method, used_at, key, fingerprint, payment_id, order_id, status, reason, version,
                                     amount_minor, created_at, updated_at)
        VALUES ('CreatePayment', now(), $1, '6/0/', 6, 6, 'CREATED', '', 1, 0, now(), now())
        """)
      let isOpen = Monitor(false)
      // The last step comes to its lock, behind a transaction that is open. It waits for 3 s, so whoever lets it go
      // on has a thread of its own.
      async let writer: Void = blocking {
        let (old, watcher) = (try database.connect(), try database.connect())
        _ = try old.run(Command(insert, [.text("between")]))
        _ = try old.run([.begin, Command(insert, [.text("during")])])
        isOpen.update { $0 = true }
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'idempotency_key'::regclass"
        let deadline = Instant.now() + .seconds(20)
        while try watcher.int(waiting) == 0, Instant.now() < deadline {}
        _ = try old.run(.commit)
      }
      let versions = try await blocking {
        _ = isOpen.wait(until: .now() + .seconds(20)) { $0 ? () : nil }
        return try migrator.up().map(\.version)
      }
      #expect(versions == Array(7...SagaSchema.requiredVersion))
      try await writer
      for text in ["between", "during"] {
        let command = try CreateCommand(orderID: 6, callKey: key(text))
        let again = try database.transactions.create([command], on: connection)
        guard case .replayed(let payment) = try again[0].get() else { throw DatabaseError.content("not replayed") }
        #expect(payment.orderID == 6 && payment.id == 6)
      }
      #expect(try connection.int("SELECT count(*) FROM idempotency_key WHERE answer IS NULL") == 0)
    }
  }

  private func database(_ connection: Connection) throws -> DatabaseConfiguration {
    let schema = try connection.run(Command(Statement("SELECT current_schema()::text"))).only.text(0)
    return try TestDatabase.configuration(schema: schema)
  }
}

/// The table in the hands of another context: a schema, scopes and answers of its own.
@Suite("A table of keys", .needsDatabase)
struct IdempotencyKeyTableTests {
  /// As the comment of `IdempotencyKeyTable` has it.
  private static let table = """
    CREATE TABLE idempotency_key (
      method      text COLLATE "C" NOT NULL,
      key         text COLLATE "C" NOT NULL CHECK (octet_length(key) BETWEEN 1 AND 255),
      fingerprint text NOT NULL,
      used_at     timestamptz NOT NULL,
      answer      jsonb NOT NULL
    ) PARTITION BY RANGE (used_at);
    ALTER TABLE idempotency_key REPLICA IDENTITY FULL
    """

  private func with(_ body: (IdempotencyKeyTable, () throws -> Connection) throws -> Void) throws {
    try TestDatabase.withSchema { schema in
      try TestDatabase.open(schema: schema).script(Self.table)
      let table = IdempotencyKeyTable(name: "\(schema).idempotency_key", retention: .seconds(86_400))
      // Found by its name alone: no search_path of these sessions has the schema.
      try body(table) { try TestDatabase.open() }
    }
  }

  private let pay = ScopedKey(scope: "shop-1 POST /v1/payments", text: "k")
  private let same = ScopedKey(scope: "shop-2 POST /v1/payments", text: "k")
  private let other = ScopedKey(scope: "shop-1 POST /v1/payments", text: "l")

  private func begin(
    _ table: IdempotencyKeyTable, _ keys: [ScopedKey], waits: Bool = false, on connection: Connection
  ) throws -> KeyFindings {
    let results = try connection.run([.begin] + table.lockAndFind(keys, waits: waits))
    return try table.findings(keys, waits: waits, locked: results[1], found: results[2])
  }

  @Test func aBatchOfSeveralScopesKeepsItsAnswers() throws {
    try with { table, connect in
      let connection = try connect()
      try table.makeDays(on: connection)
      #expect(try begin(table, [pay, same, other], on: connection).answers.isEmpty)
      let answers = [
        KeptAnswer(key: pay, fingerprint: "4b2e", answer: Array(#"{"status": 201, "body": "{ \"id\":1}"}"#.utf8)),
        KeptAnswer(key: same, fingerprint: "77aa", answer: Array("[]".utf8)),
      ]
      try connection.run([table.insert(answers), .commit])
      let found = try begin(table, [other, same, pay], on: connection)
      #expect(found.inFlight.isEmpty && found.answers.count == 2)
      #expect(
        found.answers[pay].map { String(decoding: $0.answer, as: UTF8.self) }
          == #"{"body": "{ \"id\":1}", "status": 201}"#)
      #expect(found.answers[pay]?.fingerprint == "4b2e" && found.answers[same]?.answer == Array("[]".utf8))
      try connection.run([.rollback])
      let keys = [pay, other]
      let looked = try table.answers(keys, found: connection.run(table.find(keys)))
      #expect(looked == [pay: try #require(found.answers[pay])])
    }
  }

  @Test func aKeyIsInFlightInItsScopeAlone() throws {
    try with { table, connect in
      let (holder, seeker) = (try connect(), try connect())
      try table.makeDays(on: holder)
      _ = try begin(table, [pay], on: holder)
      #expect(try begin(table, [pay, same, other], on: seeker).inFlight == [pay])
      try seeker.run([.rollback])
      // What another schema's table does with the same key is its own.
      try with { second, _ in
        #expect(try begin(second, [pay], on: seeker).inFlight.isEmpty)
        try seeker.run([.rollback])
      }
      try holder.run([.rollback])
      #expect(try begin(table, [pay], waits: true, on: seeker).inFlight.isEmpty)
    }
  }

  @Test func whatIsNoJSONIsRefused() throws {
    try with { table, connect in
      let connection = try connect()
      try table.makeDays(on: connection)
      let error = #expect(throws: DatabaseError.self) {
        try connection.run(table.insert([KeptAnswer(key: pay, fingerprint: "", answer: Array("{".utf8))]))
      }
      #expect(error?.sqlState == "22P02")
    }
  }

  @Test func aKeyHidesItsText() { #expect("\(pay)" == "a key of 1 bytes of shop-1 POST /v1/payments") }
}
