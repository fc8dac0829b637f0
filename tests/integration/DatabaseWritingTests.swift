import Errors
import Foundation
import Logger
import Metrics
import Postgres
import Runtime
import Testing
import Values

/// Servers that take no writes, or answer nothing, and DSNs with several of them.
@Suite("Database that takes no writes", .needsDatabase)
struct DatabaseWritingTests {
  private func withServer(_ body: (PrivatePostgres, Connection) async throws -> Void) async throws {
    let server = try #require(try PrivatePostgres.start(), "PostgreSQL's server programs are not installed")
    defer { server.stop() }
    var configuration = try DatabaseConfiguration(dsn: server.dsn, applicationName: "watcher")
    configuration.requiresWriting = false
    let watcher = try Connection.open(configuration, logger: TestDatabase.quiet)
    try watcher.script("BEGIN READ WRITE; CREATE TABLE t (id bigint); COMMIT")
    try await body(server, watcher)
  }

  private func configure(_ setting: String, _ value: String, _ watcher: Connection) async throws {
    try watcher.run(Command(Statement("ALTER SYSTEM SET \(setting) = '\(value)'")))
    try watcher.run(Command(Statement("SELECT pg_reload_conf()", isReadOnly: true)))
    try await eventually {
      try watcher.run(Command(Statement("SHOW \(setting)", isReadOnly: true))).only.text(0) == value
    }
  }

  @Test func aServerThatTurnsReadOnlyIsLeftAndNotMetAgain() async throws {
    try await withServer { server, watcher in
      for prepared in [true, false] {
        let before = try watcher.int("SELECT count(*) FROM t")
        let configuration = try DatabaseConfiguration(dsn: server.dsn, prepared: prepared, applicationName: "writer")
        let pool = ConnectionPool(
          configuration: configuration, size: 2, queueLimit: 16, name: "test", logger: TestDatabase.quiet,
          metrics: MetricsRegistry())
        let write = Command(DatabaseFaultTests.insert, [.int64(1)])
        try await pool.withConnection(deadline: .now() + .seconds(10)) { (connection) throws(DatabaseError) in
          _ = try connection.run([.begin, write, .commit])
        }
        try await configure("default_transaction_read_only", "on", watcher)
        let refusal = await #expect(throws: DatabaseError.self) {
          try await pool.withConnection(deadline: .now() + .seconds(10)) { (connection) throws(DatabaseError) in
            _ = try connection.run([.begin, write, .commit])
          }
        }
        #expect(refusal?.isReadOnly == true && refusal?.isConnectionGone == true && refusal?.isRetryable == true)
        // The other session learns it at its next use, and there is none left.
        _ = try? await pool.withConnection(deadline: .now() + .seconds(1)) { (connection) throws(DatabaseError) in
          _ = try connection.run([.begin, write, .commit])
        }
        try await eventually { !pool.isHealthy }
        #expect(pool.stateDescription.contains("takes no writes"))
        let sessions = "SELECT sum(sessions)::bigint FROM pg_stat_database"
        let opened = try watcher.int(sessions)
        try await Task.sleep(for: .seconds(2))
        #expect(try watcher.int(sessions) - opened < 60)
        try await configure("default_transaction_read_only", "off", watcher)
        try await pool.withConnection(deadline: .now() + .seconds(10)) { (connection) throws(DatabaseError) in
          _ = try connection.run([.begin, write, .commit])
        }
        #expect(try watcher.int("SELECT count(*) FROM t") == before + 2)
        await withCheckedContinuation { done in
          _ = WorkerThread(name: "shutdown") {
            pool.stop()
            done.resume()
          }
        }
      }
    }
  }

  @Test func whoOnlyReadsMayStay() async throws {
    try await withServer { server, watcher in
      try await configure("default_transaction_read_only", "on", watcher)
      var configuration = try DatabaseConfiguration(dsn: server.dsn, applicationName: "reader")
      let error = try #require(throws: DatabaseError.self) {
        try Connection.open(configuration, logger: TestDatabase.quiet)
      }
      #expect(error.code == .connectionFailed && error.isReadOnly && error.message.contains("takes no writes"))
      configuration.requiresWriting = false
      let reader = try Connection.open(configuration, logger: TestDatabase.quiet)
      #expect(try reader.int("SELECT count(*) FROM t") == 0)
      let refusal = try #require(throws: DatabaseError.self) {
        try reader.run(Command(DatabaseFaultTests.insert, [.int64(1)]))
      }
      #expect(refusal.code == .server && refusal.isReadOnly && reader.isUsable)
    }
  }

  @Test func aProbeFindsWhatKeepsWritersFromCommitting() async throws {
    try await withServer { server, watcher in
      let monitor = WriteMonitor()
      #expect(monitor.problem != nil)
      var configuration = try DatabaseConfiguration(dsn: server.dsn, applicationName: "probe")
      configuration.statementTimeout = .milliseconds(500)
      configuration.monitor = monitor
      let probe = WriteProbe(
        configuration: configuration, tables: ["t"], monitor: monitor, logger: TestDatabase.quiet)
      try await eventually { monitor.problem == nil }

      try watcher.script("BEGIN; LOCK TABLE t IN SHARE MODE")
      try await eventually { monitor.problem?.contains("55P03") == true || monitor.problem?.contains("57014") == true }
      try watcher.script("ROLLBACK")
      try await eventually { monitor.problem == nil }

      try await configure("synchronous_standby_names", "ghost", watcher)
      try await eventually { monitor.problem?.contains("standby") == true }
      try await configure("synchronous_standby_names", "", watcher)
      try await eventually { monitor.problem == nil }

      try watcher.script("ALTER TABLE t RENAME TO gone")
      try await eventually { monitor.problem?.contains("42P01") == true }
      try watcher.script("ALTER TABLE gone RENAME TO t")
      try await eventually { monitor.problem == nil }

      let writer = try Connection.open(configuration, logger: TestDatabase.quiet)
      try watcher.script(
        """
        CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql
          AS $$ BEGIN RAISE 'no space left on device' USING ERRCODE = '53100'; END $$;
        CREATE TRIGGER disk_full BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION disk_full()
        """)
      for _ in 0..<2 {
        #expect(throws: DatabaseError.self) { try writer.run(Command(DatabaseFaultTests.insert, [.int64(1)])) }
      }
      #expect(monitor.problem?.contains("53100") == true)
      probe.stop()
    }
  }

  /// A commit whose wait was cancelled is visible; who passes on what it says must wait for the standby as it should
  /// have.
  @Test func whatNoStandbyHasConfirmedIsNotPassedOn() async throws {
    try await withServer { server, watcher in
      let read = Command(Statement("SELECT count(*) FROM t", isReadOnly: true))
      func connect() throws -> Connection {
        try Connection.open(
          try DatabaseConfiguration(dsn: server.dsn, applicationName: "t", statementTimeout: .milliseconds(300)),
          logger: TestDatabase.quiet)
      }
      let alone = try connect()
      let position = Command(Statement("SELECT pg_current_wal_lsn()::text", isReadOnly: true))
      let before = try watcher.run(position).only.text(0)
      try alone.run([.begin, read, ReplicationBarrier.command, .commit])
      #expect(try watcher.run(position).only.text(0) == before, "without standbys nothing is written")

      try await configure("synchronous_standby_names", "ghost", watcher)
      let write = Command(DatabaseFaultTests.insert, [.int64(1)])
      #expect(throws: DatabaseError.self) { try connect().run([.begin, write, .commit]) }
      #expect(try connect().run(read).only.int(0) == 1)
      for commands in [[.begin, read, ReplicationBarrier.command, .commit], [read, ReplicationBarrier.command]] {
        let error = try #require(throws: DatabaseError.self) { try connect().run(commands) }
        #expect(error.code == .outcomeUnknown || error.code == .connectionLost)
      }
    }
  }

  // MARK: - Several servers

  private func dsn(_ ports: [UInt16], _ more: String = "") -> String {
    let hosts = ports.map { _ in "127.0.0.1" }.joined(separator: ",")
    let list = ports.map { "\($0)" }.joined(separator: ",")
    return "host=\(hosts) port=\(list) user=payments password=payments dbname=postgres sslmode=disable \(more)"
  }

  @Test func aSilentServerLeavesTimeForTheNext() async throws {
    try await withServer { server, _ in
      let silent = TCPForwarder(to: server.port)
      silent.setHoldingAnswers(true)
      for option in ["", "connect_timeout=1", "target_session_attrs=read-write", "target_session_attrs=prefer-standby"]
      {
        let configuration = try DatabaseConfiguration(
          dsn: dsn([silent.port, server.port], option), applicationName: "t", connectTimeout: .seconds(2))
        let begun = Instant.now()
        #expect(try Connection.open(configuration, logger: TestDatabase.quiet).int("SELECT 1") == 1)
        #expect(Instant.now() - begun < .seconds(4))
        // The one that worked comes first from then on.
        let again = Instant.now()
        #expect(try Connection.open(configuration, logger: TestDatabase.quiet).int("SELECT 1") == 1)
        if !option.contains("standby") { #expect(Instant.now() - again < .milliseconds(900)) }
        let late = try #require(throws: DatabaseError.self) {
          try Connection.open(
            try DatabaseConfiguration(
              dsn: dsn([silent.port, silent.port], option), applicationName: "t", connectTimeout: .seconds(1)),
            logger: TestDatabase.quiet)
        }
        #expect(late.code == .connectionFailed && late.message.contains("no answer within the time allowed"))
      }
    }
  }

  @Test func aServerThatTakesNoWritesIsPassedOver() async throws {
    try await withServer { closed, watcher in
      try await withServer { open, _ in
        try await configure("default_transaction_read_only", "on", watcher)
        for option in ["", "target_session_attrs=read-write"] {
          let configuration = try DatabaseConfiguration(
            dsn: dsn([closed.port, open.port], option), applicationName: "t")
          let connection = try Connection.open(configuration, logger: TestDatabase.quiet)
          #expect(try connection.int("SELECT inet_server_port()") == Int(open.port))
        }
      }
    }
  }
}
