internal import SagaSettings
public import Settings

/// The settings of all contexts, which may share a file: a new context adds its own here.
public let contexts: [SettingNames] = [SagaSettings.table.names]
