public import Migrator
public import Outbox

/// The line of migrations that makes the tables of an outbox, in the schema of each context that has one: the files of
/// migrations/outbox, compiled in, so that no file of another origin can take their place.
public enum OutboxSchema {
  /// The files, each under its name; a new one is added here, and a test compares the list with the folder.
  package static let files: [(name: String, content: [UInt8])] = [
    // The names of the constants are the package manager's: it makes an underscore of the first digit.
    ("0001_outbox.up.sql", PackageResources._001_outbox_up_sql),
    ("0001_outbox.down.sql", PackageResources._001_outbox_down_sql),
    ("0002_operations.up.sql", PackageResources._002_operations_up_sql),
    ("0002_operations.down.sql", PackageResources._002_operations_down_sql),
    ("0003_place.up.sql", PackageResources._003_place_up_sql),
    ("0003_place.down.sql", PackageResources._003_place_down_sql),
  ]

  /// The newest migration; all before it have been run where it has been.
  public static let requiredVersion: Int64 = 3

  /// The line for one outbox. Its version lies beside the tables, in `outbox_schema_migrations`.
  /// - Parameters:
  ///   - name: such as `gateway.outbox`; for people.
  ///   - inherited: the steps that another line has made where it made these tables; 0 where this line makes them.
  public static func line(
    _ name: String, of tables: OutboxTables, inherited: Int64 = 0
  ) throws(MigratorError) -> MigrationLine {
    MigrationLine(
      name: name, migrations: try MigrationSet(files: files), versionTable: "outbox_schema_migrations",
      place: tables.schema.map { .schema($0) } ?? .beside("event"), inherited: inherited)
  }

  /// What a program needs that writes events.
  public static func writing(_ tables: OutboxTables) -> [SchemaRequirement.Access] {
    [
      .init(tables.event, ["INSERT"]), .init(tables.shard, ["SELECT"]), .init(tables.topicPause, ["SELECT"]),
    ]
  }

  /// What a program needs besides that runs a relay.
  public static func relaying(_ tables: OutboxTables) -> [SchemaRequirement.Access] {
    [
      .init(tables.wait, ["SELECT", "DELETE"]), .init(tables.done, ["SELECT", "INSERT"]),
      .init(tables.dead, ["SELECT", "INSERT"]), .init(tables.shard, ["UPDATE"]),
      .init(tables.relay, ["SELECT", "INSERT", "UPDATE", "DELETE"]), .init(tables.idSequence, ["SELECT"]),
      .init(tables.operationLog, ["SELECT", "INSERT", "DELETE"]),
    ]
  }
}
