import Foundation
import Logger
import Outbox
import Postgres
import Testing
import Values

/// The PostgreSQL that integration tests use, from `TEST_DB_DSN`; its user may create schemas and databases.
enum TestDatabase {
  static let dsn = ProcessInfo.processInfo.environment["TEST_DB_DSN"]
  /// A PgBouncer in transaction mode in front of it.
  static let poolerDSN = ProcessInfo.processInfo.environment["TEST_PGBOUNCER_DSN"]

  /// The outbox in the schema that a connection was opened for.
  static let outbox: OutboxTables = {
    do {
      return try OutboxTables(channel: "test_outbox")
    } catch {
      preconditionFailure("\(error)")
    }
  }()

  static let quiet = Logger(label: "test", level: .error)

  static func configuration(
    prepared: Bool = true, schema: String? = nil, statementTimeout: Duration = .seconds(30),
    connectTimeout: Duration = .seconds(5), port: UInt16? = nil, parameters: [String: String] = [:]
  ) throws -> DatabaseConfiguration {
    var dsn = try #require(dsn)
    if let port {
      var parts = try #require(URLComponents(string: dsn))
      parts.host = "127.0.0.1"
      parts.port = Int(port)
      dsn = try #require(parts.string)
    }
    if let schema { dsn += (dsn.contains("?") ? "&" : "?") + "options=-c%20search_path%3D\(schema)" }
    return try DatabaseConfiguration(
      dsn: dsn, prepared: prepared, applicationName: "paysaga-tests", connectTimeout: connectTimeout,
      statementTimeout: statementTimeout, parameters: parameters)
  }

  static func open(prepared: Bool = true, schema: String? = nil) throws -> Connection {
    try Connection.open(configuration(prepared: prepared, schema: schema), logger: quiet)
  }

  /// Runs `body` with a fresh schema of its own, dropped afterwards.
  static func withSchema(_ body: (String) throws -> Void) throws {
    let schema = newName()
    let connection = try open()
    try connection.script("CREATE SCHEMA \(schema)")
    defer { try? connection.script("DROP SCHEMA \(schema) CASCADE") }
    try body(schema)
  }

  /// As `withSchema`, for tests that await.
  static func withSchemaAsync(_ body: (String) async throws -> Void) async throws {
    let schema = newName()
    try open().script("CREATE SCHEMA \(schema)")
    do {
      try await body(schema)
    } catch {
      try? open().script("DROP SCHEMA \(schema) CASCADE")
      throw error
    }
    try open().script("DROP SCHEMA \(schema) CASCADE")
  }

  private static func newName() -> String {
    "t_" + UniqueID.random().description.split(separator: "-").joined()
  }
}

extension Trait where Self == ConditionTrait {
  /// Skips, visibly, when there is no database to test against.
  static var needsDatabase: Self { .enabled(if: TestDatabase.dsn != nil, "TEST_DB_DSN is not set") }
}

extension Connection {
  /// One value of a query without parameters.
  func int(_ sql: String) throws -> Int { try run(Command(Statement(sql))).only.int(0) }

  /// Every row of every table of a schema, as text.
  func rows(of schema: String) throws -> String {
    let tables = try run(
      Command(
        Statement(
          "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            + " WHERE n.nspname = $1 AND c.relkind = 'r' ORDER BY 1"), [.text(schema)])
    ).map { try $0.text(0) }
    return try tables.map { table in
      try run(
        Command(Statement("SELECT coalesce(string_agg(t::text, ' ' ORDER BY t::text), '') FROM \(schema).\(table) t"))
      ).only.text(0)
    }.joined(separator: "\n")
  }

  /// Has each row that is written to the table fail its statement.
  /// - Parameter events: by which of INSERT, UPDATE and DELETE.
  func refuseRows(of table: String, on events: String = "INSERT OR UPDATE") throws {
    try script(
      """
      CREATE FUNCTION \(table)_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'refused by the test';
      END $$;
      CREATE TRIGGER refuse BEFORE \(events) ON \(table) FOR EACH ROW EXECUTE FUNCTION \(table)_refuse()
      """)
  }
}

extension DatabaseError {
  /// Whether it is that of `refuseRows`.
  var isRefusal: Bool { sqlState == "P0001" }
}

/// Asks again and again until it is so; a condition that must come true, not a delay.
func eventually(
  within limit: Duration = .seconds(20), _ condition: () async throws -> Bool
) async throws {
  let deadline = Instant.now() + limit
  while try await !condition() {
    try #require(Instant.now() < deadline, "did not come true within \(limit)")
    try await Task.sleep(for: .milliseconds(5))
  }
}
