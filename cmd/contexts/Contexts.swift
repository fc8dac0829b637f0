internal import BankStubSettings
public import Migrator
internal import SagaSchema
internal import SagaSettings
public import Settings

/// The settings of all contexts, which may share a file: a new context adds its own here.
public let contexts: [SettingNames] = [SagaSettings.table.names, BankStubSettings.table.names]

/// The lines of migrations of all contexts, in the order in which they run: a new context adds its own here.
/// - Throws: never for files that the tests have seen.
public func migrationLines() throws(MigratorError) -> [MigrationLine] { try SagaSchema.lines() }
