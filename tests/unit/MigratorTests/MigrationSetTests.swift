import Foundation
import GatewaySchema
import LedgerSchema
import OutboxSchema
import ProcessingSchema
import RiskSchema
import SagaSchema
import Testing

@testable import Migrator

@Suite("Migration files")
struct MigrationSetTests {
  private func set(_ names: [String]) throws(MigratorError) -> MigrationSet {
    try MigrationSet(names: names) { name throws(MigratorError) in "-- \(name)" }
  }

  @Test func filesBecomeStepsInOrder() throws {
    let set = try set([
      "0002_more_things.down.sql", "0001_first.up.sql", "README.md", "0002_more_things.up.sql", "0001_first.down.sql",
    ])
    #expect(set.migrations.map(\.version) == [1, 2])
    #expect(set.migrations.map(\.name) == ["first", "more_things"])
    #expect(set.migrations[1].up == "-- 0002_more_things.up.sql")
    #expect(set.migrations[1].down == "-- 0002_more_things.down.sql")
    #expect(try self.set([]).migrations.isEmpty)
  }

  @Test(arguments: [
    (["0001_a.up.sql"], MigratorError.Code.inconsistent, "no .down.sql"),
    (["0001_a.down.sql"], .inconsistent, "no .up.sql"),
    (["0002_a.up.sql", "0002_a.down.sql"], .inconsistent, "migration 1 is missing"),
    (["0001_a.up.sql", "0001_a.down.sql", "001_b.up.sql", "001_b.down.sql"], .inconsistent, "twice: a and b"),
    (["0000_a.up.sql", "0000_a.down.sql"], .inconsistent, "migration 1 is missing"),
    (["a.up.sql"], .unreadable, "found a.up.sql"),
    (["0001_.up.sql"], .unreadable, "expected NNNN_name"),
    (["0001_a.sql"], .unreadable, "expected NNNN_name"),
    (["+001_a.up.sql"], .unreadable, "expected NNNN_name"),
  ])
  func damageIsNamed(names: [String], code: MigratorError.Code, message: String) throws {
    let error = try #require(throws: MigratorError.self) { try set(names) }
    #expect(error.code == code)
    #expect(error.message.contains(message))
    #expect(!error.isRetryable)
  }

  @Test func positionFollowsTheVersion() throws {
    let set = try set(["1_a.up.sql", "1_a.down.sql", "2_b.up.sql", "2_b.down.sql"])
    #expect(try set.pending(after: nil).map(\.name) == ["a", "b"])
    #expect(try set.pending(after: 1).map(\.name) == ["b"])
    #expect(try set.pending(after: 2).isEmpty)
    #expect(try set.newest(at: nil) == nil)
    #expect(try set.newest(at: 2)?.name == "b")
    for version: Int64 in [3, 0, -1] {
      let error = try #require(throws: MigratorError.self) { try set.pending(after: version) }
      #expect(error.code == .unknownVersion)
    }
  }

  @Test func aDirectoryIsRead() throws {
    let directory = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    try "CREATE TABLE ä ();".write(to: directory.appending(path: "0001_a.up.sql"), atomically: true, encoding: .utf8)
    try "".write(to: directory.appending(path: "0001_a.down.sql"), atomically: true, encoding: .utf8)
    let migration = try MigrationSet(directory: directory.path).migrations[0]
    #expect(migration == Migration(version: 1, name: "a", up: "CREATE TABLE ä ();", down: ""))

    try Data([0xFF, 0xFE]).write(to: directory.appending(path: "0001_a.down.sql"))
    let notText = try #require(throws: MigratorError.self) { try MigrationSet(directory: directory.path) }
    #expect(notText.code == .unreadable)
    let absent = try #require(throws: MigratorError.self) { try MigrationSet(directory: directory.path + "/no") }
    #expect(absent.code == .unreadable)
    #expect(absent.message.contains("No such file"))
  }

  private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(
    path: "../../../migrations")

  @Test(arguments: [
    ("gateway", GatewaySchema.files), ("ledger", LedgerSchema.files), ("outbox", OutboxSchema.files),
    ("processing", ProcessingSchema.files), ("risk", RiskSchema.files), ("saga", SagaSchema.files),
  ])
  func theBuiltInFilesAreThoseOfTheFolder(line: String, files: [(name: String, content: [UInt8])]) throws {
    let folder = Self.folder.appending(path: line)
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(files.map(\.name).sorted() == names.sorted(), "a new migration is listed beside the others")
    for file in files {
      #expect(try Array(Data(contentsOf: folder.appending(path: file.name))) == file.content, "\(file.name)")
    }
    #expect(try MigrationSet(files: files).migrations == MigrationSet(directory: folder.path).migrations)
  }

  /// A folder of migrations is a line, and a line is a folder: another tool runs all that it finds in one.
  @Test func aFolderHoldsOneLineAndNothingElse() throws {
    for line in try FileManager.default.contentsOfDirectory(atPath: Self.folder.path) {
      let names = try FileManager.default.contentsOfDirectory(atPath: Self.folder.appending(path: line).path)
      // As golang-migrate's source/file reads names: digits, _, anything, the direction, an ending.
      let known = try Regex("[0-9]+_.*\\.(down|up)\\.sql")
      #expect(try names.allSatisfy { try known.wholeMatch(in: $0) != nil }, "\(line)")
    }
  }

  @Test func programsAskForTheNewestMigration() throws {
    let lines = try SagaSchema.lines()
    #expect(lines.map(\.name) == ["saga", "saga.outbox"])
    #expect(lines.map(\.versionTable) == ["schema_migrations", "outbox_schema_migrations"])
    #expect(
      lines.map(\.migrations.migrations.last?.version) == [SagaSchema.requiredVersion, OutboxSchema.requiredVersion])
  }

  /// Values from Python's zlib: crc32(b"public\0schema_migrations\0payments") * 1486364155 & 0xFFFFFFFF.
  @Test func theLockIsTheOtherToolsLock() {
    #expect(AdvisoryLock.crc32(Array("123456789".utf8)) == 0xCBF4_3926)
    #expect(AdvisoryLock.key(database: "payments", schema: "public", table: "schema_migrations") == 79_347_579)
  }
}
