import Errors
import Foundation
import Migrator
import Postgres
import Runtime
import Testing
import Values

/// PgBouncer in transaction mode, at `TEST_PGBOUNCER_DSN`, in front of the server of `TEST_DB_DSN`; it must take any
/// database's name.
@Suite(
  "Database through PgBouncer", .needsDatabase,
  .enabled(if: TestDatabase.poolerDSN != nil, "TEST_PGBOUNCER_DSN is not set"))
struct DatabasePoolerTests {
  /// A database of the test's own, because a pooler passes no search path.
  private func withDatabase(_ body: (DatabaseConfiguration) throws -> Void) throws {
    let name = "d_" + UniqueID.random().description.split(separator: "-").joined()
    let direct = try TestDatabase.open()
    try direct.run(Command(Statement("CREATE DATABASE \(name)")))
    let dsn = try #require(TestDatabase.poolerDSN)
    var parts = try #require(URLComponents(string: dsn))
    parts.path = "/" + name
    let configuration = try DatabaseConfiguration(
      dsn: parts.string ?? dsn, prepared: false, applicationName: "paysaga-tests")
    defer { _ = try? direct.run(Command(Statement("DROP DATABASE \(name) WITH (FORCE)"))) }
    try body(configuration)
  }

  @Test func interleavedClientsShareServerConnections() throws {
    try withDatabase { configuration in
      let clients = try (0..<6).map { _ in try Connection.open(configuration, logger: TestDatabase.quiet) }
      try clients[0].script("CREATE TABLE t (id bigint PRIMARY KEY, note text)")
      let insert = Statement("INSERT INTO t VALUES ($1, $2)")
      let count = Statement("SELECT count(*) FROM t WHERE note = $1")
      for round in 0..<20 {
        for (index, client) in clients.enumerated() {
          let write = Command(insert, [.int64(Int64(round * 10 + index)), .text("x")])
          if index.isMultiple(of: 2) { try client.run([.begin, write, .commit]) } else { try client.run(write) }
          #expect(throws: DatabaseError.self) { try client.run([write, write]) }
        }
      }
      #expect(try clients[1].run(Command(count, [.text("x")])).only.int(0) == 120)
      let value = try clients[2].transaction { client throws(DatabaseError) in
        try client.run(Command(count, [.text("x")])).only.int(0)
      }
      #expect(value == 120)
    }
  }

  @Test func migrationsWorkThroughIt() throws {
    try withDatabase { configuration in
      let steps = (1...5).map { number in
        Migration(
          version: Int64(number), name: "s\(number)", up: "CREATE TABLE t\(number) ()", down: "DROP TABLE t\(number)")
      }
      let set = try MigrationSet(steps)
      let made = Monitor<[Int64]>([])
      let threads = (0..<3).map { _ in
        WorkerThread(name: "migrator") {
          let migrator = Migrator(
            configuration: configuration, line: MigrationLine(name: "test", migrations: set), logger: TestDatabase.quiet
          )
          let versions = (try? migrator.up().map(\.version)) ?? [-1]
          made.update { $0 += versions }
        }
      }
      for thread in threads { thread.join() }
      #expect(made.withLock { $0 }.sorted() == [1, 2, 3, 4, 5])
      let migrator = Migrator(
        configuration: configuration, line: MigrationLine(name: "test", migrations: set), logger: TestDatabase.quiet)
      #expect(try migrator.down(9).count == 5)
    }
  }
}
