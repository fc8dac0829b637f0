public import Migrator
public import Outbox
internal import OutboxSchema

/// The gateway's tables: the files of migrations/gateway, compiled in, so that no file of another origin can take their
/// place.
public enum GatewaySchema {
  /// The files, each under its name; a new one is added here, and a test compares the list with the folder.
  package static let files: [(name: String, content: [UInt8])] = [
    // The names of the constants are the package manager's: it makes an underscore of the first digit.
    ("0001_gateway.up.sql", PackageResources._001_gateway_up_sql),
    ("0001_gateway.down.sql", PackageResources._001_gateway_down_sql),
    ("0002_archive.up.sql", PackageResources._002_archive_up_sql),
    ("0002_archive.down.sql", PackageResources._002_archive_down_sql),
    ("0003_keys.up.sql", PackageResources._003_keys_up_sql),
    ("0003_keys.down.sql", PackageResources._003_keys_down_sql),
    ("0004_tokens.up.sql", PackageResources._004_tokens_up_sql),
    ("0004_tokens.down.sql", PackageResources._004_tokens_down_sql),
    ("0005_users.up.sql", PackageResources._005_users_up_sql),
    ("0005_users.down.sql", PackageResources._005_users_down_sql),
    ("0006_origin.up.sql", PackageResources._006_origin_up_sql),
    ("0006_origin.down.sql", PackageResources._006_origin_down_sql),
    ("0007_surfaces.up.sql", PackageResources._007_surfaces_up_sql),
    ("0007_surfaces.down.sql", PackageResources._007_surfaces_down_sql),
    ("0008_dead_letters.up.sql", PackageResources._008_dead_letters_up_sql),
    ("0008_dead_letters.down.sql", PackageResources._008_dead_letters_down_sql),
    ("0009_holders.up.sql", PackageResources._009_holders_up_sql),
    ("0009_holders.down.sql", PackageResources._009_holders_down_sql),
    ("0010_webhooks.up.sql", PackageResources._010_webhooks_up_sql),
    ("0010_webhooks.down.sql", PackageResources._010_webhooks_down_sql),
    ("0011_missing_payments.up.sql", PackageResources._011_missing_payments_up_sql),
    ("0011_missing_payments.down.sql", PackageResources._011_missing_payments_down_sql),
    ("0012_webhook_traces.up.sql", PackageResources._012_webhook_traces_up_sql),
    ("0012_webhook_traces.down.sql", PackageResources._012_webhook_traces_down_sql),
  ]

  /// The newest migration; all before it have been run where it has been.
  package static let requiredVersion: Int64 = 12

  /// The schema.
  public static let name = "gateway"

  /// The gateway's outbox, with a channel of its own.
  public static let outbox: OutboxTables = {
    do {
      return try OutboxTables(schema: name, channel: "gateway_outbox")
    } catch {
      preconditionFailure("the outbox has no name: \(error)")
    }
  }()

  /// The gateway's lines of migrations, in the order in which they run: its own, and its outbox's.
  /// - Parameters:
  ///   - schema: where the payments are; its name as the catalogue has it, not quoted.
  ///   - outbox: which is in the same schema.
  public static func lines(
    schema: String = name, outbox: OutboxTables = GatewaySchema.outbox
  ) throws(MigratorError) -> [MigrationLine] {
    [try line(schema), try outboxLine(outbox)]
  }

  static func line(_ schema: String) throws(MigratorError) -> MigrationLine {
    MigrationLine(name: "gateway", migrations: try MigrationSet(files: files), place: .schema(schema))
  }

  static func outboxLine(_ outbox: OutboxTables) throws(MigratorError) -> MigrationLine {
    try OutboxSchema.line("gateway.outbox", of: outbox)
  }
}
