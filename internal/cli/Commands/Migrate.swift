import Migrator
import Postgres
import SagaSchema
import Values

private let directoryOption = Option(
  "--dir", "DIRECTORY", "other migrations than those built into this program")

/// The migrator over the database and the migrations that were asked for.
private func makeMigrator(_ directory: String?, _ session: Session) throws -> Migrator {
  let set =
    try directory.map { path throws(MigratorError) in try MigrationSet(directory: path) } ?? SagaSchema.migrations()
  return Migrator(configuration: try session.database(direct: true), migrations: set, logger: session.logger)
}

extension Session {
  fileprivate func print(_ done: [Migration], _ direction: String, _ status: Migrator.Status) {
    for migration in done {
      output.print([
        "migrated": .text(direction), "version": .number(migration.version), "name": .text(migration.name),
      ])
    }
    print(status)
  }

  fileprivate func print(_ status: Migrator.Status) {
    output.print(
      [
        "version": status.version.map { .number($0) } ?? .null, "latest": .number(status.latest),
        "dirty": .bool(status.isDirty),
        "pending": .list(status.pending.map { ["version": .number($0.version), "name": .text($0.name)] }),
      ],
      line:
        "version=\(status.version.map { "\($0)" } ?? "none") latest=\(status.latest) pending=\(status.pending.count)"
        + (status.isDirty ? " dirty=true" : ""))
  }
}

/// `migrate up`.
struct MigrateUp: Subcommand {
  static let usage = Usage(
    name: "migrate up", summary: "bring the database to the newest version of the schema",
    options: [directoryOption], synopsis: "[--dir DIRECTORY]",
    notes: "Each migration is a transaction of its own. Two at once wait for each other; a second one does nothing.",
    example: "paysaga migrate up")

  private let directory: String?

  init(_ arguments: Arguments) throws(CommandError) { directory = arguments.text("--dir") }

  func run(_ session: Session) throws {
    let migrator = try makeMigrator(directory, session)
    session.print(try migrator.up(), "up", try migrator.status())
  }
}

/// `migrate down`.
struct MigrateDown: Subcommand {
  static let usage = Usage(
    name: "migrate down", summary: "take back the newest migrations, with the data they hold", operand: "N",
    options: [directoryOption], synopsis: "[N] [--dir DIRECTORY]", notes: "N is how many; 1 when it is not given.",
    example: "paysaga migrate down 1")

  private let directory: String?
  private let count: Int

  init(_ arguments: Arguments) throws(CommandError) {
    directory = arguments.text("--dir")
    count = Int(try Arguments.integer(arguments.operand ?? "1", "migrate down", in: 1...1_000_000))
  }

  func run(_ session: Session) throws {
    let migrator = try makeMigrator(directory, session)
    session.print(try migrator.down(count), "down", try migrator.status())
  }
}

/// `migrate status`.
struct MigrateStatus: Subcommand {
  static let usage = Usage(
    name: "migrate status", summary: "show the version in force and what is pending", options: [directoryOption],
    synopsis: "[--dir DIRECTORY]", example: "paysaga migrate status --json")

  private let directory: String?

  init(_ arguments: Arguments) throws(CommandError) { directory = arguments.text("--dir") }

  func run(_ session: Session) throws {
    let status = try makeMigrator(directory, session).status()
    session.print(status)
    guard !status.isDirty else {
      throw CommandError.failure(
        "the schema is marked dirty at version \(status.version ?? 0): a migration by another tool stopped half way")
    }
  }
}
