/// Where a setting's value comes from when nobody gives one.
public enum SettingDefault: Sendable {
  case value(String)
  /// No value for a program that is not named: it does not start without one.
  case byProgram([Program: String])
}

/// What may be shown of a setting's value.
enum SettingSecrecy: Sendable {
  /// All of it; a password that stands in it by mistake is masked.
  case open
  /// An address with a password in it: messages about a wrong one do not show it, since nobody knows where its password
  /// ends; of a sound one the password is masked.
  case address
  /// Nothing: it is a key or a password.
  case secret
}

/// One row of a settings table: it drives parsing, checks, `--help` and the table in docs/settings.md.
public struct Setting<Root: Sendable>: Sendable {
  /// Where the value comes from when nobody gives one.
  public typealias Default = SettingDefault
  /// The property that the row fills in.
  public typealias Path<Value> = any WritableKeyPath<Root, Value> & Sendable

  /// The name in the environment and in settings files.
  public let name: String
  /// The allowed values, in words that follow "expected".
  public let allowed: String
  /// Its purpose, in one line.
  public let summary: String
  /// The programs that use it; the others check it all the same, so that one file serves all.
  public let usedBy: [Program]
  let secrecy: SettingSecrecy
  let standard: Default
  /// Stores a value.
  /// - Returns: what is wrong with it, or nil.
  let read: @Sendable (String, inout Root) -> String?

  /// The default for one program; nil when it must be given.
  public func standardValue(for program: Program) -> String? {
    switch standard {
    case .value(let value): value
    case .byProgram(let values): values[program]
    }
  }

  /// Stores a value that was given.
  /// - Parameter source: where it was found, for messages; nil where that is not known.
  /// - Throws: an error that names the setting, with the value unless it may be a secret.
  func take(_ value: String, into root: inout Root, from source: String? = nil) throws(SettingsError) {
    guard let problem = read(value, &root) else { return }
    let shown = shown(value).map { "=\($0)" } ?? ""
    let place = source.map { " in \($0)" } ?? ""
    throw SettingsError(.invalidValue, setting: name, "\(name)\(shown)\(place): \(problem)")
  }

  /// A value, which may be wrong, as messages may show it; nil when they may not.
  func shown(_ value: String) -> String? { secrecy == .open ? Secrets.shown(value) : nil }

  /// A sound value as pages and logs may show it.
  func masked(_ value: String) -> String {
    secrecy == .secret && !value.isEmpty ? Secrets.mask : Secrets.shown(value)
  }
}
