import Errors
import Foundation
import Testing
import Values

@testable import Postgres

@Suite("Database connection", .needsDatabase)
struct DatabaseConnectionTests {
  static let statement = Statement("SELECT $1 + 1", isReadOnly: true)

  @Test(arguments: [true, false])
  func typesGoBothWays(prepared: Bool) throws {
    let connection = try TestDatabase.open(prepared: prepared)
    let id = try #require(UniqueID("d978c560-fdba-4e84-b3f1-b570d8d95e4c"))
    let time = Timestamp(microseconds: 1_769_847_300_000_250)
    let statement = Statement(
      """
      SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10::bigint, $11, $12::text = '', $6::uuid::text, $7::timestamptz::text,
      extract(epoch FROM $13)::float8, $14
      """)
    for _ in 0..<2 {
      let row = try connection.run(
        Command(
          statement,
          [
            .bool(true), .int16(-2), .int32(.min), .int64(.max), .text("zwölf \u{1F600}"), .uuid(id), .timestamp(time),
            .bytes([0, 1, 255]), .double(1.5), .null, .textOrNull(nil), .text(""), .interval(.milliseconds(1_500)),
            .bytes([]),
          ])
      ).only
      #expect(try row.bool(0))
      #expect(try row.int16(1) == -2)
      #expect(try row.int32(2) == .min)
      #expect(try row.int64(3) == .max)
      #expect(try row.text(4) == "zwölf \u{1F600}")
      #expect(try row.uuid(5) == id)
      #expect(try row.timestamp(6) == time)
      #expect(try row.bytes(7) == [0, 1, 255])
      #expect(try row.double(8) == 1.5)
      #expect(try row.optionalInt64(9) == nil)
      #expect(try row.optionalText(10) == nil)
      #expect(try row.bool(11))
      #expect(try row.text(12) == id.description)
      #expect(try row.text(13).hasPrefix("2026-01-31"))
      #expect(try row.double(14) == 1.5)
      #expect(try row.bytes(15) == [])
    }
  }

  @Test func arraysGoBothWays() throws {
    let connection = try TestDatabase.open()
    let ids = (0..<3).map { _ in UniqueID.random() }
    let times = [Timestamp(microseconds: 0), Timestamp(microseconds: -5)]
    let row = try connection.run(
      Command(
        Statement(
          """
          SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, array_to_string($5, ',', '?'), $10, array_to_string($11, ',', '?'),
          array_to_string($12, ',', '?'), array_to_string($13, ',', '?')
          """),
        [
          .boolArray([true, false]), .int16Array([1, -1]), .int32Array([2]), .int64Array([3, .min]),
          .optionalTextArray(["a", nil, ""]), .uuidArray(ids), .bytesArray([[1], []]), .timestampArray(times),
          .textArray([]), .textArray(["x", "y,\"z"]), .optionalUUIDArray([nil, ids[0]]),
          .optionalInt64Array([nil, 4]), .optionalTimestampArray([nil]),
        ])
    ).only
    #expect(try row.boolArray(0) == [true, false])
    #expect(try row.int16Array(1) == [1, -1])
    #expect(try row.int32Array(2) == [2])
    #expect(try row.int64Array(3) == [3, .min])
    #expect(try row.optionalTextArray(4) == ["a", nil, ""])
    #expect(try row.uuidArray(5) == ids)
    #expect(try row.bytesArray(6) == [[1], []])
    #expect(try row.timestampArray(7) == times)
    #expect(try row.textArray(8) == [])
    #expect(try row.text(9) == "a,?,")
    #expect(try row.textArray(10) == ["x", "y,\"z"])
    #expect(try row.text(11) == "?,\(ids[0])")
    #expect(try row.text(12) == "?,4")
    #expect(try row.text(13) == "?")
  }

  @Test func enumsAreText() throws {
    try TestDatabase.withSchema { schema in
      let connection = try TestDatabase.open(schema: schema)
      try connection.script("CREATE TYPE mood AS ENUM ('FINE', 'BAD'); CREATE TABLE t (m mood)")
      let rows = try connection.run(
        Command(Statement("INSERT INTO t VALUES ($1::text::mood) RETURNING m"), [.text("BAD")]))
      #expect(rows.affected == 1)
      #expect(try rows.only.text(0) == "BAD")
      #expect(try rows.only.bytes(0) == Array("BAD".utf8))
    }
  }

  @Test func infiniteTimestampsSaturate() throws {
    let row = try TestDatabase.open().run(
      Command(Statement("SELECT 'infinity'::timestamptz, '-infinity'::timestamptz"))
    ).only
    #expect(try row.timestamp(0).microseconds == .max)
    #expect(try row.timestamp(1).microseconds == .min)
  }

  private enum Column: Int, AnswerColumn { case orderID, status }

  @Test func `a column is read by the name the statement gives it`() throws {
    let row = try TestDatabase.open().run(Command(Statement("SELECT 7 AS order_id, 'NEW' AS status"))).only
    #expect(try row.int64(Column.orderID) == 7 && row.text(Column.status) == "NEW")
    #expect(row.hasName(of: Column.orderID) && row.hasName(of: Column.status) && row.hasName(of: 1))
    // What a debug build stops at.
    let turned = try TestDatabase.open().run(Command(Statement("SELECT 'NEW' AS status, 7 AS order_id"))).only
    #expect(!turned.hasName(of: Column.orderID) && !turned.hasName(of: Column.status))
  }

  @Test func aNullFirstDoesNotFixTheType() throws {
    let connection = try TestDatabase.open()
    let statement = Statement("SELECT coalesce($1, 7)")
    #expect(try connection.run(Command(statement, [.null])).only.int(0) == 7)
    #expect(try connection.run(Command(statement, [.int64(1 << 40)])).only.int(0) == 1 << 40)
    #expect(try connection.run(Command(statement, [.null])).only.int(0) == 7)
    #expect(try connection.run(Command(statement, [.int16(3)])).only.int(0) == 3)
  }

  @Test(arguments: [true, false])
  func preparesOnlyWhenAsked(prepared: Bool) throws {
    let connection = try TestDatabase.open(prepared: prepared)
    for value in 0..<3 {
      #expect(try connection.run(Command(Self.statement, [.int64(Int64(value))])).only.int(0) == value + 1)
    }
    let count = Statement("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT $1 + 1'")
    #expect(try connection.run(Command(count)).only.int(0) == (prepared ? 1 : 0))
  }

  @Test func sessionSettingsNeedNoRoundTrip() throws {
    let settings = Statement(
      "SELECT current_setting('plan_cache_mode'), current_setting('idle_in_transaction_session_timeout'), "
        + "current_setting('application_name'), current_setting('work_mem'), "
        + "current_setting('client_connection_check_interval')")
    let given = try TestDatabase.configuration(parameters: ["work_mem": "5MB"])
    let row = try Connection.open(given, logger: TestDatabase.quiet).run(Command(settings)).only
    #expect(try (0..<4).map { try row.text($0) } == ["force_generic_plan", "10s", "paysaga-tests", "5MB"])
    #expect(try row.text(4) == "2s")
  }

  /// A pooler keeps no session settings: they hold for each transaction.
  @Test func withoutASessionTheSettingsHoldInEachTransaction() throws {
    let given = try TestDatabase.configuration(
      prepared: false, parameters: ["work_mem": "5MB", "statement_timeout": "12345ms"])
    let connection = try Connection.open(given, logger: TestDatabase.quiet)
    let look = Command(
      Statement(
        "SELECT current_setting('work_mem') || ' ' || current_setting('statement_timeout')", isReadOnly: true))
    let change = Command(Statement("SELECT 1"))
    #expect(try connection.run(look).only.text(0) == "5MB 12345ms")
    #expect(try connection.run([.begin, look, .commit])[1].only.text(0) == "5MB 12345ms")
    #expect(try connection.run([change, look])[1].only.text(0) == "5MB 12345ms")
    try connection.transaction { connection throws(DatabaseError) in
      #expect(try connection.run(look).only.text(0) == "5MB 12345ms")
    }
    // A single command that may write goes alone, as it may be one that must be the first of its transaction.
    let alone = Command(Statement("SELECT current_setting('work_mem')"))
    #expect(try connection.run(alone).only.text(0) != "5MB")
    try TestDatabase.withSchema { schema in
      try connection.script("CREATE TABLE \(schema).t ()")
      try connection.run(Command(Statement("VACUUM \(schema).t")))
    }
  }

  @Test(arguments: [true, false])
  func thousandsOfLargeCommandsInOneRun(prepared: Bool) throws {
    let connection = try TestDatabase.open(prepared: prepared)
    let statement = Statement("SELECT $1, $2")
    let block = [UInt8](repeating: 7, count: 20_000)
    let rows = try connection.run(
      (0..<5_000).map { Command(statement, [.int32(Int32($0)), .bytes(block)]) })
    #expect(rows.count == 5_000)
    for (index, answer) in rows.enumerated() where try answer.only.int(0) != index || answer.only.bytes(1) != block {
      Issue.record("answer \(index) is wrong")
      return
    }
  }

  @Test func aLargeAnswerToEachOfManySmallCommands() throws {
    let connection = try TestDatabase.open()
    let statement = Statement("SELECT repeat('x', 200000)")
    let rows = try connection.run(Array(repeating: Command(statement), count: 500))
    #expect(try rows.allSatisfy { try $0.only.bytes(0).count == 200_000 })
  }

  @Test(arguments: [true, false])
  func aFailingCommandAbortsItsRunAlone(prepared: Bool) throws {
    try TestDatabase.withSchema { schema in
      let connection = try TestDatabase.open(prepared: prepared, schema: schema)
      try connection.script("CREATE TABLE t (id bigint CONSTRAINT positive CHECK (id > 0) PRIMARY KEY)")
      let insert = Statement("INSERT INTO t VALUES ($1)")
      let select = Statement("SELECT count(*) FROM t")
      let values: [Int64] = [1, 2, -3, 4]
      let error = try #require(throws: DatabaseError.self) {
        try connection.run(values.map { Command(insert, [.int64($0)]) } + [Command(select)])
      }
      #expect(error.code == .server)
      #expect(error.sqlState == "23514" && !error.isMissingPartition)
      #expect(error.constraint == "positive")
      #expect(error.commandIndex == 2)
      #expect(!error.isRetryable)
      #expect(!error.description.contains("-3"))
      #expect(error.debugDescription.contains("-3"))
      #expect(connection.isUsable && !connection.isInTransaction)
      #expect(try connection.run(Command(select)).only.int(0) == 0)
      try connection.run(Command(insert, [.int64(1)]))
      let duplicate = try #require(throws: DatabaseError.self) { try connection.run(Command(insert, [.int64(1)])) }
      #expect(duplicate.sqlState == "23505")
    }
  }

  @Test func aTransactionBegunInAFailedRunIsRolledBack() throws {
    try TestDatabase.withSchema { schema in
      let connection = try TestDatabase.open(schema: schema)
      try connection.script("CREATE TABLE t (id bigint PRIMARY KEY)")
      let insert = Command(Statement("INSERT INTO t VALUES ($1)"), [.int64(1)])
      #expect(throws: DatabaseError.self) { try connection.run([.begin, insert, insert, .commit]) }
      #expect(!connection.isInTransaction)
      #expect(try connection.int("SELECT count(*) FROM t") == 0)
      try connection.run([.begin, insert, .commit])
      #expect(try connection.int("SELECT count(*) FROM t") == 1)
    }
  }

  @Test func transactionsRollBackOnErrors() throws {
    try TestDatabase.withSchema { schema in
      let connection = try TestDatabase.open(schema: schema)
      try connection.script("CREATE TABLE t (id bigint PRIMARY KEY)")
      let insert = Command(Statement("INSERT INTO t VALUES ($1)"), [.int64(1)])
      #expect(throws: DatabaseError.self) {
        try connection.transaction { connection throws(DatabaseError) in
          try connection.run(insert)
          try connection.run(insert)
        }
      }
      #expect(try connection.int("SELECT count(*) FROM t") == 0)
      let swallowed = try #require(throws: DatabaseError.self) {
        try connection.transaction { connection throws(DatabaseError) in
          try connection.run(insert)
          _ = try? connection.run(insert)
        }
      }
      #expect(swallowed.sqlState == "25P02")
      #expect(!connection.isInTransaction)
      let value = try connection.transaction { connection throws(DatabaseError) in
        #expect(connection.isInTransaction)
        return try connection.run(insert).affected
      }
      #expect(value == 1)
      #expect(try connection.int("SELECT count(*) FROM t") == 1)
    }
  }

  @Test func aFailedPreparationIsNotRemembered() throws {
    try TestDatabase.withSchema { schema in
      let connection = try TestDatabase.open(schema: schema)
      let select = Statement("SELECT count(*) FROM later")
      let error = try #require(throws: DatabaseError.self) {
        try connection.run([Command(Statement("SELECT 1")), Command(select), Command(Statement("SELECT 2"))])
      }
      #expect(error.sqlState == "42P01")
      #expect(error.commandIndex == 1)
      try connection.script("CREATE TABLE later ()")
      #expect(try connection.run(Command(select)).only.int(0) == 0)
    }
  }

  @Test func vanishedAndOutdatedStatementsArePreparedAgain() throws {
    try TestDatabase.withSchema { schema in
      let connection = try TestDatabase.open(schema: schema)
      try connection.script("CREATE TABLE t (id bigint); INSERT INTO t VALUES (1)")
      let all = Statement("SELECT * FROM t")
      let other = Statement("SELECT id FROM t")
      #expect(try connection.run([Command(all), Command(other)])[0].columnCount == 1)
      try connection.script("DEALLOCATE ALL")
      #expect(try connection.run([Command(other), Command(all)])[1].columnCount == 1)
      try connection.script("ALTER TABLE t ADD COLUMN more text")
      #expect(try connection.run([Command(other), Command(all)])[1].columnCount == 2)

      try connection.script("ALTER TABLE t ADD COLUMN third text")
      let error = try #require(throws: DatabaseError.self) {
        try connection.transaction { connection throws(DatabaseError) in try connection.run(Command(all)) }
      }
      #expect(error.sqlState == "0A000")
      #expect(try connection.run(Command(all)).columnCount == 3)
    }
  }

  @Test func statementsBeyondTheCacheRunUnnamed() throws {
    let connection = try TestDatabase.open()
    let commands = (0..<400).map { Command(Statement("SELECT \($0)")) }
    for _ in 0..<2 { #expect(try connection.run(commands).map { try $0.only.int(0) } == Array(0..<400)) }
    #expect(try connection.int("SELECT count(*) FROM pg_prepared_statements") == 256)
  }

  @Test func plansAreThrownAwayInTime() throws {
    var configuration = try TestDatabase.configuration()
    configuration.planLifetime = .nanoseconds(1)
    let connection = try Connection.open(configuration, logger: TestDatabase.quiet)
    for value in 0..<3 {
      #expect(try connection.run(Command(Self.statement, [.int64(Int64(value))])).only.int(0) == value + 1)
    }
    try connection.run([.begin, Command(Self.statement, [.int64(1)]), .commit])
    // Neither a command that must come first nor the rollback of a failed transaction is disturbed by it.
    try TestDatabase.withSchema { schema in
      try connection.script("CREATE TABLE \(schema).t ()")
      try connection.run(Command(Statement("VACUUM \(schema).t")))
    }
    let error = try #require(throws: DatabaseError.self) {
      try connection.transaction { connection throws(DatabaseError) in
        try connection.run(Command(Statement("SELECT 1/0")))
      }
    }
    #expect(error.sqlState == "22012" && connection.isUsable && !connection.isInTransaction)
  }

  @Test func scriptsRunSeveralStatementsAsOne() throws {
    try TestDatabase.withSchema { schema in
      let connection = try TestDatabase.open(schema: schema)
      let error = try #require(throws: DatabaseError.self) {
        try connection.script("CREATE TABLE a (); CREATE TABLE b (id nonsense)")
      }
      #expect(error.sqlState == "42704")
      #expect(try connection.int("SELECT count(*) FROM pg_tables WHERE schemaname = '\(schema)'") == 0)
      try connection.script("CREATE TABLE a (); CREATE TABLE b (id int)")
      #expect(try connection.int("SELECT count(*) FROM b") == 0)
    }
  }
}
