/// One step of the schema, there and back.
public struct Migration: Sendable, Hashable {
  /// The number before the name, from 1.
  public let version: Int64
  /// The name without number and ending.
  public let name: String
  /// The SQL that makes the step, without transaction control.
  public let up: String
  /// The SQL that takes it back.
  public let down: String

  /// - Parameters:
  ///   - version: from 1.
  ///   - up: SQL without transaction control.
  ///   - down: SQL that takes `up` back.
  public init(version: Int64, name: String, up: String, down: String) {
    self.version = version
    self.name = name
    self.up = up
    self.down = down
  }
}

/// All steps of a schema in order, numbered 1, 2, 3 … without a gap.
public struct MigrationSet: Sendable {
  /// The steps, ascending.
  public let migrations: [Migration]

  /// - Throws: `.inconsistent` when versions are not exactly 1 to n, each once.
  public init(_ migrations: [Migration]) throws(MigratorError) {
    self.migrations = migrations.sorted { $0.version < $1.version }
    for (index, migration) in self.migrations.enumerated() where migration.version != Int64(index + 1) {
      let isTwice = index > 0 && self.migrations[index - 1].version == migration.version
      throw MigratorError(
        .inconsistent,
        isTwice
          ? "migration \(migration.version) is there twice: \(self.migrations[index - 1].name) and \(migration.name)"
          : "migration \(index + 1) is missing; the next one there is \(migration.version) (\(migration.name))")
    }
  }

  /// Takes files that are in memory, each under its name.
  /// - Throws: as when a directory is read.
  package init(files: [(name: String, content: [UInt8])]) throws(MigratorError) {
    try self.init(names: files.map(\.name)) { name throws(MigratorError) in
      let content = files.first { $0.name == name }?.content ?? []
      guard let text = String(validating: content, as: UTF8.self), !text.utf8.contains(0) else {
        throw MigratorError(.unreadable, "\(name) is not UTF-8 text")
      }
      return text
    }
  }

  /// Reads `NNNN_name.up.sql` and `NNNN_name.down.sql` from files.
  /// - Parameters:
  ///   - names: the directory's files; those that do not end in `.sql` are left alone.
  ///   - read: gives a file's text.
  /// - Throws: `.unreadable` for a `.sql` file with another name, `.inconsistent` for a missing half, a gap, a
  ///   duplicate.
  init(names: [String], read: (String) throws(MigratorError) -> String) throws(MigratorError) {
    var found: [FileName.Step: (up: String?, down: String?)] = [:]
    for name in names where name.hasSuffix(".sql") {
      guard let file = FileName(name) else {
        throw MigratorError(
          .unreadable, "expected NNNN_name.up.sql or NNNN_name.down.sql in the migrations directory, found \(name)")
      }
      let text = try read(name)
      var halves = found[file.step] ?? (up: nil, down: nil)
      if file.isUp { halves.up = text } else { halves.down = text }
      found[file.step] = halves
    }
    var migrations: [Migration] = []
    for (step, halves) in found.sorted(by: { ($0.key.version, $0.key.name) < ($1.key.version, $1.key.name) }) {
      guard let up = halves.up, let down = halves.down else {
        throw MigratorError(
          .inconsistent, "migration \(step.version) (\(step.name)) has no .\(halves.up == nil ? "up" : "down").sql file"
        )
      }
      migrations.append(Migration(version: step.version, name: step.name, up: up, down: down))
    }
    try self.init(migrations)
  }

  /// The versions to make, in order, to come from `current` (nil: none yet) to the newest.
  /// - Throws: `.unknownVersion`.
  func pending(after current: Int64?) throws(MigratorError) -> ArraySlice<Migration> {
    migrations[try position(of: current)...]
  }

  /// The version to take back at `current`, nil when there is none.
  /// - Throws: `.unknownVersion`.
  func newest(at current: Int64?) throws(MigratorError) -> Migration? {
    migrations[..<(try position(of: current))].last
  }

  /// How many migrations are in force.
  private func position(of current: Int64?) throws(MigratorError) -> Int {
    guard let current else { return 0 }
    guard current >= 1, current <= migrations.count else {
      throw MigratorError(
        .unknownVersion,
        "the database is at version \(current), which is not among the \(migrations.count) migrations known here; "
          + "is this program older than the schema?")
    }
    return Int(current)
  }
}

/// What a migration file's name says.
struct FileName: Hashable {
  struct Step: Hashable {
    let version: Int64
    let name: String
  }
  let step: Step
  let isUp: Bool

  /// Nil unless it is digits, `_`, a name, and `.up.sql` or `.down.sql`.
  init?(_ file: String) {
    let parts = file.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 3, parts[2] == "sql", parts[1] == "up" || parts[1] == "down" else { return nil }
    guard let separator = parts[0].firstIndex(of: "_") else { return nil }
    let digits = parts[0][..<separator]
    let name = parts[0][parts[0].index(after: separator)...]
    guard !name.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let version = Int64(digits) else {
      return nil
    }
    step = Step(version: version, name: String(name))
    isUp = parts[1] == "up"
  }
}
