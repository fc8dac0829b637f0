import GroupCommit
import Outbox
import Postgres
import Randomness
import Runtime
import SagaDomain
import SagaStore
import Synchronization
import Testing
import Values

/// A wall clock that a test sets.
final class TestClock: Sendable {
  private let moment: Mutex<Timestamp>

  /// - Parameter text: as PostgreSQL reads it.
  init(_ text: String) throws {
    moment = Mutex(
      try TestDatabase.open().run(Command(Statement("SELECT $1::text::timestamptz"), [.text(text)])).only.timestamp(0))
  }

  var now: Timestamp { moment.withLock { $0 } }

  func advance(by duration: Duration) { moment.withLock { $0 = $0 + duration } }
}

extension PaymentDatabase {
  /// Transactions whose keys live by another clock than the database's.
  func transactions(_ clock: TestClock, days: Int64 = 1) -> PaymentTransactions {
    PaymentTransactions(
      outbox: outbox, topic: "payment", ttl: nil,
      keys: PaymentKeys(retention: .seconds(days * 86_400)) { clock.now })
  }
}

@Suite("Idempotency keys", .needsDatabase)
struct IdempotencyKeyTests {
  private func command(_ order: Int64, _ key: String?, amount: Int64 = 0) throws -> CreateCommand {
    try CreateCommand(
      orderID: order, amountMinor: amount, currency: amount == 0 ? "" : "EUR",
      callKey: try key.map { try IdempotencyKey(Array($0.utf8)) })
  }

  private func describe(_ outcome: Result<CreateOutcome, PaymentError>) -> String {
    switch outcome {
    case .success(.created(let payment)): "created \(payment.orderID)"
    case .success(.existing(let payment)): "existing \(payment.orderID) \(payment.version)"
    case .success(.replayed(let payment)): "replayed \(payment.orderID) \(payment.version)"
    case .failure(let error): "\(error.code)"
    }
  }

  @Test func aRepeatedCallGetsThePaymentAsItWasAnswered() async throws {
    try await PaymentDatabase.with(ttl: .seconds(60)) { database in
      let connection = try database.connect()
      let create = { (commands: [CreateCommand]) in try database.transactions.create(commands, on: connection) }
      let first = try create([try command(7, "k-1", amount: 250)])[0].get()
      guard case .created(let payment) = first else { throw Unexpected() }
      _ = try database.transactions.settle(
        [try SettleCommand(orderID: 7, to: .completed, reason: "paid")], on: connection)
      // Settled meanwhile, and still the answer is the one that was given.
      #expect(try create([try command(7, "k-1", amount: 250)])[0].get() == .replayed(payment))
      // An existing payment is an answer like any other, and kept as it was then.
      guard case .existing(let settled) = try create([try command(7, "k-2")])[0].get() else { throw Unexpected() }
      #expect(settled.version == 2 && settled.reason == "paid" && settled.currency == "EUR")
      #expect(try create([try command(7, "k-2")])[0].get() == .replayed(settled))
      // Another request under the same key.
      #expect(describe(try create([try command(8, "k-1", amount: 250)])[0]) == "keyReused")
      #expect(describe(try create([try command(7, "k-1", amount: 251)])[0]) == "keyReused")
      #expect(try connection.int("SELECT count(*) FROM payment") == 1)
      #expect(try connection.int("SELECT count(*) FROM event") == 2)
      #expect(try connection.int("SELECT count(*) FROM idempotency_key") == 2)
    }
  }

  private struct Unexpected: Error {}

  /// A call without a key pays nothing for those that have one.
  @Test func withoutAKeyNothingIsLockedOrLookedUp() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      let touching =
        "SELECT count(*) FROM pg_prepared_statements WHERE statement ~ 'idempotency_key' AND statement !~ 'pg_prepared'"
      _ = try database.transactions.create([try command(1, nil), try command(2, nil)], on: connection)
      #expect(try connection.int(touching) == 0)
      _ = try database.transactions.create([try command(3, "k")], on: connection)
      #expect(try connection.int(touching) == 3)
    }
  }

  @Test func aRefusalKeepsNothingAndLeavesTheKeyFree() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      let create = { (command: CreateCommand) in
        describe(try database.transactions.create([command], on: connection)[0])
      }
      #expect(try create(try command(7, nil, amount: 100)) == "created 7")
      for _ in 0..<2 { #expect(try create(try command(7, "k", amount: 200)) == "alreadyExists") }
      #expect(try create(try command(8, "k", amount: 200)) == "created 8")
      #expect(try create(try command(8, "k", amount: 200)) == "replayed 8 1")
    }
  }

  @Test func keyAndPaymentCommitTogether() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      try connection.script("ALTER TABLE idempotency_key ADD CONSTRAINT none CHECK (key <> 'never')")
      #expect(throws: DatabaseError.self) {
        try database.transactions.create([try command(1, "fine"), try command(2, "never")], on: connection)
      }
      #expect(!connection.isInTransaction)
      for table in ["payment", "event", "idempotency_key"] {
        #expect(try connection.int("SELECT count(*) FROM \(table)") == 0, "\(table)")
      }
      #expect(describe(try database.transactions.create([try command(1, "fine")], on: connection)[0]) == "created 1")
    }
  }

  /// A transaction on a thread and a connection of its own, which has come to a lock that somebody else holds.
  private struct Stuck: Sendable {
    let outcome = Monitor<Result<CreateOutcome, PaymentError>?>(nil)

    /// Returns when it waits.
    init(_ command: CreateCommand, mode: TransactionMode = TransactionMode(), in database: PaymentDatabase) async throws
    {
      let backend = Monitor<Int?>(nil)
      let outcome = self.outcome
      _ = WorkerThread(name: "stuck") {
        guard let connection = try? database.connect() else { return }
        backend.update { $0 = connection.backendID }
        let made = try? database.transactions.create([command], mode: mode, on: connection)
        outcome.update { $0 = made?[0] }
      }
      let id = try #require(backend.wait(until: .now() + .seconds(10)) { $0 })
      let watcher = try database.connect()
      try await eventually {
        try watcher.int("SELECT count(*) FROM pg_locks WHERE pid = \(id) AND NOT granted") == 1
      }
    }

    func wait() throws -> Result<CreateOutcome, PaymentError> {
      try #require(outcome.wait(until: .now() + .seconds(10)) { $0 })
    }
  }

  @Test func aKeyInAnotherTransactionIsInFlightAndNobodyWaits() async throws {
    try await PaymentDatabase.with { database in
      let (right, holder) = (try database.connect(), try database.connect())
      // The first server's transaction stands at the payment, with the key already taken.
      _ = try PaymentKeys.days.ensure(daysAhead: 1, on: holder)
      _ = try holder.run([.begin, Command(Statement("INSERT INTO payment (order_id) VALUES (5)"))])
      let (held, other) = (try command(5, "held"), try command(6, "held"))
      let first = try await Stuck(held, in: database)
      let began = Instant.now()
      let outcomes = try database.transactions.create([held, try command(9, "free"), other], on: right)
      #expect(outcomes.map(describe) == ["keyInFlight", "created 9", "keyInFlight"])
      #expect(Instant.now() - began < .seconds(5))
      _ = try holder.run(.rollback)
      #expect(describe(try first.wait()) == "created 5")
      #expect(describe(try database.transactions.create([held], on: right)[0]) == "replayed 5 1")
      #expect(describe(try database.transactions.create([other], on: right)[0]) == "keyReused")
    }
  }

  /// Many writers, few keys, at and around midnight: each key has one effect.
  @Test func writersAtOnceHaveOneEffectAKeyAcrossMidnight() async throws {
    try await PaymentDatabase.with { database in
      let early = try TestClock("2026-03-01T23:59:59.9Z")
      let late = try TestClock("2026-03-02T00:00:00.1Z")
      let replays = Monitor(0)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for writer in 0..<6 {
          group.addTask {
            try await blocking {
              var random = SplitMix64(seed: UInt64(writer))
              let transactions = database.transactions(writer % 2 == 0 ? early : late)
              let connection = try database.connect()
              for _ in 0..<60 {
                // Under one key always the same amount, but each time another order: the first one has it.
                let commands = try (0..<4).map { _ in
                  let key = Int.random(in: 1...40, using: &random)
                  return try command(Int64(1_000 * (writer + 1) + key), "key-\(key)", amount: Int64(key))
                }
                for outcome in try transactions.create(commands, on: connection) {
                  switch outcome {
                  case .success(.replayed): replays.update { $0 += 1 }
                  case .success: break
                  case .failure(let error): #expect(error.code == .keyReused || error.code == .keyInFlight)
                  }
                }
              }
            }
          }
        }
        try await group.waitForAll()
      }
      let connection = try database.connect()
      #expect(try connection.int("SELECT count(*) FROM payment") == 40)
      #expect(try connection.int("SELECT count(DISTINCT amount_minor) FROM payment") == 40)
      #expect(try connection.int("SELECT count(DISTINCT key) FROM idempotency_key") == 40)
      #expect(try connection.int("SELECT count(*) FROM idempotency_key") == 40)
      #expect(replays.withLock { $0 } > 0)
    }
  }

  @Test func aKeyIsKnownForTheWholeRetentionAndNotLonger() async throws {
    try await PaymentDatabase.with { database in
      let clock = try TestClock("2026-03-01T23:59:00Z")
      let transactions = database.transactions(clock)
      let connection = try database.connect()
      let create = { (order: Int64) in
        describe(try transactions.create([try command(order, "k")], on: connection)[0])
      }
      #expect(try create(1) == "created 1")
      clock.advance(by: .seconds(120))  // 00:01 of the next day
      #expect(try create(1) == "replayed 1 1")
      #expect(try create(2) == "keyReused")
      clock.advance(by: .seconds(86_400 - 121))  // 23:58:59, a second before its time is up
      #expect(try create(1) == "replayed 1 1")
      clock.advance(by: .seconds(1))
      #expect(try create(2) == "created 2")
      #expect(try create(2) == "replayed 2 1")
      #expect(try create(1) == "keyReused")
      #expect(try connection.int("SELECT count(*) FROM idempotency_key") == 2)
    }
  }

  @Test func daysAreMadeWhenNeededAndDroppedAfterTheRetention() async throws {
    try await PaymentDatabase.with { database in
      let clock = try TestClock("2026-03-01T12:00:00Z")
      let connection = try database.connect()
      let days = { () throws -> [String] in
        let names = Statement(
          "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'idempotency_key'::regclass ORDER BY 1")
        return try connection.run(Command(names)).map { String(try $0.text(0).suffix(8)) }
      }
      #expect(try days() == [])
      // Several writers find the day missing at once.
      try await withThrowingTaskGroup(of: Void.self) { group in
        for writer in 0..<4 {
          group.addTask {
            try await blocking {
              let made = try database.transactions(clock).create(
                [try command(Int64(writer + 1), "k\(writer)")], on: try database.connect())
              #expect(describe(made[0]) == "created \(writer + 1)")
            }
          }
        }
        try await group.waitForAll()
      }
      #expect(try days() == ["20260301", "20260302", "20260303"])
      let table = PaymentKeys.days
      let retention = Duration.seconds(86_400)
      clock.advance(by: .seconds(43_200 + 86_399))  // a second before the first day is past its retention
      #expect(try table.drop(olderThan: retention, now: clock.now, on: connection).tables.isEmpty)
      #expect(
        try database.transactions(clock, days: 2).create([try command(1, "k0")], on: connection).map(describe)
          == ["replayed 1 1"])
      clock.advance(by: .seconds(1))
      #expect(
        try table.drop(olderThan: retention, now: clock.now, on: connection).tables == ["idempotency_key_20260301"])
      _ = try table.ensure(daysAhead: PaymentKeys.daysAhead, now: clock.now, on: connection)
      #expect(try days() == ["20260302", "20260303", "20260304", "20260305"])
    }
  }

  /// Within a day the table itself refuses a second row of a key.
  @Test func aDayHasAKeyOnce() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      _ = try database.transactions.create([try command(1, "k")], on: connection)
      let again = Command(Statement("INSERT INTO idempotency_key SELECT * FROM idempotency_key"))
      let error = #expect(throws: DatabaseError.self) { try connection.run(again) }
      #expect(error?.sqlState == "23505")
    }
  }

  /// What may be waiting for an earlier attempt of its own waits for the key, and then finds its own answer.
  @Test func aRepetitionWaitsForTheKey() async throws {
    try await PaymentDatabase.with { database in
      let holder = try database.connect()
      _ = try PaymentKeys.days.ensure(daysAhead: 1, on: holder)
      _ = try holder.run([.begin, Command(Statement("INSERT INTO payment (order_id) VALUES (5)"))])
      let held = try command(5, "held")
      let first = try await Stuck(held, in: database)
      let second = try await Stuck(held, mode: TransactionMode(isRepetition: true), in: database)
      _ = try holder.run(.rollback)
      #expect(describe(try first.wait()) == "created 5")
      #expect(describe(try second.wait()) == "replayed 5 1")
    }
  }
}
