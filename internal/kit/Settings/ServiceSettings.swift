public import Logger
public import Values

/// Settings that every program has which runs as a service.
public protocol ServiceSettings: SettingSet {
  /// How the program runs.
  var service: ServiceOptions { get }
  /// Lets the clients' libraries parse the settings that only they can judge; called when a program is about to run.
  func check() throws(SettingsError)
}

extension ServiceSettings {
  /// Nothing that only a library can judge.
  public func check() throws(SettingsError) {}
}

/// How a service runs: a group of settings, whose rows are `shutdownRow` and `rows`.
public struct ServiceOptions: Sendable {
  /// `LOG_LEVEL`: the minimum level of the log.
  public var logLevel = LogLevel.info
  /// `LOG_FORMAT`: the format of the log.
  public var logFormat = LogFormat.text
  /// Where spans go.
  public var traces = TraceOptions()
  /// `ADMIN_ADDR`: the listen address of the admin endpoint; nil for none.
  public var adminAddress: NetworkAddress?
  /// `ADMIN_TOKEN_FILE`: the path of the token for pages of the admin endpoint that show data; empty for none.
  public var adminTokenFile = ""
  /// How long work in flight may take to end after SIGTERM.
  public var shutdownTimeout = Duration.zero
  /// The name of the setting of `shutdownTimeout`, which each context chooses; for the log.
  public let shutdownSetting: String

  /// The values before any row of a table is read.
  /// - Parameter shutdownSetting: the name of the setting of `shutdownTimeout`.
  public init(shutdownSetting: String) { self.shutdownSetting = shutdownSetting }

  /// The row of `shutdownTimeout`.
  /// - Parameter summary: names what the program drains.
  public static func shutdownRow(_ name: String, _ services: [Program], _ summary: String) -> Setting<ServiceOptions> {
    .duration(name, \.shutdownTimeout, .zero...(.seconds(600)), .value("10s"), services, summary)
  }

  /// The rows of the settings whose names are the same in all contexts: `LOG_LEVEL`, `LOG_FORMAT`, `ADMIN_ADDR`,
  /// `ADMIN_TOKEN_FILE`, and those of `TraceOptions`.
  /// - Parameters:
  ///   - adminAddress: a port for each program.
  ///   - users: the programs that log.
  ///   - services: those of them with an admin endpoint.
  public static func rows(
    adminAddress: SettingDefault, _ users: [Program], services: [Program]
  ) -> [Setting<ServiceOptions>] {
    [
      .choice(
        "LOG_LEVEL", \.logLevel, ["debug": .debug, "info": .info, "warning": .warning, "error": .error],
        .value("info"), users, "minimum log level"),
      .choice("LOG_FORMAT", \.logFormat, ["text": .text, "json": .json], .value("text"), users, "log format"),
      .optionalListener(
        "ADMIN_ADDR", \.adminAddress, adminAddress, services,
        "listen address of the admin endpoint (HTTP)"),
      .secretFile(
        "ADMIN_TOKEN_FILE", \.adminTokenFile, services,
        "token of the admin port's pages that show data, as `Authorization: Bearer`; beyond loopback there are none"
          + " without it; SIGHUP reads it again"),
    ] + TraceOptions.rows(services).within(\.traces)
  }
}
