import SagaSettings
import Settings

/// The parsed command line: the command, its arguments, and the options that every command has.
struct CommandParser: Sendable {
  enum Outcome: Sendable {
    case help(String)
    case version
    case run(name: String, Arguments)
  }

  private(set) var outcome = Outcome.version
  /// The path after `--config`.
  private(set) var configFile: String?
  private(set) var wantsJSON = false
  /// How long servers may take to answer; nil where it is not said, and where the option means something else.
  private(set) var timeout: Duration?

  private let commands: [Usage]
  private var command: Usage?
  private var group: String?
  private var given: [String: String] = [:]
  private var operands: [String] = []

  /// - Parameters:
  ///   - words: the command line without the program's name.
  ///   - commands: all there are, in the order in which `--help` lists them.
  /// - Throws: a usage error that names the word it stopped at and what was probably meant.
  init(_ words: [String], commands: [Usage]) throws(CommandError) {
    self.commands = commands
    var rest = words[...]
    if rest.first == "help" {
      given["--help"] = ""
      rest.removeFirst()
    }
    while let word = rest.popFirst() {
      switch word {
      case "-h": given["--help"] = ""
      case let word where word.hasPrefix("-") && word != "-": try takeOption(word, &rest)
      default: try takeWord(word)
      }
    }
    outcome = try decide()
    configFile = given["--config"]
    wantsJSON = given["--json"] != nil
    if command?.options.contains(where: { $0.name == "--timeout" }) != true {
      timeout = try Arguments(command: command?.name ?? "", given: given, operands: []).duration("--timeout")
    }
  }

  private mutating func takeOption(_ word: String, _ rest: inout ArraySlice<String>) throws(CommandError) {
    let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let known = command?.allOptions ?? Option.global
    guard let option = known.first(where: { $0.name == parts[0] }) else { throw unknownOption(parts[0], known) }
    guard let placeholder = option.value else {
      guard parts.count == 1 else { throw .usage("\(option.name) takes no value") }
      given[option.name] = ""
      return
    }
    guard given[option.name] == nil else { throw .usage("\(option.name) is there twice") }
    if parts.count == 2 {
      given[option.name] = parts[1]
    } else if let value = rest.first, !value.hasPrefix("--") {
      given[option.name] = value
      rest.removeFirst()
    } else {
      throw .usage("\(option.name) needs a value: \(option.name) \(placeholder)")
    }
  }

  private func unknownOption(_ name: String, _ known: [Option]) -> CommandError {
    let shown = printable(name)
    if command == nil, commands.contains(where: { $0.options.contains { $0.name == name } }) {
      return .usage("\(shown) comes after the command: paysaga COMMAND \(shown); paysaga --help")
    }
    let hint = Spelling.nearest(to: name, among: known.map(\.name)).map { "did you mean \($0)?" }
    let help = command.map { "paysaga \($0.name) --help" } ?? "paysaga --help"
    return .usage("unknown option \(shown)\(command.map { " of \($0.name)" } ?? ""); \(hint ?? "see \(help)")")
  }

  private mutating func takeWord(_ word: String) throws(CommandError) {
    // A command may have further ones below it, as `reconcile` has `reconcile clearing`.
    if let command, operands.isEmpty, given.isEmpty,
      let found = commands.first(where: { $0.words == command.words + [word] })
    {
      self.command = found
    } else if let command {
      guard command.operand != nil, operands.isEmpty || command.takesManyOperands else {
        throw .usage("\(command.name) takes no \"\(printable(word))\"; see paysaga \(command.name) --help")
      }
      operands.append(word)
    } else if let group {
      guard let found = commands.first(where: { $0.words == [group, word] }) else {
        throw unknownCommand("\(group) \(word)", word, among: members(of: group).map { $0.words[1] }, in: group)
      }
      command = found
    } else if let found = commands.first(where: { $0.words == [word] }) {
      command = found
    } else if !members(of: word).isEmpty {
      group = word
    } else {
      throw unknownCommand(word, word, among: commands.map { $0.words[0] }, in: nil)
    }
  }

  private func unknownCommand(_ full: String, _ word: String, among names: [String], in group: String?) -> CommandError
  {
    let prefix = group.map { "\($0) " } ?? ""
    let hint = Spelling.nearest(to: word, among: names).map { "did you mean \(prefix)\($0)?" }
    return .usage("unknown command \"\(printable(full))\"; \(hint ?? "paysaga --help lists them all")")
  }

  private func members(of group: String) -> [Usage] {
    commands.filter { $0.words.count == 2 && $0.words[0] == group }
  }

  private func decide() throws(CommandError) -> Outcome {
    if given["--help"] != nil { return .help(help) }
    if given["--version"] != nil { return .version }
    if let command {
      return .run(name: command.name, Arguments(command: command.name, given: given, operands: operands))
    }
    guard let group else { throw .usage("no command given; paysaga --help lists them all") }
    let names = members(of: group).map { $0.words[1] }.joined(separator: ", ")
    throw .usage("\(group) what? It has \(names); see paysaga \(group) --help")
  }

  private var help: String {
    if let command { return command.help }
    if let group { return members(of: group).map(\.help).joined(separator: "\n\n") }
    let width = commands.map(\.name.count).max() ?? 0
    let list = commands.map { "  \(Usage.pad($0.name, width))  \($0.summary)\n" }.joined()
    let options = Option.global.map { "  \(Usage.pad($0.usage, width + 2))  \($0.summary)\n" }.joined()
    return """
      \(Program.cli.name): \(Program.cli.summary)

      usage: paysaga COMMAND [OPTION…]

      \(list)
      \(options)
      paysaga COMMAND --help shows the options of a command and an example.
      Exit status: 0 when it was done, 1 when it failed, 2 for a mistake on the command line or in a setting.

      Settings, from the environment over those of --config FILE; without any, the addresses of `make up`:

      \(SagaSettings.table.help(for: .cli))
      """
  }
}
