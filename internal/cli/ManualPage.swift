import SagaSettings
import Settings

/// The manual page of `paysaga` in roff, made from the commands' usages.
struct ManualPage: Sendable {
  private let commands: [Usage]

  init(_ commands: [Usage]) { self.commands = commands }

  /// Section 1.
  var roff: String {
    let head = """
      .TH PAYSAGA 1 "" "Paysaga \(BuildInfo.version)" "User Commands"
      .SH NAME
      paysaga \\- \(Self.text(Program.cli.summary))
      .SH SYNOPSIS
      .B paysaga
      \\fICOMMAND\\fR [\\fIOPTION\\fR...]
      .SH OPTIONS
      Every command takes these.
      \(Self.list(Option.global))
      .SH COMMANDS
      """
    let tail = """
      .SH EXIT STATUS
      0 when it was done, 1 when it failed, 2 for a mistake on the command line or in a setting. \\fBaudit\\fR and
      \\fBreconcile\\fR: 1 when they found disagreement.
      .SH SETTINGS
      From the environment over those of \\-\\-config FILE: see \\fBpaysaga \\-\\-help\\fR.
      """
    return ([head] + commands.map(Self.section) + [tail]).joined(separator: "\n")
  }

  private static func section(_ command: Usage) -> String {
    var lines = [
      ".SS paysaga \(text(command.name)) \(text(command.synopsis))", "\(text(command.summary)).",
      list(command.options),
    ]
    if !command.notes.isEmpty { lines += [".PP", text(command.notes)] }
    lines += [".PP", ".RS 4", ".nf", text(command.example), ".fi", ".RE"]
    return lines.filter { !$0.isEmpty }.joined(separator: "\n")
  }

  private static func list(_ options: [Option]) -> String {
    options.map { ".TP\n\\fB\(text($0.name))\\fR\($0.value.map { " \\fI\(text($0))\\fR" } ?? "")\n\(text($0.summary))" }
      .joined(separator: "\n")
  }

  /// Text in which nothing is a request: no line begins with a dot or a quote, and hyphens can be copied.
  private static func text(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      var shown = ""
      if line.first == "." || line.first == "'" { shown = "\\&" }
      for character in line {
        switch character {
        case "\\": shown += "\\e"
        case "-": shown += "\\-"
        case "…": shown += "..."
        default: shown.append(character)
        }
      }
      return shown
    }.joined(separator: "\n")
  }
}
