internal import BankStubSettings
internal import GatewaySchema
internal import GatewaySettings
public import Migrator
internal import ProcessingSchema
internal import ProcessingSettings
internal import SagaSchema
internal import SagaSettings
public import Settings

/// The settings of all contexts, which may share a file: a new context adds its own here.
public let contexts: [SettingNames] = [
  SagaSettings.table.names, GatewaySettings.table.names, ProcessingSettings.table.names,
  BankStubSettings.table.names,
]

/// The migrations of all contexts, in the order in which they run: a new context adds its own here, with the prefix of
/// the settings of its database. Where those are not given, its tables are in the database of the saga.
/// - Throws: never for files that the tests have seen.
public func migrations() throws(MigratorError) -> [ContextMigrations] {
  [
    ContextMigrations(settingPrefix: "DB_", lines: try SagaSchema.lines(), roles: SagaSchema.roles),
    ContextMigrations(
      settingPrefix: "PROCESSING_", lines: try ProcessingSchema.lines(), roles: ProcessingSchema.roles),
    ContextMigrations(settingPrefix: "GATEWAY_", lines: try GatewaySchema.lines(), roles: GatewaySchema.roles),
  ]
}
