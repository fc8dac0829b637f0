/// `completion`: prints what a shell needs to complete command lines.
struct Completion: Subcommand {
  static let usage = Usage(
    name: "completion", summary: "print the script by which a shell completes paysaga's command lines",
    operand: "SHELL",
    synopsis: "bash|zsh|fish",
    notes: "source <(paysaga completion bash) tries it. The Debian package installs all three.",
    example: "paysaga completion bash")

  private let shell: ShellCompletion.Shell

  init(_ arguments: Arguments) throws(CommandError) {
    let names = ShellCompletion.Shell.allCases.map(\.rawValue).joined(separator: ", ")
    guard let text = arguments.operand else { throw .usage("completion expects one of \(names)") }
    guard let shell = ShellCompletion.Shell(rawValue: text) else {
      throw .usage("completion expects one of \(names), found \"\(printable(text))\"")
    }
    self.shell = shell
  }

  func run(_ session: Session) throws { session.output.print(ShellCompletion(Subcommands.usages).script(for: shell)) }
}

/// `manual`: prints the manual page.
struct Manual: Subcommand {
  static let usage = Usage(
    name: "manual", summary: "print the manual page, which the Debian package installs as paysaga(1)", synopsis: "",
    notes: "paysaga manual | man -l - shows it.",
    example: "paysaga manual")

  init(_ arguments: Arguments) throws(CommandError) {}

  func run(_ session: Session) throws { session.output.print(ManualPage(Subcommands.usages).roff) }
}
