/// The names of a set of settings, as the programs of other sets know them: several contexts may share a settings file
/// or an environment, and each program reads its own settings and passes over the rest.
public struct SettingNames: Sendable {
  /// Every setting's name.
  let all: [String]
  private let set: Set<String>
  private let properties: PropertyNames?

  init(_ names: [String], properties: PropertyNames?) {
    all = names
    set = Set(names)
    self.properties = properties
  }

  /// Whether the set has a setting of that name.
  func contains(_ name: String) -> Bool { set.contains(name) }

  /// Whether the name stands for a property of a library that the set's programs read.
  func isProperty(_ name: String) -> Bool { properties?.property(of: name) != nil }
}
