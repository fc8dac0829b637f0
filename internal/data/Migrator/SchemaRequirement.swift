internal import Errors
internal import Logger
internal import Outbox
internal import Postgres

/// What a program needs of the tables, asked once when it starts: their version, and what its role may do.
struct SchemaCheck: Sendable {
  /// The newest migration; all before it have been run where it has been.
  static let requiredVersion: Int64 = 5

  /// A table or sequence and what has to be allowed on it.
  struct Need: Sendable {
    let relation: String
    let privileges: [String]
  }

  /// What every program does: it writes payments with their events, and tells how keys are spread.
  private static let writing = [
    Need(relation: "payment", privileges: ["SELECT", "INSERT", "UPDATE"]),
    Need(relation: "event", privileges: ["INSERT"]),
    Need(relation: "event_shard", privileges: ["SELECT"]),
    Need(relation: "event_topic_pause", privileges: ["SELECT"]),
    Need(relation: "idempotency_key", privileges: ["SELECT", "INSERT"]),
  ]

  /// What the cron jobs do besides.
  private static let jobs = [
    Need(relation: "event_wait", privileges: ["SELECT", "DELETE"]),
    Need(relation: "event_done", privileges: ["SELECT", "INSERT"]),
    Need(relation: "event_dead", privileges: ["SELECT", "INSERT"]),
    Need(relation: "event_shard", privileges: ["UPDATE"]),
    Need(relation: "event_relay", privileges: ["SELECT", "INSERT", "UPDATE", "DELETE"]),
    Need(relation: "event_id_seq", privileges: ["SELECT"]),
  ]

  private let runsJobs: Bool

  /// - Parameter runsJobs: whether the program runs the cron jobs.
  init(runsJobs: Bool) { self.runsJobs = runsJobs }

  /// - Returns: what the care of the days needs and is not allowed; the program can run without, as long as another
  ///   takes care of them.
  /// - Throws: `schema` when the migrations have not been run, or when the role lacks something; `database` when it
  ///   cannot be asked.
  func run(_ connection: Connection) throws(OutboxError) -> String? {
    try requireVersion(connection)
    try requirePrivileges(connection)
    return runsJobs ? try missingForDays(connection) : nil
  }

  private func requireVersion(_ connection: Connection) throws(OutboxError) {
    let found: Int64?
    do throws(DatabaseError) {
      found = try connection.run(Command(Self.version)).first?.int64(0)
    } catch {
      throw Self.refusal(error, "table schema_migrations")
    }
    guard let found, found >= Self.requiredVersion else {
      throw OutboxError(
        .schema,
        "the tables are at version \(found ?? 0), expected \(Self.requiredVersion) or later: run the migrations "
          + "(paysaga migrate up)")
    }
  }

  private func requirePrivileges(_ connection: Connection) throws(OutboxError) {
    let needs = (Self.writing + (runsJobs ? Self.jobs : [])).flatMap { need in
      need.privileges.map { (need.relation, $0) }
    }
    let missing = try texts(connection, Self.missingPrivileges, needs.map(\.0), needs.map(\.1))
    guard missing.isEmpty else {
      throw OutboxError(
        .schema, "the role of DB_DSN lacks \(missing.joined(separator: ", ")): grant it, or give the tables to the role"
      )
    }
  }

  private func missingForDays(_ connection: Connection) throws(OutboxError) -> String? {
    let missing = try texts(connection, Self.missingOwnership, ["event_done", "idempotency_key"], [])
    return missing.isEmpty ? nil : missing.joined(separator: ", ")
  }

  private func texts(
    _ connection: Connection, _ statement: Statement, _ relations: [String], _ privileges: [String]
  ) throws(OutboxError) -> [String] {
    do throws(DatabaseError) {
      let parameters: [Parameter] =
        privileges.isEmpty ? [.textArray(relations)] : [.textArray(relations), .textArray(privileges)]
      return try connection.run(Command(statement, parameters)).map { (row) throws(DatabaseError) in try row.text(0) }
    } catch {
      throw Self.refusal(error, "the tables")
    }
  }

  private static func refusal(_ error: DatabaseError, _ what: String) -> OutboxError {
    switch error.sqlState {
    case "42P01":
      OutboxError(.schema, "\(what) is missing: run the migrations (paysaga migrate up)", cause: error)
    case "42501": OutboxError(.schema, "\(what) may not be read by the role of DB_DSN", cause: error)
    default: OutboxError(.database, "\(what) could not be looked up", cause: error)
    }
  }

  private static let version = Statement("SELECT version FROM schema_migrations LIMIT 1", isReadOnly: true)

  private static let missingPrivileges = Statement(
    """
    SELECT n.relation || CASE WHEN bool_or(c.oid IS NULL) THEN ' (it is missing, or its schema may not be used)'
                              ELSE ' (' || string_agg(n.privilege, ', ') || ')' END
    FROM unnest($1::text[], $2::text[]) n(relation, privilege)
    LEFT JOIN pg_class c ON c.oid = to_regclass(n.relation)
    WHERE c.oid IS NULL OR NOT has_table_privilege(c.oid, n.privilege)
    GROUP BY n.relation ORDER BY n.relation
    """, isReadOnly: true)

  private static let missingOwnership = Statement(
    """
    SELECT need FROM unnest($1::text[]) n(relation) JOIN pg_class c ON c.oid = to_regclass(n.relation)
    CROSS JOIN LATERAL (VALUES
      (pg_has_role(c.relowner, 'USAGE'), 'ownership of ' || n.relation),
      (has_schema_privilege(c.relnamespace, 'CREATE'), 'CREATE on the schema of ' || n.relation)) v(has, need)
    WHERE NOT v.has ORDER BY need
    """, isReadOnly: true)
}
