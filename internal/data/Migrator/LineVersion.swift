internal import Postgres

/// Where the version of a line lies in a database, and how it is read.
struct LineVersion {
  /// What was found of a line.
  struct Place {
    let database: String
    let schema: String
    /// Whether the schema is there.
    let hasSchema: Bool
    /// Whether the version's table is there.
    let hasVersion: Bool
    /// Whether the table is there beside which the line's are.
    let hasNeighbour: Bool
  }

  /// How far the line has come.
  struct State {
    /// nil before the first step.
    var version: Int64?
    /// Whether another tool stopped half way.
    var isDirty = false
  }

  private let line: MigrationLine

  init(_ line: MigrationLine) { self.line = line }

  private enum Column: Int, AnswerColumn { case database, schema, hasSchema, hasVersion, hasNeighbour }

  /// The schema is that of the tables that are there, wherever a `search_path` would make new ones: `"$user", public`
  /// points elsewhere once somebody makes a schema named like the user.
  private static let locate = Statement(
    """
    SELECT current_database()::text AS database, s.name AS schema,
           to_regnamespace(quote_ident(s.name)) IS NOT NULL AS has_schema,
           to_regclass(format('%I.%I', s.name, $1::text)) IS NOT NULL AS has_version,
           to_regclass(quote_ident(s.name) || '.' || quote_ident($2::text)) IS NOT NULL AS has_neighbour
    FROM (SELECT coalesce(
      $3::text,
      (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.oid = coalesce(to_regclass(quote_ident($1)), to_regclass(quote_ident($2)))),
      current_schema(), 'public')::text AS name) s
    """, isReadOnly: true)

  /// Asks where the version lies; the session's `search_path` decides where the line leaves it to it.
  func place(on connection: Connection) throws(DatabaseError) -> Place {
    let (neighbour, schema): (String?, String?) =
      switch line.place {
      case .schema(let schema): (nil, schema)
      case .beside(let table): (table, nil)
      }
    let row = try connection.run(
      Command(Self.locate, [.text(line.versionTable), .textOrNull(neighbour), .textOrNull(schema)])
    ).only
    return Place(
      database: try row.text(Column.database), schema: try row.text(Column.schema),
      hasSchema: try row.bool(Column.hasSchema), hasVersion: try row.bool(Column.hasVersion),
      hasNeighbour: try row.bool(Column.hasNeighbour))
  }

  private enum VersionColumn: Int, AnswerColumn { case version, dirty }

  /// Reads the version; without its table there is none.
  /// - Throws: `.inconsistent` for more than one row; what `refusal` makes of the database's errors.
  func state(
    at place: Place, on connection: Connection, _ refusal: (DatabaseError) -> MigratorError
  ) throws(MigratorError) -> State {
    guard place.hasVersion else { return State() }
    let table = name(at: place)
    let rows: [(Int64, Bool)]
    do throws(DatabaseError) {
      let read = Statement("SELECT version, dirty FROM \(table) LIMIT 2", isReadOnly: true)
      rows = try connection.run(Command(read)).map { (row) throws(DatabaseError) in
        (try row.int64(VersionColumn.version), try row.bool(VersionColumn.dirty))
      }
    } catch {
      throw refusal(error)
    }
    guard rows.count <= 1 else {
      throw MigratorError(
        .inconsistent, "\(line.versionTable) has more than one row; it must hold the present version only")
    }
    return rows.first.map { State(version: $0.0, isDirty: $0.1) } ?? State()
  }

  /// The version's table as statements name it.
  func name(at place: Place) -> String { "\(quoteIdentifier(place.schema)).\(quoteIdentifier(line.versionTable))" }

  /// What a line that another tool left half way asks of people.
  func dirty(_ state: State) -> MigratorError {
    MigratorError(
      .dirty,
      "the schema is marked dirty at version \(state.version ?? 0) of the line \(line.name): a migration by another tool "
        + "stopped half way; repair the schema by hand, then set dirty to false in \(line.versionTable)")
  }
}
