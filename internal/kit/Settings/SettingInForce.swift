/// A setting as a program runs with it.
public struct SettingInForce: Sendable, Hashable {
  /// Where a value comes from.
  public enum Origin: Sendable, Hashable, CustomStringConvertible {
    /// Nobody gave one.
    case standard
    /// A variable of the environment.
    case environment
    /// The settings file.
    case file(path: String, line: Int)

    /// `default`, `environment`, or `/etc/orders.env line 3`.
    public var description: String {
      switch self {
      case .standard: "default"
      case .environment: "environment"
      case .file(let path, let line): "\(path) line \(line)"
      }
    }
  }

  /// The name in the environment and in settings files.
  public let name: String
  /// The value as it was given; secrets are masked.
  public let value: String
  /// Where the value comes from.
  public let origin: Origin
  /// Whether the value is another than the default one.
  public let isChanged: Bool
}

/// A program's settings with what is in force.
public struct LoadedSettings<Root: SettingSet>: Sendable {
  /// The settings.
  public let settings: Root
  /// Each setting that the program uses, in the order of the table, and after them the properties that were given.
  public let inForce: [SettingInForce]
}
