/// Every setting of a set, in the order in which `--help` and the documentation show them.
public struct SettingsTable<Root: SettingSet>: Sendable {
  /// The programs that share the table.
  public let programs: [Program]
  /// The context's own names; a library's properties come on top, see `PropertySettings`.
  public let settings: [Setting<Root>]
  /// Variables of the environment that start like this are meant for the set, and are wrong when no row has them.
  let prefixes: [String]
  /// The properties of a library that the set's programs read; nil for none.
  let properties: PropertySettings<Root>?
  private let byName: [String: Setting<Root>]

  /// - Parameters:
  ///   - prefixes: how names start that are the set's alone.
  ///   - properties: the properties of a library that the set's programs read.
  ///   - settings: the rows; each name once.
  public init(
    programs: [Program], prefixes: [String],
    properties: PropertySettings<Root>? = nil, _ settings: [Setting<Root>]
  ) {
    self.programs = programs
    self.prefixes = prefixes
    self.properties = properties
    self.settings = settings
    byName = Dictionary(uniqueKeysWithValues: settings.map { ($0.name, $0) })
  }

  /// The names of this set, for the programs of other sets.
  public var names: SettingNames { SettingNames(settings.map(\.name), properties: properties?.names) }

  /// The setting of that name.
  func setting(named name: String) -> Setting<Root>? { byName[name] }
}
