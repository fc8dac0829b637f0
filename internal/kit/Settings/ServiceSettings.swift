public import Logger
public import Values

/// Settings that every program has which runs as a service.
public protocol ServiceSettings: SettingSet {
  /// How the program runs.
  var service: ServiceOptions { get }
  /// Has the clients' libraries read the settings that only they can judge; called when a program is about to run.
  func check() throws(SettingsError)
}

extension ServiceSettings {
  /// Nothing that only a library can judge.
  public func check() throws(SettingsError) {}
}

/// How a service runs.
public struct ServiceOptions: Sendable {
  /// The minimum level of the log.
  public let logLevel: LogLevel
  /// The format of the log.
  public let logFormat: LogFormat
  /// Where the admin endpoint listens; nil for none.
  public let adminAddress: NetworkAddress?
  /// How long work in flight may take to end after SIGTERM.
  public let shutdownTimeout: Duration
  /// The name of the setting of `shutdownTimeout`, for the log.
  public let shutdownSetting: String

  /// - Parameter shutdownSetting: the name of the setting of `shutdownTimeout`, for the log.
  public init(
    logLevel: LogLevel, logFormat: LogFormat, adminAddress: NetworkAddress?, shutdownTimeout: Duration,
    shutdownSetting: String
  ) {
    self.logLevel = logLevel
    self.logFormat = logFormat
    self.adminAddress = adminAddress
    self.shutdownTimeout = shutdownTimeout
    self.shutdownSetting = shutdownSetting
  }
}
