import Errors
import Foundation
import Migrator
import Postgres
import Runtime
import Testing
import Values

@Suite("Migrator", .needsDatabase)
struct MigratorIntegrationTests {
  private static func migrations(_ count: Int = 3) -> [Migration] {
    (1...count).map { number in
      Migration(
        version: Int64(number), name: "step_\(number)",
        up: "CREATE TABLE t\(number) (id bigint); INSERT INTO t\(number) VALUES (\(number));",
        down: "DROP TABLE t\(number);")
    }
  }

  private func migrator(
    _ schema: String, _ migrations: [Migration] = migrations(), prepared: Bool = true
  ) throws -> Migrator {
    Migrator(
      configuration: try TestDatabase.configuration(prepared: prepared, schema: schema),
      line: MigrationLine(name: "test", migrations: try MigrationSet(migrations)), logger: TestDatabase.quiet)
  }

  @Test(arguments: [true, false])
  func upDownStatus(prepared: Bool) throws {
    try TestDatabase.withSchema { schema in
      let connection = try TestDatabase.open(schema: schema)
      let migrator = try migrator(schema, prepared: prepared)
      let before = try migrator.status()
      #expect(before.version == nil && !before.isDirty && before.latest == 3 && before.pending.count == 3)
      #expect(try migrator.up().map(\.version) == [1, 2, 3])
      #expect(try migrator.up().isEmpty)
      let after = try migrator.status()
      #expect(after.version == 3 && after.pending.isEmpty)
      #expect(try connection.int("SELECT count(*) FROM schema_migrations WHERE version = 3 AND NOT dirty") == 1)
      #expect(try migrator.down().map(\.version) == [3])
      #expect(try connection.int("SELECT version FROM schema_migrations") == 2)
      #expect(try migrator.down(5).map(\.version) == [2, 1])
      #expect(try connection.int("SELECT count(*) FROM schema_migrations") == 0)
      #expect(try migrator.status().version == nil)
      #expect(try migrator.down().isEmpty)
    }
  }

  @Test func aFailingStepLeavesNothing() throws {
    try TestDatabase.withSchema { schema in
      let broken = Migration(version: 2, name: "broken", up: "CREATE TABLE t2 (); SELECT 1/0;", down: "")
      let migrator = try migrator(schema, [Self.migrations()[0], broken])
      let error = try #require(throws: MigratorError.self) { try migrator.up() }
      #expect(error.code == .migrationFailed)
      #expect(error.description.contains("migration 2 (broken)") && error.description.contains("division by zero"))
      let connection = try TestDatabase.open(schema: schema)
      #expect(try connection.int("SELECT version FROM schema_migrations") == 1)
      #expect(
        try connection.int("SELECT count(*) FROM pg_tables WHERE tablename = 't2' AND schemaname = '\(schema)'") == 0)
    }
  }

  @Test func aStepMustNotEndItsTransaction() throws {
    try TestDatabase.withSchema { schema in
      let step = Migration(version: 1, name: "ends", up: "CREATE TABLE t1 (); COMMIT;", down: "")
      let error = try #require(throws: MigratorError.self) { try migrator(schema, [step]).up() }
      #expect(error.message.contains("ended the transaction"))
    }
  }

  @Test func dirtyAndUnknownVersionsAreRefused() throws {
    try TestDatabase.withSchema { schema in
      let migrator = try migrator(schema)
      try migrator.up()
      let connection = try TestDatabase.open(schema: schema)
      try connection.script("UPDATE schema_migrations SET dirty = true")
      let dirty = try #require(throws: MigratorError.self) { try migrator.up() }
      #expect(dirty.code == .dirty && dirty.message.contains("version 3"))
      #expect(throws: MigratorError.self) { try migrator.down() }
      #expect(try migrator.status().isDirty)
      try connection.script("UPDATE schema_migrations SET dirty = false, version = 9")
      let unknown = try #require(throws: MigratorError.self) { try migrator.up() }
      #expect(unknown.code == .unknownVersion && unknown.message.contains("version 9"))
    }
  }

  @Test func severalAtOnceMakeEachStepOnce() throws {
    try TestDatabase.withSchema { schema in
      let all = Self.migrations(12)
      let monitor = Monitor<[Result<[Int64], MigratorError>]>([])
      let threads = try (0..<4).map { _ in
        let migrator = try migrator(schema, all)
        return WorkerThread(name: "migrator") {
          let result = Result { () throws(MigratorError) in try migrator.up().map(\.version) }
          monitor.update { $0.append(result) }
        }
      }
      for thread in threads { thread.join() }
      let versions = try monitor.withLock { $0 }.flatMap { try $0.get() }
      #expect(versions.sorted() == all.map(\.version))
    }
  }

  @Test func aHeldLockIsWaitedForUntilTheDeadline() throws {
    try TestDatabase.withSchema { schema in
      let migrator = try migrator(schema)
      try migrator.up()
      // Whoever holds the lock, golang-migrate among them: here it is learned from pg_locks during a step.
      let holder = try TestDatabase.open(schema: schema)
      let probe = Migration(
        version: 4, name: "probe",
        up: """
          CREATE TABLE held AS SELECT (classid::bigint << 32 | objid::bigint) AS key FROM pg_locks
          WHERE locktype = 'advisory' AND pid = pg_backend_pid()
          """, down: "DROP TABLE held")
      let longer = try self.migrator(schema, Self.migrations() + [probe])
      try longer.up()
      try holder.script("SELECT pg_advisory_lock(key) FROM held")
      let error = try #require(throws: MigratorError.self) { try longer.down(until: .now() + .milliseconds(200)) }
      #expect(error.code == .locked && error.isRetryable)
      holder.close()
      #expect(try longer.down().map(\.name) == ["probe"])
    }
  }
}
