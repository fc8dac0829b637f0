public import Errors

/// Why a program does not start: a setting, the settings file or an argument is wrong.
public struct SettingsError: ModuleError {
  public enum Code: Sendable, Hashable {
    /// A name that no setting has.
    case unknownSetting
    /// A setting with a value that is not allowed.
    case invalidValue
    /// A setting that this program cannot do without.
    case missingSetting
    /// The settings file cannot be read, or a line of it is not `KEY=VALUE`.
    case unreadableFile, malformedFile
    /// A command line argument that is none of ours.
    case badArgument
  }

  public let code: Code
  /// The setting it is about, when there is one.
  public let setting: String?
  public let message: String
  public let cause: (any Error)?
  public let location: SourceLocation
  /// Never: somebody has to change something first.
  public var isRetryable: Bool { false }

  /// - Parameters:
  ///   - setting: the setting it is about, when there is one.
  ///   - message: quotes no secret and no unknown setting's value.
  public init(_ code: Code, setting: String? = nil, _ message: String, location: SourceLocation = .here()) {
    self.code = code
    self.setting = setting
    self.message = message
    self.cause = nil
    self.location = location
  }
}
