internal import Errors
public import Postgres

/// What a program needs of its tables: their version, and what its role may do with them. It is asked once, at start.
public struct SchemaRequirement: Sendable {
  /// A table or sequence and the privileges that a program needs on it.
  public struct Access: Sendable {
    let relation: String
    let privileges: [String]

    /// - Parameter privileges: as SQL names them, such as `SELECT`.
    public init(_ relation: String, _ privileges: [String]) {
      self.relation = relation
      self.privileges = privileges
    }
  }

  /// The words of messages that whoever uses this module knows.
  public struct Words: Sendable {
    let migrate: String
    let setting: String

    /// - Parameters:
    ///   - migrate: the command that runs the migrations.
    ///   - setting: the setting that holds the DSN, and so names the role.
    public init(migrate: String, setting: String) {
      self.migrate = migrate
      self.setting = setting
    }
  }

  private let lines: [(line: MigrationLine, version: Int64)]
  private let access: [Access]
  private let words: Words

  /// - Parameters:
  ///   - lines: each with the oldest version of its tables that will do.
  ///   - access: what the program cannot run without.
  public init(lines: [(line: MigrationLine, version: Int64)], access: [Access], words: Words) {
    self.lines = lines
    self.access = access
    self.words = words
  }

  /// Waits for the database and asks it.
  /// - Throws: `MigratorError` `.unmet`, `.dirty` or `.inconsistent`; `DatabaseError` `.closed` when stopped meanwhile.
  public func wait(_ database: DatabaseWait) throws {
    try database.answer(again: { (error: MigratorError) in error.code == .database }, check)
  }

  /// - Throws: `.unmet` when the migrations have not been run, or when the role lacks something; `.database` when the
  ///   database cannot be asked.
  private func check(_ connection: Connection) throws(MigratorError) {
    for need in lines { try require(need.line, need.version, connection) }
    try requirePrivileges(connection)
  }

  private func require(_ line: MigrationLine, _ version: Int64, _ connection: Connection) throws(MigratorError) {
    let lineVersion = LineVersion(line)
    let refusal = { (error: DatabaseError) in self.refusal(error, "table \(line.versionTable)") }
    let place: LineVersion.Place
    do throws(DatabaseError) {
      place = try lineVersion.place(on: connection)
    } catch {
      throw refusal(error)
    }
    let state = try lineVersion.state(at: place, on: connection, refusal)
    guard !state.isDirty else { throw lineVersion.dirty(state) }
    let found = state.version ?? line.inherited
    guard place.hasVersion || found >= version else {
      throw MigratorError(
        .unmet, "\(line.name): table \(line.versionTable) is missing: run the migrations (\(words.migrate))")
    }
    guard found >= version else {
      throw MigratorError(
        .unmet,
        "\(line.name): the tables are at version \(found), expected \(version) or later: run the migrations "
          + "(\(words.migrate))")
    }
  }

  private func requirePrivileges(_ connection: Connection) throws(MigratorError) {
    let needs = access.flatMap { need in need.privileges.map { (need.relation, $0) } }
    let missing = try texts(
      connection, Self.missingPrivileges, [.textArray(needs.map(\.0)), .textArray(needs.map(\.1))])
    guard missing.isEmpty else {
      throw MigratorError(
        .unmet,
        "the role of \(words.setting) lacks \(missing.joined(separator: ", ")): grant it, or give the tables to the role"
      )
    }
  }

  private func texts(
    _ connection: Connection, _ statement: Statement, _ parameters: [Parameter]
  ) throws(MigratorError) -> [String] {
    do throws(DatabaseError) {
      return try connection.run(Command(statement, parameters)).map { (row) throws(DatabaseError) in try row.text(0) }
    } catch {
      throw refusal(error, "the tables")
    }
  }

  private func refusal(_ error: DatabaseError, _ what: String) -> MigratorError {
    switch error.sqlState {
    case "42P01":
      MigratorError(.unmet, "\(what) is missing: run the migrations (\(words.migrate))", cause: error)
    case "42501": MigratorError(.unmet, "\(what) may not be read by the role of \(words.setting)", cause: error)
    default: MigratorError(.database, "\(what) could not be looked up", cause: error)
    }
  }

  private static let missingPrivileges = Statement(
    """
    SELECT n.relation || CASE WHEN bool_or(c.oid IS NULL) THEN ' (it is missing, or its schema may not be used)'
                              ELSE ' (' || string_agg(n.privilege, ', ') || ')' END
    FROM unnest($1::text[], $2::text[]) n(relation, privilege)
    LEFT JOIN pg_class c ON c.oid = to_regclass(n.relation)
    WHERE c.oid IS NULL OR NOT has_table_privilege(c.oid, n.privilege)
    GROUP BY n.relation ORDER BY n.relation
    """, isReadOnly: true)
}
