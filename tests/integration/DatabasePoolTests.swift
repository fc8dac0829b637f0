import Errors
import Foundation
import Metrics
import Postgres
import Runtime
import Testing
import Values

@Suite("Database pool", .needsDatabase)
struct DatabasePoolTests {
  private static let one = Statement("SELECT 1", isReadOnly: true)

  private func pool(
    _ configuration: DatabaseConfiguration, size: Int = 2, queueLimit: Int = 100,
    metrics: MetricsRegistry = MetricsRegistry()
  ) -> ConnectionPool {
    ConnectionPool(
      configuration: configuration, size: size, queueLimit: queueLimit, name: "test",
      logger: TestDatabase.quiet, metrics: metrics)
  }

  private func soon(_ duration: Duration = .seconds(20)) -> Instant { .now() + duration }

  /// Shuts the pool down on a thread of its own, because that blocks.
  private func shutDown(_ pool: ConnectionPool) async {
    await withCheckedContinuation { continuation in
      _ = WorkerThread(name: "shutdown") {
        pool.stop()
        continuation.resume()
      }
    }
  }

  @Test func manyCallersShareFewConnections() async throws {
    let metrics = MetricsRegistry()
    let pool = pool(try TestDatabase.configuration(), queueLimit: 2_000, metrics: metrics)
    let sum = try await withThrowingTaskGroup(of: Int.self) { group in
      for value in 0..<1_000 {
        group.addTask {
          try await pool.withConnection(deadline: .now() + .seconds(30)) { connection throws(DatabaseError) in
            try connection.run(Command(Statement("SELECT $1"), [.int64(Int64(value))])).only.int(0)
          }
        }
      }
      return try await group.reduce(0, +)
    }
    #expect(sum == 499_500)
    #expect(pool.isHealthy)
    #expect(metrics.exposition().contains("db_pool_size{pool=\"test\"} 2"))
    #expect(metrics.exposition().contains("db_pool_reconnects_total{pool=\"test\"} 0"))
    await shutDown(pool)
    #expect(!pool.isHealthy)
    await #expect(throws: DatabaseError.self) {
      try await pool.withConnection(deadline: soon()) { _ throws(DatabaseError) in }
    }
  }

  @Test func aFullQueueRefusesAtOnce() async throws {
    let pool = pool(try TestDatabase.configuration(), size: 1, queueLimit: 2)
    let isRunning = WakeSignal()
    let release = WakeSignal()
    let outcomes = Monitor<[String]>([])
    pool.submit { _ in
      isRunning.notify()
      release.wait(until: .now() + .seconds(10))
    }
    await withCheckedContinuation { continuation in
      _ = WorkerThread(name: "waits") {
        isRunning.wait(until: .now() + .seconds(10))
        continuation.resume()
      }
    }
    for _ in 0..<2 { pool.submit { result in outcomes.update { $0.append(Self.name(result)) } } }
    pool.submit { result in outcomes.update { $0.append(Self.name(result)) } }
    #expect(outcomes.withLock { $0 } == ["overloaded"])
    release.notify()
    try await eventually { outcomes.withLock { $0 } == ["overloaded", "connection", "connection"] }
    await shutDown(pool)
  }

  private static func name(_ result: Result<Connection, DatabaseError>) -> String {
    switch result {
    case .success: "connection"
    case .failure(let error): "\(error.code)"
    }
  }

  @Test func jobsWaitThroughAnOutage() async throws {
    let forwarder = try DatabaseFaultTests.forwarder()
    let metrics = MetricsRegistry()
    let pool = pool(try TestDatabase.configuration(port: forwarder.port), metrics: metrics)
    try await eventually { pool.stateDescription == "2 of 2 connections, 0 jobs waiting" }
    forwarder.setAccepting(false)
    forwarder.cut()
    // Idle workers notice by themselves.
    try await eventually { !pool.isHealthy }
    #expect(pool.stateDescription.hasPrefix("0 of 2 connections"))

    let begun = Instant.now()
    let late = try await #require(throws: DatabaseError.self) {
      try await pool.withConnection(deadline: .now() + .milliseconds(100)) { connection throws(DatabaseError) in
        try connection.run(Command(Self.one)).count
      }
    }
    #expect(late.code == .unavailable && late.isRetryable)
    #expect(Instant.now() - begun < .seconds(5))

    async let patient = pool.withConnection(deadline: .now() + .seconds(30)) { connection throws(DatabaseError) in
      try connection.run(Command(Self.one)).count
    }
    try await eventually { metrics.exposition().contains("db_pool_waiting{pool=\"test\"} 1") }
    forwarder.setAccepting(true)
    #expect(try await patient == 1)
    try await eventually { metrics.exposition().contains("db_pool_reconnects_total{pool=\"test\"} 2") }
    await shutDown(pool)
  }

  @Test func jobsExpireInTimeWhileEveryWorkerIsStuckConnecting() async throws {
    let forwarder = try DatabaseFaultTests.forwarder()
    forwarder.setHoldingAnswers(true)
    let pool = pool(try TestDatabase.configuration(connectTimeout: .seconds(30), port: forwarder.port))
    let begun = Instant.now()
    await withTaskGroup { group in
      for milliseconds in [300, 50, 150] {
        group.addTask {
          let error = await #expect(throws: DatabaseError.self) {
            try await pool.withConnection(deadline: begun + .milliseconds(milliseconds)) { _ throws(DatabaseError) in }
          }
          #expect(error?.code == .unavailable)
          #expect(Instant.now() - begun >= .milliseconds(milliseconds))
        }
      }
    }
    #expect(Instant.now() - begun < .seconds(5))
    // Shutdown does not wait for the connects either.
    await shutDown(pool)
    #expect(Instant.now() - begun < .seconds(10))
  }

  @Test func aTransactionLeftOpenIsRolledBack() async throws {
    let pool = pool(try TestDatabase.configuration(), size: 1)
    try await pool.withConnection(deadline: soon()) { connection throws(DatabaseError) in
      try connection.run(.begin)
      _ = try? connection.run(Command(Statement("SELECT 1/0")))
    }
    let isClean = try await pool.withConnection(deadline: soon()) { connection throws(DatabaseError) in
      !connection.isInTransaction && connection.isUsable
    }
    #expect(isClean)
    await shutDown(pool)
  }

  @Test func shutdownLetsWaitingJobsFinish() async throws {
    let pool = pool(try TestDatabase.configuration(), size: 1)
    let outcomes = Monitor<[String]>([])
    for _ in 0..<20 {
      pool.submit { result in
        if case .success(let connection) = result { _ = try? connection.run(Command(Self.one)) }
        outcomes.update { $0.append(Self.name(result)) }
      }
    }
    try await eventually { pool.isHealthy }
    await shutDown(pool)
    #expect(outcomes.withLock { $0 } == Array(repeating: "connection", count: 20))
    pool.submit { result in outcomes.update { $0 = [Self.name(result)] } }
    #expect(outcomes.withLock { $0 } == ["closed"])
  }

  @Test func shutdownWhileTheDatabaseIsAwayFailsWhatWaits() async throws {
    let forwarder = try DatabaseFaultTests.forwarder()
    forwarder.setAccepting(false)
    let pool = pool(try TestDatabase.configuration(port: forwarder.port))
    let outcomes = Monitor<[String]>([])
    pool.submit { result in outcomes.update { $0.append(Self.name(result)) } }
    await shutDown(pool)
    #expect(outcomes.withLock { $0 } == ["unavailable"])
  }

  @Test func aServerRestartedInImmediateModeIsFoundAgain() async throws {
    guard let server = try PrivatePostgres.start() else { return }
    defer { server.stop() }
    let configuration = try DatabaseConfiguration(
      dsn: server.dsn, applicationName: "paysaga-tests", parameters: ["synchronous_commit": "on"])
    let pool = pool(configuration)
    let insert = Statement("INSERT INTO kept VALUES ($1)")
    try await pool.withConnection(deadline: soon()) { connection throws(DatabaseError) in
      try connection.script("CREATE TABLE kept (id bigint)")
    }
    for round in 0..<3 {
      try await pool.withConnection(deadline: soon()) { connection throws(DatabaseError) in
        try connection.run(Command(insert, [.int64(Int64(round))]))
      }
      try server.restartImmediately()
    }
    let count = try await pool.withConnection(deadline: soon()) { connection throws(DatabaseError) in
      try connection.run(Command(Statement("SELECT count(*) FROM kept"))).only.int(0)
    }
    #expect(count == 3)
    await shutDown(pool)
  }
}
