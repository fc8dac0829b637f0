import Metrics
import Postgres
import Runtime
import SagaDomain
import SagaStore
import Testing
import Values

/// What the group commit owes its callers when the database, the network or a neighbour misbehaves.
@Suite("Group commit", .needsDatabase)
struct GroupCommitTests {
  /// A repository as the server has it, reached through `forwarder` when there is one.
  private func withRepository(
    _ database: PaymentDatabase, through forwarder: TCPForwarder? = nil, prepared: Bool = true,
    lockTimeout: Duration = .seconds(1),
    _ body: (PaymentRepository) async throws -> Void
  ) async throws {
    let schema = try database.connect().run(Command(Statement("SELECT current_schema()::text"))).only.text(0)
    let configuration = try TestDatabase.configuration(
      prepared: prepared, schema: schema, port: forwarder?.port,
      parameters: ["enable_seqscan": "off", "lock_timeout": "\(lockTimeout.inMilliseconds)ms"])
    let pools = ["write", "read"].map { name in
      ConnectionPool(
        configuration: configuration, size: 2, queueLimit: 1_024, name: name, logger: TestDatabase.quiet,
        metrics: MetricsRegistry())
    }
    let repository = PaymentRepository(
      transactions: database.transactions, writers: pools[0], readers: pools[1], scanners: pools[1],
      logger: TestDatabase.quiet,
      metrics: MetricsRegistry(), onCommit: {})
    repository.start()
    let result: Result<Void, any Error>
    do { result = .success(try await body(repository)) } catch { result = .failure(error) }
    try await blocking {
      repository.stop()
      for pool in pools { pool.stop() }
    }
    try result.get()
  }

  private func code(_ body: () async throws -> Void) async -> PaymentError.Code? {
    do {
      try await body()
      return nil
    } catch {
      return (error as? PaymentError)?.code
    }
  }

  private func settle(
    _ repository: PaymentRepository, _ order: Int64, within patience: Duration = .seconds(20)
  ) async -> PaymentError.Code? {
    await code {
      let command = try SettleCommand(orderID: order, to: .completed, reason: "")
      _ = try await repository.settle(command, deadline: .now() + patience)
    }
  }

  /// Has a call's COMMIT carried out and its answer lost: its last statements wait for a table until answers are held.
  private func losingTheAnswer<Value: Sendable>(
    _ database: PaymentDatabase, _ forwarder: TCPForwarder, committed: String,
    _ call: @escaping @Sendable () async throws -> Value
  ) async throws -> Task<Value, any Error> {
    let blocker = try database.connect()
    _ = try blocker.run([.begin, Command(Statement("LOCK TABLE event_wait IN ACCESS EXCLUSIVE MODE"))])
    let task = Task { try await call() }
    let watcher = try TestDatabase.open()
    try await eventually {
      try watcher.int(
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = (SELECT relation FROM pg_locks WHERE granted"
          + " AND pid = \(blocker.backendID) AND mode = 'AccessExclusiveLock' AND locktype = 'relation' LIMIT 1)") == 1
    }
    forwarder.setHoldingAnswers(true)
    _ = try blocker.run(.rollback)
    try await eventually { try blocker.int(committed) == 1 }
    return task
  }

  @Test(arguments: ["settle", "create", "create with a key"])
  func anAnswerLostAfterCommitIsFoundOut(kind: String) async throws {
    try await PaymentDatabase.with { database in
      if kind == "settle" { try database.create(orders: [1]) }
      _ = try PaymentKeys.days.ensure(daysAhead: 1, on: try database.connect())
      let forwarder = try DatabaseFaultTests.forwarder()
      try await withRepository(database, through: forwarder, lockTimeout: .seconds(20)) { repository in
        let status = kind == "settle" ? "COMPLETED" : "CREATED"
        let key = kind == "create with a key" ? try IdempotencyKey(Array("k".utf8)) : nil
        let task = try await losingTheAnswer(
          database, forwarder, committed: "SELECT count(*) FROM payment WHERE status = '\(status)'"
        ) {
          if kind == "settle" {
            let command = try SettleCommand(orderID: 1, to: .completed, reason: "once")
            return try await repository.settle(command, deadline: .now() + .seconds(30))
          }
          let command = try CreateCommand(orderID: 1, callKey: key)
          return try await repository.create(command, deadline: .now() + .seconds(30)).payment
        }
        forwarder.setHoldingAnswers(false)
        forwarder.cut()
        let payment = try await task.value
        #expect(payment.orderID == 1 && payment.status.rawValue == status)
        let connection = try database.connect()
        #expect(try connection.int("SELECT count(*) FROM payment") == 1)
        #expect(try connection.int("SELECT count(*) FROM event WHERE seq = \(payment.version)") == 1)
        #expect(try connection.int("SELECT count(*) FROM idempotency_key") == (key == nil ? 0 : 1))
      }
    }
  }

  @Test func whatCannotBeFoundOutInTimeIsSaidToBeUnknown() async throws {
    try await PaymentDatabase.with { database in
      try database.create(orders: [1])
      let forwarder = try DatabaseFaultTests.forwarder()
      try await withRepository(database, through: forwarder, lockTimeout: .seconds(20)) { repository in
        let task = try await losingTheAnswer(
          database, forwarder, committed: "SELECT count(*) FROM payment WHERE status = 'COMPLETED'"
        ) { await settle(repository, 1, within: .seconds(4)) }
        forwarder.setAccepting(false)
        forwarder.cut()
        #expect(try await task.value == .outcomeUnknown)
        // One that comes while the database is away did nothing for certain, and says so.
        #expect(await settle(repository, 1, within: .milliseconds(300)) == .unavailable)
        forwarder.setAccepting(true)
        forwarder.setHoldingAnswers(false)
        // Asking again is safe and tells what came of it.
        #expect(await settle(repository, 1) == nil)
        #expect(try database.connect().int("SELECT count(*) FROM event WHERE seq = 2") == 1)
      }
    }
  }

  @Test func aCallWhoseTimeIsUpIsNeverExecuted() async throws {
    try await PaymentDatabase.with { database in
      try database.create(orders: 1...40)
      let blocker = try database.connect()
      try await withRepository(database, lockTimeout: .seconds(20)) { repository in
        _ = try blocker.run([.begin, Command(Statement("LOCK TABLE payment IN SHARE MODE"))])
        // Two batches are stuck, the rest waits behind them until its time is up.
        let codes = await withTaskGroup(of: PaymentError.Code?.self) { group in
          for order in Int64(3)...40 {
            group.addTask { await settle(repository, order, within: .milliseconds(order < 5 ? 20_000 : 500)) }
          }
          for _ in 5...40 {
            let code = await group.next() ?? nil
            #expect(code == .unavailable || code == .outcomeUnknown)
          }
          _ = try? blocker.run(.rollback)
          return await group.reduce(into: [PaymentError.Code?]()) { $0.append($1) }
        }
        #expect(codes == [nil, nil])
        // A call that is past its deadline when it comes.
        #expect(await settle(repository, 1, within: .milliseconds(-5)) == .unavailable)
        #expect(await settle(repository, 2) == nil)
        #expect(try blocker.int("SELECT count(*) FROM payment WHERE order_id = 1 AND status = 'COMPLETED'") == 0)
      }
    }
  }

  @Test func aFullQueueRefusesAtOnce() async throws {
    try await PaymentDatabase.with { database in
      let blocker = try database.connect()
      try await withRepository(database, lockTimeout: .seconds(20)) { repository in
        _ = try blocker.run([.begin, Command(Statement("LOCK TABLE payment IN ACCESS EXCLUSIVE MODE"))])
        let refused = Monitor(0)
        await withTaskGroup(of: Void.self) { group in
          // Two batches in the database, a full queue, and a hundred more.
          for order in 1...(16_384 + 512 + 100) {
            group.addTask {
              let began = Instant.now()
              let code = await settle(repository, Int64(order), within: .seconds(30))
              if code == .overloaded {
                refused.update { $0 += 1 }
                #expect(Instant.now() - began < .seconds(2))
                return
              }
              #expect(code == .notFound)
            }
          }
          try? await eventually { refused.withLock { $0 } >= 100 }
          _ = try? blocker.run(.rollback)
        }
        #expect(refused.withLock { $0 } >= 100)
        #expect(await settle(repository, 1) == .notFound)
      }
    }
  }

  /// Not prepared is how connections are behind a pooler that knows no session settings.
  @Test(arguments: [true, false])
  func aRowThatSomebodyHoldsFailsTheCallsOnItAndNoOthers(prepared: Bool) async throws {
    try await PaymentDatabase.with { database in
      try database.create(orders: 1...200)
      let blocker = try database.connect()
      try await withRepository(database, prepared: prepared) { repository in
        _ = try blocker.run([
          .begin, Command(Statement("SELECT FROM payment WHERE order_id IN (1, 2, 3) FOR UPDATE")),
        ])
        let began = Instant.now()
        await withTaskGroup(of: Void.self) { group in
          for index in 0..<400 {
            let order = index % 4 == 0 ? Int64(index / 4 % 3 + 1) : Int64(4 + index / 2)
            group.addTask {
              let code = await settle(repository, min(order, 200), within: .seconds(8))
              #expect(code == (order <= 3 ? .unavailable : nil), "order \(order)")
            }
          }
        }
        #expect(Instant.now() - began < .seconds(6))
        _ = try blocker.run(.rollback)
        #expect(await settle(repository, 1) == nil)
      }
    }
  }

  @Test func aStuckBatchDoesNotHoldUpTheOthers() async throws {
    try await PaymentDatabase.with { database in
      try database.create(orders: 1...20)
      let blocker = try database.connect()
      try await withRepository(database, lockTimeout: .seconds(20)) { repository in
        _ = try blocker.run([.begin, Command(Statement("SELECT FROM payment WHERE order_id = 1 FOR UPDATE"))])
        let stuck = Task { await settle(repository, 1, within: .seconds(30)) }
        let watcher = try TestDatabase.open()
        try await eventually {
          try watcher.int(
            "SELECT count(*) FROM pg_locks l WHERE NOT l.granted AND \(blocker.backendID) = ANY (pg_blocking_pids(l.pid))"
          ) > 0
        }
        for order in Int64(2)...20 { #expect(await settle(repository, order, within: .seconds(5)) == nil) }
        _ = try blocker.run(.rollback)
        #expect(await stuck.value == nil)
      }
    }
  }

  /// However many calls of one kind keep the connections busy, the other kind gets its turn.
  @Test func oneKindOfWriteDoesNotStarveTheOther() async throws {
    try await PaymentDatabase.with { database in
      try database.create(orders: 1...1_000)
      try await withRepository(database) { repository in
        let isOver = Monitor(false)
        try await withThrowingTaskGroup(of: Void.self) { group in
          for caller in 0..<1_000 {
            group.addTask {
              while !isOver.withLock({ $0 }) { _ = await settle(repository, Int64(caller + 1)) }
            }
          }
          for order in Int64(2_001)...2_010 {
            let code = await code {
              _ = try await repository.create(try CreateCommand(orderID: order), deadline: .now() + .seconds(3))
            }
            #expect(code == nil)
          }
          isOver.update { $0 = true }
          try await group.waitForAll()
        }
      }
    }
  }

  /// Plans that were cached while the table was empty and analysed must not scan it once it is loaded.
  @Test func plansMadeForAnEmptyTableUseItsIndexes() async throws {
    try await PaymentDatabase.with { database in
      let schema = try database.connect().run(Command(Statement("SELECT current_schema()::text"))).only.text(0)
      let connection = try Connection.open(
        try TestDatabase.configuration(schema: schema, parameters: ["enable_seqscan": "off"]),
        logger: TestDatabase.quiet)
      try connection.script("ANALYZE payment; ANALYZE event_wait")
      let key = try IdempotencyKey(Array("k".utf8))
      _ = try database.transactions.create(
        [try CreateCommand(orderID: 1, callKey: key), try CreateCommand(orderID: 2)], on: connection)
      _ = try database.transactions.create([try CreateCommand(orderID: 1)], on: connection)
      _ = try database.transactions.settle([try SettleCommand(orderID: 1, to: .failed, reason: "")], on: connection)
      _ = try database.transactions.expire(limit: 10, from: nil, on: connection)
      let prepared = try connection.run(
        Command(
          Statement(
            """
            SELECT name, cardinality(parameter_types), statement FROM pg_prepared_statements
            WHERE statement ~ '(payment|idempotency_key) p' AND statement !~ 'pg_prepared'
            """)))
      #expect(prepared.count >= 5)
      for row in prepared {
        let values = Array(repeating: "NULL", count: try row.int(1)).joined(separator: ", ")
        let plan = try connection.run(Command(Statement("EXPLAIN EXECUTE \(try row.text(0)) (\(values))")))
        let text = try "\(row.text(2))\n\(plan.map { (line) throws(DatabaseError) in try line.text(0) })"
        for table in ["payment", "idempotency_key"] { #expect(!text.contains("Seq Scan on \(table)"), "\(text)") }
      }
    }
  }
}
