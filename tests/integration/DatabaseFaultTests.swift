import Errors
import Foundation
import Logger
import Postgres
import Runtime
import Testing
import Values

@Suite("Database faults", .needsDatabase)
struct DatabaseFaultTests {
  static let insert = Statement("INSERT INTO t VALUES ($1)")

  static func forwarder() throws -> TCPForwarder {
    let port = try #require(URLComponents(string: try #require(TestDatabase.dsn))?.port ?? 5_432)
    return TCPForwarder(to: UInt16(port))
  }

  /// Runs the commands over a connection through `forwarder` on a thread of its own, and gives what comes of it.
  private func start(
    through forwarder: TCPForwarder? = nil, schema: String, timeout: Duration = .seconds(30),
    openTransaction: Bool = false,
    _ commands: [Command]
  ) throws -> (outcome: Monitor<Result<Int, DatabaseError>?>, backend: Int) {
    let configuration = try TestDatabase.configuration(schema: schema, statementTimeout: timeout, port: forwarder?.port)
    let outcome = Monitor<Result<Int, DatabaseError>?>(nil)
    let backend = Monitor<Int?>(nil)
    _ = WorkerThread(name: "runner") {
      let result = Result { () throws(DatabaseError) in
        let connection = try Connection.open(configuration, logger: TestDatabase.quiet)
        if openTransaction { try connection.run(.begin) }
        try connection.run(Command(Statement("SELECT 1", isReadOnly: true)))
        backend.update { $0 = connection.backendID }
        defer { #expect(!connection.isUsable) }
        return try connection.run(commands).count
      }
      outcome.update { $0 = result }
    }
    let deadline = Instant.now() + .seconds(10)
    return (outcome, try #require(backend.wait(until: deadline) { $0 }))
  }

  private func error(of outcome: Monitor<Result<Int, DatabaseError>?>) throws -> DatabaseError {
    let result = try #require(outcome.wait(until: Instant.now() + .seconds(10)) { $0 })
    return try #require(throws: DatabaseError.self) { try result.get() }
  }

  /// Somebody cancels again and again, and so meets the DISCARD PLANS before a run now and then.
  @Test func `a run that committed does not fail because the plans before it stayed`() throws {
    try TestDatabase.withSchema { schema in
      var configuration = try TestDatabase.configuration(schema: schema, parameters: ["synchronous_commit": "off"])
      configuration.planLifetime = .nanoseconds(1)
      var connection = try Connection.open(configuration, logger: TestDatabase.quiet)
      try connection.script("CREATE TABLE t (id bigint PRIMARY KEY)")
      let backend = Monitor(connection.backendID)
      let isOver = StopFlag()
      let canceller = WorkerThread(name: "canceller") {
        guard let other = try? TestDatabase.open() else { return }
        let cancel = Statement("SELECT pg_cancel_backend($1)")
        while !isOver.isStopped { _ = try? other.run(Command(cancel, [.int32(Int32(backend.withLock { $0 }))])) }
      }
      var failed: [Int64] = []
      for id in Int64(1)...100_000 {
        if id > 3_000, failed.count > 20 { break }
        do throws(DatabaseError) {
          try connection.run([.begin, Command(Self.insert, [.int64(id)]), .commit])
        } catch {
          #expect(error.sqlState == "57014" || error.sqlState == "25P02", "\(error)")
          failed.append(id)
        }
        // Left when it was the rollback that was cancelled.
        if !connection.isUsable {
          connection = try Connection.open(configuration, logger: TestDatabase.quiet)
          backend.update { $0 = connection.backendID }
        }
      }
      isOver.stop()
      canceller.join()
      let committed = Command(Statement("SELECT count(*) FROM t WHERE id = ANY ($1)"), [.int64Array(failed)])
      #expect(try TestDatabase.open(schema: schema).run(committed).only.int(0) == 0)
      #expect(!failed.isEmpty)
    }
  }

  @Test(arguments: [true, false])
  func anAnswerLostAfterCommitIsUnknown(explicit: Bool) async throws {
    try await TestDatabase.withSchemaAsync { schema in
      let watcher = try TestDatabase.open(schema: schema)
      try watcher.script("CREATE TABLE t (id bigint)")
      let forwarder = try Self.forwarder()
      let write = Command(Self.insert, [.int64(1)])
      // The first run is answered; what follows is not.
      let hold = Command(Statement("SELECT 1", isReadOnly: true))
      let configuration = try TestDatabase.configuration(schema: schema, port: forwarder.port)
      let outcome = Monitor<DatabaseError?>(nil)
      let isReady = WakeSignal()
      let go = WakeSignal()
      let thread = WorkerThread(name: "runner") {
        do {
          let connection = try Connection.open(configuration, logger: TestDatabase.quiet)
          try connection.run(hold)
          isReady.notify()
          go.wait(until: Instant.now() + .seconds(10))
          try connection.run(explicit ? [.begin, write, .commit] : [write])
        } catch {
          outcome.update { $0 = error as? DatabaseError }
        }
      }
      #expect(isReady.wait(until: Instant.now() + .seconds(10)))
      forwarder.setHoldingAnswers(true)
      go.notify()
      try await eventually { try watcher.int("SELECT count(*) FROM t") == 1 }
      forwarder.cut()
      let error = try #require(outcome.wait(until: Instant.now() + .seconds(10)) { $0 })
      #expect(error.code == .outcomeUnknown && !error.isRetryable && error.isConnectionGone)
      thread.join()
    }
  }

  @Test func aCutWithinAnOpenTransactionIsALoss() async throws {
    try await TestDatabase.withSchemaAsync { schema in
      let watcher = try TestDatabase.open(schema: schema)
      let forwarder = try Self.forwarder()
      let sleep = Command(Statement("SELECT pg_sleep(30)"))
      let (outcome, backend) = try start(through: forwarder, schema: schema, openTransaction: true, [sleep])
      try await eventually { try watcher.isSleeping(backend) }
      forwarder.cut()
      let error = try error(of: outcome)
      #expect(error.code == .connectionLost && error.isRetryable)
      try watcher.terminate(backend)
    }
  }

  @Test func aCutWhileReadingIsALossAndWhileWritingUnknown() async throws {
    try await TestDatabase.withSchemaAsync { schema in
      let watcher = try TestDatabase.open(schema: schema)
      for isReadOnly in [true, false] {
        let forwarder = try Self.forwarder()
        let sleep = Command(Statement("SELECT pg_sleep(30)", isReadOnly: isReadOnly))
        let (outcome, backend) = try start(through: forwarder, schema: schema, [sleep])
        try await eventually { try watcher.isSleeping(backend) }
        forwarder.cut()
        #expect(try error(of: outcome).code == (isReadOnly ? .connectionLost : .outcomeUnknown))
        try watcher.terminate(backend)
      }
    }
  }

  @Test func whatTakesTooLongIsCancelled() async throws {
    try await TestDatabase.withSchemaAsync { schema in
      let watcher = try TestDatabase.open(schema: schema)
      try watcher.script("CREATE TABLE t (id bigint)")
      let sleep = Command(Statement("SELECT pg_sleep(30)"))
      let write = Command(Self.insert, [.int64(1)])
      for commands in [[sleep], [.begin, write, sleep, .commit]] {
        let begun = Instant.now()
        let (outcome, backend) = try start(schema: schema, timeout: .milliseconds(300), commands)
        // The server says that the COMMIT was not reached: the outcome is known.
        let error = try error(of: outcome)
        #expect(error.code == .connectionLost && error.isCancelled && error.isRetryable)
        #expect(Instant.now() - begun < .seconds(10))
        try await eventually { try !watcher.isAlive(backend) }
      }
      #expect(try watcher.int("SELECT count(*) FROM t") == 0)
    }
  }

  @Test func whatWasCommittedBeforeTheCancelledPartIsUnknown() throws {
    try TestDatabase.withSchema { schema in
      let watcher = try TestDatabase.open(schema: schema)
      try watcher.script("CREATE TABLE t (id bigint)")
      let sleep = Command(Statement("SELECT pg_sleep(30)"))
      let (outcome, _) = try start(
        schema: schema, timeout: .milliseconds(300), [.begin, Command(Self.insert, [.int64(1)]), .commit, sleep])
      #expect(try error(of: outcome).code == .outcomeUnknown)
      #expect(try watcher.int("SELECT count(*) FROM t") == 1)
    }
  }

  @Test func aScriptThatTakesTooLongIsCancelled() async throws {
    try await TestDatabase.withSchemaAsync { schema in
      let watcher = try TestDatabase.open(schema: schema)
      let connection = try TestDatabase.open(schema: schema)
      let backend = connection.backendID
      let error = try #require(throws: DatabaseError.self) {
        try connection.script("CREATE TABLE u (); SELECT pg_sleep(30)", timeout: .milliseconds(300))
      }
      #expect(error.code == .outcomeUnknown && !connection.isUsable)
      try await eventually { try !watcher.isAlive(backend) }
      #expect(try watcher.int("SELECT count(*) FROM pg_tables WHERE schemaname = '\(schema)'") == 0)
    }
  }

  @Test func aCommitThatNoStandbyConfirmedIsUnknown() async throws {
    let server = try #require(try PrivatePostgres.start(), "PostgreSQL's server programs are not installed")
    defer { server.stop() }
    func configuration(_ name: String, _ timeout: Duration) throws -> DatabaseConfiguration {
      try DatabaseConfiguration(dsn: server.dsn, applicationName: name, statementTimeout: timeout)
    }
    let watcher = try Connection.open(try configuration("watcher", .seconds(30)), logger: TestDatabase.quiet)
    try watcher.script("CREATE TABLE t (id bigint)")
    try watcher.run(Command(Statement("ALTER SYSTEM SET synchronous_standby_names = 'ghost'")))
    try watcher.run(Command(Statement("SELECT pg_reload_conf()", isReadOnly: true)))
    try await eventually {
      try watcher.int("SELECT count(*) FROM t WHERE current_setting('synchronous_standby_names') = ''") == 0
    }
    let write = Command(Self.insert, [.int64(1)])
    // Cancelled by us: the sessions do not stay behind.
    for round in 1...4 {
      let connection = try Connection.open(
        try configuration("given up", .milliseconds(300)), logger: TestDatabase.quiet)
      let error = try #require(throws: DatabaseError.self) {
        try connection.run(round.isMultiple(of: 2) ? [write] : [.begin, write, .commit])
      }
      #expect(error.code == .outcomeUnknown && !error.isRetryable && !connection.isUsable)
      #expect(try watcher.int("SELECT count(*) FROM t") == round)
    }
    let left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'given up'"
    try await eventually { try watcher.int(left) == 0 }
    // Cancelled by somebody else: PostgreSQL answers the COMMIT with success and a warning.
    let connection = try Connection.open(try configuration("patient", .seconds(20)), logger: TestDatabase.quiet)
    let outcome = Monitor<DatabaseError?>(nil)
    let backend = Int32(connection.backendID)
    let runner = WorkerThread(name: "runner") { [connection = Handover(connection)] in
      do throws(DatabaseError) {
        _ = try connection.value.run([.begin, write, .commit])
      } catch {
        outcome.update { $0 = error }
      }
    }
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE pid = \(backend) AND wait_event = 'SyncRep'"
    try await eventually { try watcher.int(waiting) == 1 }
    try watcher.run(Command(Statement("SELECT pg_cancel_backend($1)", isReadOnly: true), [.int32(backend)]))
    runner.join()
    #expect(outcome.withLock { $0?.code } == .outcomeUnknown)
    #expect(try watcher.int("SELECT count(*) FROM t") == 5)
  }

  @Test func aServerThatTakesNoRequestToCancelIsLeftInTime() throws {
    let server = try #require(try PrivatePostgres.start(), "PostgreSQL's server programs are not installed")
    defer { server.stop() }
    let connection = try Connection.open(
      try DatabaseConfiguration(dsn: server.dsn, applicationName: "test", statementTimeout: .milliseconds(300)),
      logger: TestDatabase.quiet)
    server.pause()
    defer { server.resume() }
    let begun = Instant.now()
    let error = try #require(throws: DatabaseError.self) {
      try connection.run(Command(Statement("SELECT pg_sleep(30)", isReadOnly: true)))
    }
    #expect(error.code == .connectionLost && Instant.now() - begun < .seconds(4))
  }

  @Test func aBackendEndedDuringCommitIsUnknown() async throws {
    try await TestDatabase.withSchemaAsync { schema in
      let watcher = try TestDatabase.open(schema: schema)
      try watcher.script(
        """
        CREATE TABLE t (id bigint);
        CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(30); RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()
        """)
      let (outcome, backend) = try start(schema: schema, [.begin, Command(Self.insert, [.int64(1)]), .commit])
      try await eventually { try watcher.isSleeping(backend) }
      try watcher.terminate(backend)
      let error = try error(of: outcome)
      #expect(error.code == .outcomeUnknown && error.sqlState == "57P01")
      #expect(try watcher.int("SELECT count(*) FROM t") == 0)
    }
  }

  @Test func aBackendEndedBeforeCommitIsALoss() async throws {
    try await TestDatabase.withSchemaAsync { schema in
      let watcher = try TestDatabase.open(schema: schema)
      let sleep = Command(Statement("SELECT pg_sleep(30)"))
      let (outcome, backend) = try start(schema: schema, [.begin, sleep, .commit])
      try await eventually { try watcher.isSleeping(backend) }
      try watcher.terminate(backend)
      let error = try error(of: outcome)
      #expect(error.code == .connectionLost && error.isRetryable && error.sqlState == "57P01")
    }
  }

  @Test func aCutInALargePipelineEndsTheRun() throws {
    try TestDatabase.withSchema { schema in
      let watcher = try TestDatabase.open(schema: schema)
      try watcher.script("CREATE TABLE t (id bigint)")
      let forwarder = try Self.forwarder()
      let big = Statement("SELECT repeat('x', 1000000), pg_sleep(0.01)")
      let (outcome, _) = try start(through: forwarder, schema: schema, Array(repeating: Command(big), count: 10_000))
      forwarder.cut()
      #expect(try error(of: outcome).isConnectionGone)
    }
  }

  @Test func aClosedConnectionSaysSo() throws {
    let connection = try TestDatabase.open()
    connection.close()
    connection.close()
    #expect(!connection.isUsable && !connection.isInTransaction && !connection.checkLiveness())
    let error = try #require(throws: DatabaseError.self) { try connection.run(.begin) }
    #expect(error.code == .closed)
    #expect(throws: DatabaseError.self) { try connection.script("SELECT 1") }
  }

  @Test func refusalsToConnectNameThePlaceButNotThePassword() throws {
    let forwarder = try Self.forwarder()
    forwarder.close()
    let configuration = try TestDatabase.configuration(port: forwarder.port)
    let error = try #require(throws: DatabaseError.self) {
      try Connection.open(configuration, logger: TestDatabase.quiet)
    }
    #expect(error.code == .connectionFailed && error.isRetryable)
    let password = try #require(URLComponents(string: try #require(TestDatabase.dsn))?.password ?? "none given")
    #expect(!error.debugDescription.contains(password))
  }

  @Test func aSilentServerDoesNotHoldTheConnectForEver() throws {
    let forwarder = try Self.forwarder()
    forwarder.setHoldingAnswers(true)
    let configuration = try TestDatabase.configuration(connectTimeout: .milliseconds(200), port: forwarder.port)
    let begun = Instant.now()
    #expect(throws: DatabaseError.self) { try Connection.open(configuration, logger: TestDatabase.quiet) }
    #expect(Instant.now() - begun < .seconds(4))
  }

  @Test func aLostConnectionIsOpenedAgain() throws {
    let watcher = try TestDatabase.open()
    let reconnecting = ReconnectingConnection(
      configuration: try TestDatabase.configuration(), logger: TestDatabase.quiet)
    let first = try reconnecting.connected(until: .now() + .seconds(10)).backendID
    #expect(try reconnecting.connected(until: .now()).backendID == first)
    try watcher.terminate(first)
    let second = try reconnecting.connected(until: .now() + .seconds(10))
    #expect(second.backendID != first)
    #expect(try second.int("SELECT 1") == 1)
    #expect(reconnecting.reconnects == 1 && reconnecting.isConnected)
  }

  @Test func reconnectingEndsAtItsDeadlineAndWhenStopped() throws {
    let forwarder = try Self.forwarder()
    forwarder.setAccepting(false)
    let stop = StopFlag()
    let reconnecting = ReconnectingConnection(
      configuration: try TestDatabase.configuration(port: forwarder.port), logger: TestDatabase.quiet.labelled("x"),
      stop: stop)
    let late = try #require(throws: DatabaseError.self) {
      try reconnecting.connected(until: .now() + .milliseconds(150))
    }
    #expect(late.code == .unavailable && (late.cause as? DatabaseError)?.code == .connectionFailed)
    let stopper = WorkerThread(name: "stopper") {
      stop.wait(until: Instant.now() + .milliseconds(100))
      stop.stop()
    }
    let stopped = try #require(throws: DatabaseError.self) { try reconnecting.connected(until: .distantFuture) }
    #expect(stopped.code == .closed)
    stopper.join()
  }

  @Test func listenersComeBack() async throws {
    let watcher = try TestDatabase.open()
    let channel = "c_\(UniqueID.random())\"x"
    let heard = Monitor<[String]>([])
    let connects = Monitor(0)
    var configuration = try TestDatabase.configuration()
    configuration.applicationName = "listener of \(channel.dropLast(2))"
    let listener = Listener(
      configuration: configuration, channels: [channel], logger: TestDatabase.quiet,
      onConnect: { connects.update { $0 += 1 } },
      onNotification: { channel, payload in heard.update { $0.append("\(channel) \(payload)") } })
    try await eventually { connects.withLock { $0 } == 1 }
    let notify = Statement("SELECT pg_notify($1, $2)")
    try watcher.run(Command(notify, [.text(channel), .text("one")]))
    try await eventually { heard.withLock { $0 } == ["\(channel) one"] }
    let find = Statement("SELECT pid FROM pg_stat_activity WHERE application_name = $1")
    let pid = try watcher.run(Command(find, [.text(configuration.applicationName)])).only.int(0)
    try watcher.terminate(pid)
    try await eventually { connects.withLock { $0 } == 2 && listener.isConnected }
    try watcher.run(Command(notify, [.text(channel), .text("two")]))
    try await eventually { heard.withLock { $0 } == ["\(channel) one", "\(channel) two"] }
    listener.stop()
    listener.stop()
    #expect(!listener.isConnected)
  }
}

extension Connection {
  func isSleeping(_ backend: Int) throws -> Bool {
    let wait = Statement("SELECT coalesce((SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = $1), false)")
    return try run(Command(wait, [.int32(Int32(backend))])).only.bool(0)
  }

  func isAlive(_ backend: Int) throws -> Bool {
    try int("SELECT count(*) FROM pg_stat_activity WHERE pid = \(backend)") > 0
  }

  func terminate(_ backend: Int) throws {
    try run(Command(Statement("SELECT pg_terminate_backend($1, 5000)"), [.int32(Int32(backend))]))
  }
}

/// Carries a connection to the one thread that uses it from then on.
private struct Handover: @unchecked Sendable {
  // @unchecked: the maker does not touch it any more.
  let value: Connection
  init(_ value: Connection) { self.value = value }
}
