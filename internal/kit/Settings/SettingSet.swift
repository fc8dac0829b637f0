/// A set of settings: a value whose properties the rows of a table fill in. A context declares one for its programs.
public protocol SettingSet: Sendable {
  /// The values before any row is read.
  init(program: Program)
  /// Every setting of the set's programs.
  static var table: SettingsTable<Self> { get }
  /// Derives values from others and checks them against each other, once every row has been read.
  mutating func finish() throws(SettingsError)
}
