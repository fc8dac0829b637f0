import Migrator
import Postgres
import Values

/// Which migrations a command is about.
private struct Lines {
  static let options = [
    Option("--line", "NAME", "this line of migrations alone"),
    Option("--dir", "DIRECTORY", "other migrations of the line than those built into this program"),
  ]
  static let synopsis = "[--line NAME] [--dir DIRECTORY]"

  private let name: String?
  private let directory: String?

  init(_ arguments: Arguments) {
    name = arguments.text("--line")
    directory = arguments.text("--dir")
  }

  /// A migrator for each line, in their order.
  func migrators(_ session: Session) throws -> [Migrator] {
    let all = try session.migrations().flatMap { context in
      context.lines.map { (line: $0, prefix: context.settingPrefix) }
    }
    var chosen = all
    if let name {
      chosen = all.filter { $0.line.name == name }
      guard !chosen.isEmpty else {
        throw CommandError.usage(
          "no line is called \"\(printable(name))\"; there are \(all.map(\.line.name).joined(separator: ", "))")
      }
    }
    if let directory, let first = chosen.first {
      chosen = [(first.line.with(try MigrationSet(directory: directory)), first.prefix)]
    }
    return try chosen.map { line, prefix in
      Migrator(configuration: try session.database(of: prefix, direct: true), line: line, logger: session.logger)
    }
  }
}

extension Session {
  fileprivate func print(_ sql: String, of roles: ContextRoles) {
    // Lines stay lines: psql reads them.
    if wantsJSON {
      output.print(["context": .text(roles.context), "sql": .text(sql)])
    } else {
      output.print(sql)
    }
  }

  fileprivate func print(_ done: [Migration], of line: MigrationLine, _ direction: String) {
    for migration in done {
      output.print([
        "migrated": .text(migration.version > line.inherited ? direction : "recorded"), "line": .text(line.name),
        "version": .number(migration.version), "name": .text(migration.name),
      ])
    }
  }

  fileprivate func print(_ status: Migrator.Status, of migrator: Migrator) {
    let line = migrator.line.name
    let database = "\(migrator.configuration)"
    output.print(
      [
        "line": .text(line), "database": .text(database), "version": status.version.map { .number($0) } ?? .null,
        "latest": .number(status.latest), "dirty": .bool(status.isDirty),
        "pending": .list(status.pending.map { ["version": .number($0.version), "name": .text($0.name)] }),
      ],
      line:
        "line=\(line) version=\(status.version.map { "\($0)" } ?? "none") latest=\(status.latest) "
        + "pending=\(status.pending.count)\(status.isDirty ? " dirty=true" : "") database=\(database)")
  }
}

/// `migrate up`.
struct MigrateUp: Subcommand {
  static let usage = Usage(
    name: "migrate up", summary: "bring the database to the newest version of the schema",
    options: Lines.options, synopsis: Lines.synopsis,
    notes: """
      Each context has a line of migrations, and one for its outbox; they run one after the other, in the database that
      the context's own settings name (PROCESSING_DSN, GATEWAY_DSN), or else in that of DB_DSN. Each migration is a
      transaction of its own, and is tried again a few times when others hold a lock that it needs. Two commands at once
      wait for each other; the second one does nothing.
      """,
    example: "paysaga migrate up")

  private let lines: Lines

  init(_ arguments: Arguments) throws(CommandError) { lines = Lines(arguments) }

  func run(_ session: Session) throws {
    let migrators = try lines.migrators(session)
    for migrator in migrators { session.print(try migrator.up(), of: migrator.line, "up") }
    for migrator in migrators { session.print(try migrator.status(), of: migrator) }
  }
}

/// `migrate down`.
struct MigrateDown: Subcommand {
  static let usage = Usage(
    name: "migrate down", summary: "take back the newest migrations, with the data they hold", operand: "N",
    options: Lines.options, synopsis: "[N] \(Lines.synopsis)",
    notes: "N is how many, those of the last line first; 1 when it is not given.",
    example: "paysaga migrate down 1")

  private let lines: Lines
  private let count: Int

  init(_ arguments: Arguments) throws(CommandError) {
    lines = Lines(arguments)
    count = Int(try Arguments.integer(arguments.operand ?? "1", "migrate down", in: 1...1_000_000))
  }

  func run(_ session: Session) throws {
    let migrators = try lines.migrators(session)
    var left = count
    for migrator in migrators.reversed() where left > 0 {
      let done = try migrator.down(left)
      session.print(done, of: migrator.line, "down")
      left -= done.count
    }
    for migrator in migrators { session.print(try migrator.status(), of: migrator) }
  }
}

/// `migrate status`.
struct MigrateStatus: Subcommand {
  static let usage = Usage(
    name: "migrate status", summary: "show the database, the version in force and what is pending, of each line",
    options: Lines.options, synopsis: Lines.synopsis, example: "paysaga migrate status --json")

  private let lines: Lines

  init(_ arguments: Arguments) throws(CommandError) { lines = Lines(arguments) }

  func run(_ session: Session) throws {
    var dirty: [String] = []
    for migrator in try lines.migrators(session) {
      let status = try migrator.status()
      session.print(status, of: migrator)
      if status.isDirty { dirty.append("\(migrator.line.name) at version \(status.version ?? 0)") }
    }
    guard dirty.isEmpty else {
      throw CommandError.failure(
        "the schema is marked dirty: \(dirty.joined(separator: ", ")); a migration by another tool stopped half way")
    }
  }
}

/// Which contexts a command about roles is about.
private struct Roles {
  static let options = [Option("--context", "NAME", "this context alone: saga, processing or gateway")]
  static let synopsis = "[--context NAME]"

  private let name: String?

  init(_ arguments: Arguments) { name = arguments.text("--context") }

  /// Each context with roles, in the order of the migrations.
  func contexts(_ session: Session) throws -> [(roles: ContextRoles, lines: [MigrationLine])] {
    let all = try session.migrations().compactMap { context in context.roles.map { (roles: $0, lines: context.lines) } }
    guard let name else { return all }
    let chosen = all.filter { $0.roles.context == name }
    guard !chosen.isEmpty else {
      throw CommandError.usage(
        "no context is called \"\(printable(name))\"; there are \(all.map(\.roles.context).joined(separator: ", "))")
    }
    return chosen
  }
}

/// `migrate roles`.
struct MigrateRoles: Subcommand {
  static let usage = Usage(
    name: "migrate roles", summary: "print SQL that makes the owners' and programs' roles of the database",
    options: Roles.options, synopsis: Roles.synopsis,
    notes: """
      Roles that exist are left alone; none gets a password. A superuser runs it before the first migration. The owners
      (paysaga_saga_owner, …) run migrate up, as the roles of DB_DSN, PROCESSING_DSN and GATEWAY_DSN.
      """,
    example: "paysaga migrate roles")

  private let roles: Roles

  init(_ arguments: Arguments) throws(CommandError) { roles = Roles(arguments) }

  func run(_ session: Session) throws {
    for context in try roles.contexts(session) { session.print(context.roles.creation, of: context.roles) }
  }
}

/// `migrate grants`.
struct MigrateGrants: Subcommand {
  static let usage = Usage(
    name: "migrate grants", summary: "print SQL that gives the programs' roles the rights of their work",
    options: Roles.options, synopsis: Roles.synopsis,
    notes: """
      It grants what each program checks at start, and repeating it changes nothing: run it after each migrate up, in the
      database of each context, as the owner of its tables.
      """,
    example: "paysaga migrate grants --context saga")

  private let roles: Roles

  init(_ arguments: Arguments) throws(CommandError) { roles = Roles(arguments) }

  func run(_ session: Session) throws {
    for context in try roles.contexts(session) {
      session.print(context.roles.grants(context.lines), of: context.roles)
    }
  }
}
