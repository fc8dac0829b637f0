internal import FoundationEssentials
internal import Values

/// A name and value with where it was found.
private struct Given {
  let name: String
  let value: String
  let origin: SettingInForce.Origin

  /// The place, for messages.
  var source: String { origin == .environment ? "the environment" : origin.description }
}

extension SettingSet {
  /// Reads and checks the settings: the environment over the file over the defaults.
  ///
  /// Every program checks every setting of its set, those of the set's other programs too. Unknown are all keys of the
  /// file that no set has, and variables of the environment that start like ours, except those that Kubernetes makes of
  /// service names.
  /// - Parameters:
  ///   - file: the path after `--config`.
  ///   - contexts: the names of the sets that may share the file or the environment, this one perhaps among them.
  /// - Throws: one error that names the first wrong setting, its value unless it may be a secret, and what is allowed.
  public static func load(
    program: Program, environment: [String: String], file: String? = nil, contexts: [SettingNames] = []
  ) throws(SettingsError) -> LoadedSettings<Self> {
    let content: EnvironmentFile? = if let file { try EnvironmentFile(path: file) } else { nil }
    return try load(
      program: program, environment: environment, file: content, path: file ?? "", contexts: contexts)
  }

  /// The same with a file that has been read.
  /// - Parameter path: the file's, for messages.
  package static func load(
    program: Program, environment: [String: String], file: EnvironmentFile?, path: String,
    contexts: [SettingNames] = []
  ) throws(SettingsError) -> LoadedSettings<Self> {
    var settings = Self(program: program)
    var missing: [Setting<Self>] = []
    for setting in table.settings {
      if let value = setting.standardValue(for: program) {
        let problem = setting.read(value, &settings)
        precondition(problem == nil, "the default of \(setting.name) is wrong: \(problem ?? "")")
      } else {
        missing.append(setting)
      }
    }
    var given: [String: Given] = [:]
    for entry in gather(environment, file, path: path) {
      try settings.take(entry, contexts)
      given[entry.name] = entry
    }
    if let setting = missing.first(where: { given[$0.name] == nil }) {
      throw SettingsError(
        .missingSetting, setting: setting.name,
        "\(setting.name) is not set: \(program.name) needs it (\(setting.summary)); expected \(setting.allowed.filter { $0 != "`" })"
      )
    }
    try settings.finish()
    return LoadedSettings(settings: settings, inForce: inForce(program, given))
  }

  private static func inForce(_ program: Program, _ given: [String: Given]) -> [SettingInForce] {
    let rows = table.settings.filter { $0.usedBy.contains(program) }.map { setting in
      let standard = setting.standardValue(for: program)
      let entry = given[setting.name]
      return SettingInForce(
        name: setting.name, value: setting.masked(entry?.value ?? standard ?? ""), origin: entry?.origin ?? .standard,
        isChanged: entry.map { $0.value != standard } ?? false)
    }
    guard let properties = table.properties else { return rows }
    let others = given.values.sorted { $0.name < $1.name }.compactMap { entry -> SettingInForce? in
      guard table.setting(named: entry.name) == nil, let property = properties.names.property(of: entry.name) else {
        return nil
      }
      return SettingInForce(
        name: entry.name, value: properties.masked(entry.value, of: property), origin: entry.origin, isChanged: true)
    }
    return rows + others
  }

  /// All given values, the file's first, so that the environment wins; a value of the file is checked even where it
  /// loses.
  private static func gather(_ environment: [String: String], _ file: EnvironmentFile?, path: String) -> [Given] {
    var all = (file?.entries ?? []).map { entry in
      Given(name: entry.name, value: entry.value, origin: .file(path: path, line: entry.line))
    }
    for (name, value) in environment.sorted(by: { $0.key < $1.key }) {
      let isOurs = table.setting(named: name) != nil || table.prefixes.contains(where: name.hasPrefix)
      if isOurs, !ServiceLink.isOne(name: name, value: value) {
        all.append(Given(name: name, value: value, origin: .environment))
      }
    }
    return all
  }

  private mutating func take(_ given: Given, _ contexts: [SettingNames]) throws(SettingsError) {
    if let setting = Self.table.setting(named: given.name) {
      try setting.take(given.value, into: &self, from: given.source)
    } else if contexts.contains(where: { $0.contains(given.name) }) {
      // Another context's, whose programs check it.
    } else if let properties = Self.table.properties, let property = properties.names.property(of: given.name) {
      if let problem = properties.read(given.value, of: property, &self) {
        throw SettingsError(.invalidValue, setting: given.name, "\(given.name) in \(given.source): \(problem)")
      }
    } else if !contexts.contains(where: { $0.isProperty(given.name) }) {
      let known = Self.table.settings.map(\.name) + contexts.flatMap(\.all)
      let nearest = Spelling.nearest(to: given.name, among: known)
      let hint = nearest.map { "did you mean \($0)?" } ?? "--help lists them all"
      throw SettingsError(
        .unknownSetting, setting: given.name, "\(given.name) in \(given.source): no such setting; \(hint)")
    }
  }
}
