import Errors
import Logger
import Migrator
import Outbox
import OutboxSchema
import Postgres
import Runtime
import SagaSchema
import Testing
import Values

/// The saga's line, the outbox's, and what both make of the same tables.
@Suite("Lines of migrations", .needsDatabase)
struct MigrationLineTests {
  private func migrator(_ schema: String, _ line: MigrationLine, logger: Logger = TestDatabase.quiet) throws -> Migrator
  {
    Migrator(configuration: try TestDatabase.configuration(schema: schema), line: line, logger: logger)
  }

  private func saga(upTo version: Int? = nil) throws -> MigrationLine {
    let line = try #require(try SagaSchema.lines().first)
    guard let version else { return line }
    return line.with(try MigrationSet(Array(line.migrations.migrations.prefix(version))))
  }

  private func inherited() throws -> MigrationLine { try #require(try SagaSchema.lines().last) }

  /// Everything about the outbox's tables that the catalogue knows, a line each, whatever schema they are in.
  private func catalogue(_ schema: String, on connection: Connection) throws -> [String] {
    let statement = Statement(
      """
      WITH t AS (
        SELECT c.* FROM pg_class c WHERE c.relnamespace = $1::text::regnamespace AND c.relname ~ '^event')
      SELECT replace(line, $1 || '.', '') FROM (
        SELECT format('%s %s %s options %s persistence %s identity %s part %s key %s', relname, relkind, relispartition,
                      reloptions, relpersistence, relreplident, pg_get_expr(relpartbound, oid),
                      CASE WHEN relkind = 'p' THEN pg_get_partkeydef(oid) END) FROM t
        UNION ALL
        SELECT format('%s column %s %s %s null %s default %s identity %s collation %s storage %s', t.relname, a.attnum,
                      a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
                      pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attcollation, a.attstorage)
        FROM t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND t.relkind IN ('r', 'p')
        LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
        UNION ALL
        SELECT format('%s constraint %s %s valid %s local %s', t.relname, k.conname, pg_get_constraintdef(k.oid),
                      k.convalidated, k.conislocal)
        FROM t JOIN pg_constraint k ON k.conrelid = t.oid
        UNION ALL
        SELECT format('%s index %s identity %s', t.relname, pg_get_indexdef(i.indexrelid), i.indisreplident)
        FROM t JOIN pg_index i ON i.indrelid = t.oid
        UNION ALL
        SELECT format('%s sequence %s', t.relname, s) FROM t JOIN pg_sequence s ON s.seqrelid = t.oid
          CROSS JOIN LATERAL (SELECT format('%s %s %s %s', s.seqstart, s.seqincrement, s.seqcache, s.seqcycle)) q(s)
        UNION ALL
        SELECT format('%s trigger %s', t.relname, pg_get_triggerdef(g.oid)) FROM t JOIN pg_trigger g ON g.tgrelid = t.oid
        UNION ALL
        SELECT format('type %s %s', y.typname, e.enumlabel) FROM pg_type y JOIN pg_enum e ON e.enumtypid = y.oid
        WHERE y.typnamespace = $1::text::regnamespace AND y.typname ~ '^event') q(line)
      ORDER BY 1
      """)
    return try connection.run(Command(statement, [.text(schema)])).map { try $0.text(0) }
  }

  private static let newestSaga = SagaSchema.requiredVersion
  private static let newest = Int(OutboxSchema.requiredVersion)
  private static let outboxVersions = Array(1...OutboxSchema.requiredVersion)

  /// The step that other lines may have made before.
  private func firstStep(of line: MigrationLine) throws -> MigrationLine {
    line.with(try MigrationSet([line.migrations.migrations[0]]))
  }

  @Test func bothLinesMakeTheSameOutbox() throws {
    try TestDatabase.withSchema { old in
      try TestDatabase.withSchema { new in
        let connection = try TestDatabase.open()
        try migrator(old, try saga()).up()
        let tables = try OutboxTables(schema: new, channel: "c")
        // The steps that the saga's line has made are the first of this one.
        let line = try OutboxSchema.line("test.outbox", of: tables)
        let first = try firstStep(of: line)
        #expect(try migrator(old, first).up().count == 1)
        let (made, wanted) = (try catalogue(new, on: connection), try catalogue(old, on: connection))
        #expect(made == wanted)
        #expect(made.count > 60 && made.contains { $0.contains("autovacuum_analyze_threshold=2000000000") })
        #expect(try connection.int("SELECT count(*) FROM \(tables.shard)") == 64)
        let steps = line.migrations.migrations.count
        #expect(try migrator(new, line).up().count == steps - 1)
        #expect(try migrator(new, line).down(steps).count == steps)
        #expect(try catalogue(new, on: connection).isEmpty)
      }
    }
  }

  /// From each version that has been released, with rows in its tables that somebody locks.
  @Test(arguments: [4, 5, 8])
  func anOutboxThatWasThereIsRecordedAndNotTouched(version: Int) throws {
    try TestDatabase.withSchema { schema in
      let connection = try TestDatabase.open(schema: schema)
      try migrator(schema, try saga(upTo: version)).up()
      try connection.script(
        """
        INSERT INTO event (event_id, shard, key, seq, topic, payload) VALUES (gen_random_uuid(), 1, 'a', 1, 't', '');
        UPDATE event_shard SET epoch = 9 WHERE shard = 1
        """)
      let inherited = try inherited()
      let before = try migrator(schema, inherited).status()
      #expect(before.version == nil && before.pending.map(\.version) == Self.outboxVersions)
      let done = try SagaSchema.lines().map { try migrator(schema, $0).up().map(\.version) }
      #expect(done == [Array(Int64(version + 1)..<(Self.newestSaga + 1)), Self.outboxVersions])
      #expect(try connection.int("SELECT version FROM outbox_schema_migrations WHERE NOT dirty") == Self.newest)
      #expect(try connection.int("SELECT version FROM schema_migrations") == Int(Self.newestSaga))
      #expect(try connection.int("SELECT count(*) FROM event WHERE key = 'a'") == 1)
      #expect(try connection.int("SELECT epoch FROM event_shard WHERE shard = 1") == 9)
      // The first step is the saga's to take back.
      #expect(try migrator(schema, inherited).down(100).count == Self.newest - 1)
      #expect(try migrator(schema, inherited).down().isEmpty)
      #expect(try migrator(schema, try saga()).down().map(\.version) == [Self.newestSaga])
      #expect(try migrator(schema, inherited).status().version == 1)
    }
  }

  @Test func recordingTakesNoLockOfTheTables() throws {
    try TestDatabase.withSchema { schema in
      try migrator(schema, try saga()).up()
      let holder = try TestDatabase.open(schema: schema)
      try holder.script("BEGIN; LOCK TABLE event, event_shard, event_topic_pause IN ACCESS EXCLUSIVE MODE")
      let first = try firstStep(of: try inherited())
      #expect(try migrator(schema, first).up(until: .now() + .seconds(5)).map(\.version) == [1])
      try holder.script("ROLLBACK")
    }
  }

  @Test func whatIsInheritedMustBeThere() throws {
    try TestDatabase.withSchema { schema in
      let error = try #require(throws: MigratorError.self) { try migrator(schema, try inherited()).up() }
      #expect(error.code == .inconsistent && error.message.contains("another line"))
    }
  }

  @Test func aLineMakesItsSchemaAndKeepsItsVersionThere() throws {
    try TestDatabase.withSchema { schema in
      let connection = try TestDatabase.open(schema: schema)
      let tables = try OutboxTables(schema: "\(schema)_new 'x'", channel: "c")
      let name = "\"\(schema)_new 'x'\""
      defer { try? connection.script("DROP SCHEMA \(name) CASCADE") }
      // Whatever is found by search_path is not its own.
      try migrator(schema, try saga()).up()
      let line = try OutboxSchema.line("new.outbox", of: tables)
      #expect(try migrator(schema, line).status().version == nil)
      #expect(try migrator(schema, line).up().map(\.version) == Self.outboxVersions)
      #expect(try connection.int("SELECT version FROM \(name).outbox_schema_migrations") == Self.newest)
      #expect(try connection.int("SELECT count(*) FROM \(tables.shard)") == 64)
      #expect(try connection.int("SELECT version FROM schema_migrations") == Int(Self.newestSaga))
      #expect(try migrator(schema, try inherited()).status().version == nil)
    }
  }

  private static let words = SchemaRequirement.Words(migrate: "run-them", setting: "DSN")

  private func requirement(_ schema: String, _ lines: [(line: MigrationLine, version: Int64)]) throws {
    let database = DatabaseWait(
      try TestDatabase.configuration(schema: schema), logger: TestDatabase.quiet, stop: StopFlag())
    try SchemaRequirement(lines: lines, access: [], words: Self.words).wait(database)
  }

  @Test func programsAskEachLine() throws {
    try TestDatabase.withSchema { schema in
      let connection = try TestDatabase.open(schema: schema)
      let lines = [(line: try saga(), version: Self.newestSaga), (line: try inherited(), version: Int64(1))]
      func refusal(_ lines: [(line: MigrationLine, version: Int64)]) throws -> MigratorError {
        try #require(throws: MigratorError.self) { try requirement(schema, lines) }
      }
      #expect(try refusal(lines).message == "saga: table schema_migrations is missing: run the migrations (run-them)")
      try migrator(schema, try saga(upTo: 4)).up()
      #expect(
        try refusal(lines).message
          == "saga: the tables are at version 4, expected \(Self.newestSaga) or later: run the migrations (run-them)")
      try migrator(schema, try saga()).up()
      // Another tool knows the saga's folder alone, and its tables are those of the outbox's first step.
      try requirement(schema, lines)
      let later = [(line: try inherited(), version: Int64(Self.newest + 1))]
      #expect(try refusal(later).message.hasPrefix("saga.outbox: table outbox_schema_migrations is missing"))
      try migrator(schema, try inherited()).up()
      try requirement(schema, lines)
      #expect(try refusal(later).message.contains("at version \(Self.newest), expected \(Self.newest + 1) or later"))
      for table in ["schema_migrations", "outbox_schema_migrations"] {
        try connection.script("UPDATE \(table) SET dirty = true")
        let dirty = try refusal(lines)
        #expect(dirty.code == .dirty && dirty.message.contains("set dirty to false in \(table)") && !dirty.isRetryable)
        try connection.script("UPDATE \(table) SET dirty = false")
      }
    }
  }

  /// Others hold what a step must lock: it is tried again, and told.
  @Test func aLockOfOthersIsWaitedOutWithABound() throws {
    try TestDatabase.withSchema { schema in
      let holder = try TestDatabase.open(schema: schema)
      try holder.script("CREATE TABLE busy (id bigint)")
      try holder.script("BEGIN; LOCK TABLE busy IN ACCESS SHARE MODE")
      let process = holder.backendID
      let step = Migration(
        version: 1, name: "busy",
        up: "CREATE TABLE beside (); SET LOCAL lock_timeout = '50ms'; ALTER TABLE busy ADD COLUMN name text",
        down: "ALTER TABLE busy DROP COLUMN name; DROP TABLE beside")
      let migrator = try migrator(schema, MigrationLine(name: "test", migrations: try MigrationSet([step])))
      let error = try #require(throws: MigratorError.self) { try migrator.up() }
      #expect(error.code == .migrationFailed && error.message.contains("10 times"))
      #expect(error.description.contains("lock timeout"))
      // Nothing of the tries remains.
      let release = WorkerThread(name: "release") {
        WakeSignal().wait(until: .now() + .milliseconds(800))
        try? TestDatabase.open().script("SELECT pg_terminate_backend(\(process))")
      }
      #expect(try migrator.up().map(\.version) == [1])
      release.join()
    }
  }

  /// What golang-migrate's driver for PostgreSQL does with a folder: a file is one message without a transaction of its
  /// own, and the version is noted as dirty before it and as done after it.
  private func runAsAnotherTool(
    _ migrations: [Migration], up: Bool, _ table: String, on connection: Connection
  ) throws {
    try connection.script(
      "CREATE TABLE IF NOT EXISTS \"\(table)\" (version bigint not null primary key, dirty boolean not null)")
    func note(_ version: Int64, isDirty: Bool) throws {
      let row =
        version >= 0 || isDirty ? "INSERT INTO \"\(table)\" (version, dirty) VALUES (\(version), \(isDirty));" : ""
      try connection.script("BEGIN; TRUNCATE \"\(table)\"; \(row) COMMIT")
    }
    for migration in migrations {
      let resulting = up ? migration.version : migration.version > 1 ? migration.version - 1 : -1
      try note(resulting, isDirty: true)
      try connection.script(up ? migration.up : migration.down)
      try note(resulting, isDirty: false)
    }
  }

  @Test func anotherToolRunsTheFoldersToo() throws {
    try TestDatabase.withSchema { schema in
      let connection = try TestDatabase.open(schema: schema)
      let steps = try saga().migrations.migrations
      try runAsAnotherTool(Array(steps.prefix(5)), up: true, "schema_migrations", on: connection)
      #expect(try migrator(schema, try saga()).up().map(\.version) == Array(6...Self.newestSaga))
      try runAsAnotherTool([steps[steps.count - 1]], up: false, "schema_migrations", on: connection)
      #expect(try migrator(schema, try saga()).status().version == Self.newestSaga - 1)
      #expect(try migrator(schema, try saga()).up().map(\.version) == [Self.newestSaga])
      #expect(try migrator(schema, try inherited()).up().map(\.version) == Self.outboxVersions)
      try runAsAnotherTool(steps.reversed(), up: false, "schema_migrations", on: connection)
      #expect(try migrator(schema, try saga()).status().version == nil)
      // It had noted what it was about to do, and has stopped.
      for version in [-1, 8] {
        try connection.script("TRUNCATE schema_migrations; INSERT INTO schema_migrations VALUES (\(version), true)")
        #expect(try migrator(schema, try saga()).status().isDirty)
        let error = try #require(throws: MigratorError.self) { try migrator(schema, try saga()).up() }
        #expect(error.code == .dirty)
      }
    }
  }

  /// With `search_path` and `x-migrations-table` in its address.
  @Test func anotherToolMakesAnOutboxOfAContext() throws {
    try TestDatabase.withSchema { schema in
      let connection = try TestDatabase.open(schema: schema)
      let line = try OutboxSchema.line("test.outbox", of: try OutboxTables(schema: schema, channel: "c"))
      try runAsAnotherTool(line.migrations.migrations, up: true, line.versionTable, on: connection)
      #expect(try migrator("public", line).status().pending.isEmpty)
      #expect(try migrator("public", line).down().map(\.version) == [OutboxSchema.requiredVersion])
    }
  }
}
