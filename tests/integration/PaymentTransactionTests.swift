import Metrics
import Outbox
import Postgres
import Randomness
import SagaDomain
import SagaStore
import Testing
import Values

@Suite("Payment transactions", .needsDatabase)
struct PaymentTransactionTests {
  @Test func aPaymentAndItsEventsCommitTogether() async throws {
    try await PaymentDatabase.with(ttl: .seconds(3_600)) { database in
      let connection = try database.connect()
      let key = UniqueID.random()
      let created = try database.transactions.create(
        [try CreateCommand(orderID: 7, amountMinor: 250, currency: "EUR", idempotentKey: key)], on: connection)
      let payment = try created[0].get().payment
      #expect(payment.idempotentKey == key && payment.currency == "EUR" && payment.amountMinor == 250)
      let expires = try #require(payment.expiresAt)
      #expect(expires.microseconds - payment.createdAt.microseconds == 3_600_000_000)
      let settled = try database.transactions.settle(
        [try SettleCommand(orderID: 7, to: .completed, reason: "paid")], on: connection)
      #expect(try settled[0].get().version == 2)
      #expect(try database.transactions.find(orderIDs: [7, 8], on: connection).payments == [try settled[0].get()])
      let events = try connection.run(
        Command(Statement("SELECT key, seq, topic, convert_from(payload, 'UTF8') FROM event_wait ORDER BY id")))
      #expect(try events.map { try $0.int64(1) } == [1, 2])
      #expect(try events[1].text(3).contains("\"status\":\"COMPLETED\""))
    }
  }

  @Test func aBatchThatFailsLeavesNothing() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      try connection.script("ALTER TABLE event_wait ADD CONSTRAINT none CHECK (key <> '13')")
      let commands = try [11, 12, 13].map { (order: Int64) in try CreateCommand(orderID: order) }
      #expect(throws: DatabaseError.self) { try database.transactions.create(commands, on: connection) }
      #expect(!connection.isInTransaction)
      #expect(try connection.int("SELECT count(*) FROM payment") == 0)
      #expect(try connection.int("SELECT count(*) FROM event") == 0)
    }
  }

  /// Random batches on the database end as the same commands do one by one.
  @Test(arguments: [UInt64(1), 2, 3]) func batchesEqualOneByOne(seed: UInt64) async throws {
    try await PaymentDatabase.with { batched in
      try await PaymentDatabase.with { single in
        var random = SplitMix64(seed: seed)
        let (left, right) = (try batched.connect(), try single.connect())
        for _ in 0..<20 {
          let creates = try (0..<Int.random(in: 1...20, using: &random)).map { _ in
            let key = Int.random(in: 1...24, using: &random)
            return try CreateCommand(
              orderID: Int64.random(in: 1...40, using: &random), amountMinor: Int64.random(in: 1...2, using: &random),
              currency: "EUR", callKey: key > 12 ? nil : try IdempotencyKey(Array("key-\(key)".utf8)))
          }
          let made = try batched.transactions.create(creates, on: left)
          for (command, outcome) in zip(creates, made) {
            // Of two requests under one key at once the second is not executed when the first is refused.
            if case .failure(let error) = outcome, error.code == .keyInFlight { continue }
            #expect(Self.describe(try single.transactions.create([command], on: right)[0]) == Self.describe(outcome))
          }
          let settles = try (0..<Int.random(in: 1...20, using: &random)).map { index in
            try SettleCommand(
              orderID: Int64.random(in: 1...45, using: &random), to: Bool.random(using: &random) ? .completed : .failed,
              reason: "r\(index)")
          }
          let settled = try batched.transactions.settle(settles, on: left)
          for (command, outcome) in zip(settles, settled) {
            #expect(Self.describe(try single.transactions.settle([command], on: right)[0]) == Self.describe(outcome))
          }
        }
        let state = Statement(
          """
          SELECT string_agg(p.order_id || ' ' || p.status || ' ' || p.reason || ' ' || p.version || ' ' ||
            (SELECT string_agg(e.seq::text, ',' ORDER BY e.id) FROM event e WHERE e.key = p.order_id::text), ';'
            ORDER BY p.order_id) FROM payment p
          """)
        let keys = Statement(
          """
          SELECT string_agg(key || ' ' || fingerprint || ' ' || (answer->>'status') || (answer->>'version'), ';'
                            ORDER BY key) FROM idempotency_key
          """
        )
        #expect(try left.run(Command(keys)).only.text(0) == right.run(Command(keys)).only.text(0))
        #expect(try left.run(Command(state)).only.text(0) == right.run(Command(state)).only.text(0))
      }
    }
  }

  private static func describe(_ outcome: Result<CreateOutcome, PaymentError>) -> String {
    switch outcome {
    case .success(.created(let payment)): "created \(payment.orderID) \(payment.amountMinor)"
    case .success(.existing(let payment)): "existing \(payment.orderID) \(payment.amountMinor) \(payment.status)"
    case .success(.replayed(let payment)): "replayed \(payment.orderID) \(payment.amountMinor) \(payment.status)"
    case .failure(let error): "\(error.code) \(error.message)"
    }
  }

  private static func describe(_ outcome: Result<Payment, PaymentError>) -> String {
    switch outcome {
    case .success(let payment): "\(payment.orderID) \(payment.status) \(payment.reason) \(payment.version)"
    case .failure(let error): "\(error.code) \(error.message)"
    }
  }

  @Test func creatorsSettlersAndExpiryNeverDeadlock() async throws {
    try await PaymentDatabase.with(ttl: .milliseconds(1)) { database in
      let writers = 6
      try await withThrowingTaskGroup(of: Void.self) { group in
        for writer in 0..<writers {
          group.addTask {
            try await blocking {
              var random = SplitMix64(seed: UInt64(writer))
              let connection = try database.connect()
              for _ in 0..<40 {
                let orders = (0..<30).map { _ in Int64.random(in: 1...60, using: &random) }
                switch writer % 3 {
                case 0:
                  let key = try IdempotencyKey(Array("key-\(orders[0])".utf8))
                  _ = try database.transactions.create(
                    orders.enumerated().map { try CreateCommand(orderID: $1, callKey: $0 == 7 ? key : nil) },
                    on: connection)
                case 1:
                  _ = try database.transactions.settle(
                    orders.map { try SettleCommand(orderID: $0, to: .completed, reason: "") }, on: connection)
                default: _ = try database.transactions.expire(limit: 20, from: nil, on: connection)
                }
              }
            }
          }
        }
        try await group.waitForAll()
      }
      let connection = try database.connect()
      #expect(try connection.int("SELECT count(*) FROM payment") == 60)
      #expect(
        try connection.int(
          "SELECT count(*) FROM payment p WHERE (SELECT count(*) FROM event e WHERE e.key = p.order_id::text) <> p.version"
        ) == 0)
    }
  }

  @Test func expiryFailsWhatNobodySettled() async throws {
    try await PaymentDatabase.with(ttl: .milliseconds(1)) { database in
      try database.create(orders: 1...5)
      let connection = try database.connect()
      _ = try database.transactions.settle([try SettleCommand(orderID: 3, to: .completed, reason: "")], on: connection)
      try await eventually { try connection.int("SELECT count(*) FROM payment WHERE expires_at > now()") == 0 }
      let first = try database.transactions.expire(limit: 3, from: nil, on: connection)
      #expect(first.expired == 3 && !first.isComplete)
      let second = try database.transactions.expire(limit: 3, from: nil, on: connection)
      #expect(second.expired == 1 && second.isComplete)
      #expect(try connection.int("SELECT count(*) FROM payment WHERE status = 'FAILED' AND reason = 'EXPIRED'") == 4)
      #expect(try connection.int("SELECT count(*) FROM event WHERE seq = 2") == 5)
      // Beyond the mark that the sweep has come to, nothing is looked at again.
      #expect(try database.transactions.expire(limit: 3, from: second.now, on: connection).expired == 0)
    }
  }

  @Test func listsComeInPagesAndLookAtABoundedNumberOfRows() async throws {
    try await PaymentDatabase.with { database in
      try database.create(orders: 1...25)
      let connection = try database.connect()
      _ = try database.transactions.settle([try SettleCommand(orderID: 25, to: .failed, reason: "x")], on: connection)
      var seen: [Int64] = []
      var after: Int64? = 0
      while let position = after {
        let page = try database.transactions.list(
          try PaymentQuery(status: nil, pageSize: 10, after: position), on: connection)
        seen += page.payments.map(\.orderID)
        after = page.next
      }
      #expect(seen == Array(1...25))
      let failed = try database.transactions.list(
        try PaymentQuery(status: .failed, pageSize: 10, after: 0), on: connection)
      #expect(failed.payments.map(\.orderID) == [25] && failed.next == nil)
      let none = try database.transactions.list(
        try PaymentQuery(status: .completed, pageSize: 10, after: 0), on: connection)
      #expect(none.payments.isEmpty && none.next == nil)
    }
  }
}

@Suite("Payment repository", .needsDatabase)
struct PaymentRepositoryTests {
  private func withRepository(
    _ database: PaymentDatabase, _ body: (PaymentRepository, MetricsRegistry) async throws -> Void
  ) async throws {
    let metrics = MetricsRegistry()
    let (writers, readers) = (database.pool(2), database.pool(2))
    let repository = PaymentRepository(
      transactions: database.transactions, writers: writers, readers: readers, scanners: readers,
      logger: TestDatabase.quiet,
      metrics: metrics, onCommit: {})
    repository.start()
    try await body(repository, metrics)
    try await blocking {
      repository.stop()
      writers.stop()
      readers.stop()
    }
  }

  @Test func manyCallersShareTransactionsAndEachGetsItsOwnAnswer() async throws {
    try await PaymentDatabase.with { database in
      try database.create(orders: 1...400)
      try await withRepository(database) { repository, metrics in
        let counts = try await withThrowingTaskGroup(of: PaymentError.Code?.self) { group in
          for order in Int64(1)...500 {
            group.addTask {
              let command = try SettleCommand(orderID: order, to: .completed, reason: "")
              do throws(PaymentError) {
                let payment = try await repository.settle(command, deadline: .distantFuture)
                #expect(payment.orderID == order && payment.status == .completed)
                return nil
              } catch {
                return error.code
              }
            }
          }
          return try await group.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        }
        #expect(counts == [nil: 400, .notFound: 100])
        let text = metrics.exposition()
        let line = try #require(
          text.split(separator: "\n").first { $0.hasPrefix("payments_batch_size_count{kind=\"settle\"}") })
        let transactions = try #require(Int(line.split(separator: " ")[1]))
        #expect(transactions < 250, "\(transactions) transactions for 500 calls")
      }
    }
  }

  @Test func aCallWhoseTimeIsUpIsAnsweredWhileTheDatabaseIsStuck() async throws {
    try await PaymentDatabase.with { database in
      try database.create(orders: [1])
      let blocker = try database.connect()
      _ = try blocker.run([.begin, Command(Statement("SELECT FROM payment FOR UPDATE"))])
      try await withRepository(database) { repository, _ in
        // Two calls hold the two connections; the third waits in the queue.
        let stuck = (0..<2).map { _ in
          Task {
            try await repository.settle(
              try SettleCommand(orderID: 1, to: .failed, reason: ""), deadline: .distantFuture)
          }
        }
        try await eventually {
          try TestDatabase.open().int(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FOR NO KEY UPDATE%'")
            > 0
        }
        let began = Instant.now()
        await #expect(throws: PaymentError.self) {
          try await repository.settle(
            try SettleCommand(orderID: 1, to: .failed, reason: ""), deadline: began + .milliseconds(400))
        }
        #expect(Instant.now() - began < .milliseconds(1_500))
        _ = try blocker.run(.rollback)
        for task in stuck { #expect(try await task.value.status == .failed) }
      }
    }
  }
}
