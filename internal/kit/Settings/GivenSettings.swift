package import Values

/// Single settings of any context, for commands that work on several contexts: the environment over a file, read when
/// they are asked for. There are no defaults.
package struct GivenSettings {
  private let environment: [String: String]
  private let file: [String: String]

  /// - Parameter path: the settings file's, where there is one.
  package init(environment: [String: String], file path: String?) throws(SettingsError) {
    self.environment = environment
    file =
      if let path {
        Dictionary(uniqueKeysWithValues: try EnvironmentFile(path: path).entries.map { ($0.name, $0.value) })
      } else {
        [:]
      }
  }

  /// The address of a PostgreSQL server that a setting names; nil where the setting is not given or empty.
  /// - Throws: an error without the value, which may hold a password.
  package func postgres(_ name: String) throws(SettingsError) -> String? {
    guard let value = text(name) else { return nil }
    if let problem = DataSourceName.problemOfPostgres(value) {
      throw SettingsError(.invalidValue, setting: name, "\(name): \(problem)")
    }
    return value
  }

  /// The address that a setting names; nil where the setting is not given or empty.
  package func address(_ name: String) throws(SettingsError) -> NetworkAddress? {
    guard let value = text(name) else { return nil }
    guard let address = NetworkAddress(value) else {
      throw SettingsError(.invalidValue, setting: name, "\(name): expected HOST:PORT")
    }
    return address
  }

  /// A setting as it is given; nil where it is not given or empty.
  package func text(_ name: String) -> String? {
    guard let value = environment[name] ?? file[name], !value.isEmpty else { return nil }
    return value
  }
}
