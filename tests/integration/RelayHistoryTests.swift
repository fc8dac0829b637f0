import Foundation
import Migrator
import Postgres
import Testing
import Values

@testable import Outbox

/// What a relay remembers and what a crash of PostgreSQL makes of it, on a server of the tests' own.
@Suite("Relay and a crashing PostgreSQL") struct RelayHistoryTests {
  private static let store = RelayStore(tables: TestDatabase.outbox, owner: "one", reserve: .seconds(30))

  private func connect(_ server: PrivatePostgres) throws -> Connection {
    let configuration = try DatabaseConfiguration(dsn: server.dsn, applicationName: "paysaga-tests")
    return try Connection.open(configuration, logger: TestDatabase.quiet)
  }

  private func read(_ connection: Connection) throws -> ReadReport {
    try Self.store.read(ReadRequest(shards: [], history: ServerHistory(name: "")), on: connection)
  }

  /// Starts a server with our tables, whose log is written by commits alone.
  private func start() throws -> PrivatePostgres? {
    guard let server = try PrivatePostgres.start() else { return nil }
    let configuration = try DatabaseConfiguration(dsn: server.dsn, applicationName: "paysaga-tests")
    let migrations = try MigrationSet(directory: PaymentDatabase.migrations)
    _ = try Migrator(
      configuration: configuration, line: MigrationLine(name: "saga", migrations: migrations),
      logger: TestDatabase.quiet
    ).up()
    let connection = try connect(server)
    try connection.script("ALTER SYSTEM SET wal_writer_delay = '10s'")
    try connection.script("SELECT pg_reload_conf()")
    return server
  }

  private let draws = """
    INSERT INTO payment (order_id) VALUES (1); INSERT INTO event (event_id, shard, key, seq, topic, payload)
    SELECT gen_random_uuid(), 1, '1', n, 'payment', '' FROM generate_series(1, 40) n
    """

  /// One machine, commits that wait for the disk: ids and transaction ids that were drawn and not committed are drawn
  /// once more after a crash, so that a note of them would let the floor pass events.
  @Test func aCrashTakesBackDrawsAndShowsInTheHistory() async throws {
    try await blocking {
      guard let server = try start() else { return }
      defer { server.stop() }
      let (reader, drawer) = (try connect(server), try connect(server))
      // Catalogs are read, and cleaned, now and not between the draws and the crash.
      _ = try read(reader)
      try drawer.script("BEGIN; \(draws); ROLLBACK; ALTER SEQUENCE event_id_seq RESTART; CHECKPOINT")
      try drawer.script("BEGIN; \(draws)")
      let before = try read(reader)
      #expect(before.lastID == 40)
      try server.restartImmediately()
      let after = try read(try connect(server))
      #expect(after.history != before.history)
      #expect(after.lastID < before.lastID)
      #expect(after.snapshot.xmax <= before.snapshot.xmax)
    }
  }

  /// All sessions end, and the server goes on as the same process.
  @Test func theCrashOfOneBackendShowsInTheHistory() async throws {
    try await blocking {
      guard let server = try start() else { return }
      defer { server.stop() }
      let before = try read(try connect(server))
      #expect(try read(try connect(server)).history == before.history)
      let victim = try connect(server)
      kill(pid_t(try victim.int("SELECT pg_backend_pid()")), SIGKILL)
      let reconnecting = ReconnectingConnection(
        configuration: try DatabaseConfiguration(dsn: server.dsn, applicationName: "paysaga-tests"),
        logger: TestDatabase.quiet)
      defer { reconnecting.disconnect() }
      let deadline = Instant.now() + .seconds(20)
      var history = before.history
      while history == before.history, Instant.now() < deadline {
        let connection = try reconnecting.connected(until: deadline)
        history = (try? read(connection).history) ?? history
      }
      #expect(history != before.history)
    }
  }
}
