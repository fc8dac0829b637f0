internal import Values

/// The command line of the services: `[--config FILE] [--check | --print-config | --help | --version]`.
public struct ProgramArguments: Sendable, Hashable {
  /// The action that the arguments ask for.
  public enum Action: Sendable, Hashable {
    case run
    /// Reads the settings and the files that they name, and ends.
    case check
    /// Prints the settings in force and ends.
    case printConfig
    case version
    case help
  }

  /// `run` without an argument that asks for something else; of several the last one listed here wins.
  public let action: Action
  /// The path after `--config`.
  public let configFile: String?

  /// - Parameter arguments: without the program's own name.
  /// - Throws: `badArgument`, naming the argument and what is allowed.
  public init(_ arguments: [String]) throws(SettingsError) {
    var rest = arguments[...]
    var file: String?
    var wanted: [Action] = []
    while let argument = rest.popFirst() {
      switch argument {
      case "--help", "-h": wanted.append(.help)
      case "--version": wanted.append(.version)
      case "--print-config": wanted.append(.printConfig)
      case "--check": wanted.append(.check)
      case "--config":
        guard let path = rest.popFirst(), !path.isEmpty else {
          throw SettingsError(.badArgument, "--config must be followed by the path of a settings file")
        }
        file = try Self.single(file, path)
      case let argument where argument.hasPrefix("--config="):
        file = try Self.single(file, String(argument.dropFirst("--config=".count)))
      default:
        throw SettingsError(
          .badArgument,
          "unknown argument \"\(Self.name(argument))\": expected --config FILE,"
            + " --check, --print-config, --help or --version")
      }
    }
    action = [.help, .version, .printConfig, .check].first(where: wanted.contains) ?? .run
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

    usage: \(program.name) [--config FILE] [--check | --print-config | --help | --version]

      --check         reads the settings and the files that they name, says what is wrong, and ends
      --print-config  prints the settings in force as JSON, each with its origin and without secrets, and ends

    Settings come from the environment, over those of FILE (KEY=VALUE a line, # comments):

    \(settings)
    """
  }
}
