internal import Values

/// The command line of the three services: `[--config FILE] [--help] [--version]`.
public struct ProgramArguments: Sendable, Hashable {
  /// The action that the arguments ask for.
  public enum Action: Sendable, Hashable {
    case run
    case help
    case version
  }

  /// `run` without an argument that asks for something else; `--help` wins over `--version`.
  public let action: Action
  /// The path after `--config`.
  public let configFile: String?

  /// - Parameter arguments: without the program's own name.
  /// - Throws: `badArgument`, naming the argument and what is allowed.
  public init(_ arguments: [String]) throws(SettingsError) {
    var rest = arguments[...]
    var file: String?
    var action = Action.run
    while let argument = rest.popFirst() {
      switch argument {
      case "--help", "-h": action = .help
      case "--version": if action == .run { action = .version }
      case "--config":
        guard let path = rest.popFirst(), !path.isEmpty else {
          throw SettingsError(.badArgument, "--config must be followed by the path of a settings file")
        }
        file = try Self.single(file, path)
      case let argument where argument.hasPrefix("--config="):
        file = try Self.single(file, String(argument.dropFirst("--config=".count)))
      default:
        throw SettingsError(
          .badArgument, "unknown argument \"\(Self.name(argument))\": expected --config FILE, --help or --version")
      }
    }
    self.action = action
    self.configFile = file
  }

  /// The part before an equals sign: settings given as arguments may hold secrets.
  private static func name(_ argument: String) -> String {
    guard let equals = argument.firstIndex(of: "=") else { return VisibleText.escaped(argument) }
    return VisibleText.escaped(String(argument[...equals])) + Secrets.mask
  }

  private static func single(_ known: String?, _ path: String) throws(SettingsError) -> String {
    guard known == nil, !path.isEmpty else {
      throw SettingsError(.badArgument, "--config takes one path and may be given once")
    }
    return path
  }

  /// The text of `--help`.
  /// - Parameter settings: what the program reads, as `SettingsTable.help` has it.
  public static func help(for program: Program, settings: String) -> String {
    """
    \(program.name): \(program.summary)

    usage: \(program.name) [--config FILE] [--help] [--version]

    Settings come from the environment, over those of FILE (KEY=VALUE a line, # comments):

    \(settings)
    """
  }
}
