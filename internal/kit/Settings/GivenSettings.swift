package import Values

/// Settings of any context, for commands that work on several contexts: the environment over a file, read when they are
/// asked for. Single ones have no defaults, a group has those of its rows.
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

  /// A group of settings.
  /// - Parameters:
  ///   - rows: the group's.
  ///   - group: the group before any row is read.
  ///   - program: whose defaults they have.
  /// - Throws: an error that names the first wrong setting, with its value unless it may be a secret.
  package func group<Group>(
    _ rows: [Setting<Group>], of group: Group, for program: Program
  ) throws(SettingsError) -> Group {
    var group = group
    for row in rows {
      if let value = text(row.name) ?? row.standardValue(for: program) { try row.take(value, into: &group) }
    }
    return group
  }

  /// A setting as it is given; nil where it is not given or empty.
  package func text(_ name: String) -> String? {
    guard let value = environment[name] ?? file[name], !value.isEmpty else { return nil }
    return value
  }
}
