extension Arguments {
  /// What was done and why, of `--note`.
  func note() throws(CommandError) -> String { try text(try required("--note"), "--note", most: 1_000) }

  /// Who does it: `--by`, or the user of this machine who runs the command.
  func person() throws(CommandError) -> String { try text(text("--by") ?? Operator.user, "--by", most: 255) }

  private func text(_ text: String, _ option: String, most: Int) throws(CommandError) -> String {
    guard (1...most).contains(text.utf8.count) else { throw .usage("\(option) expects 1 to \(most) bytes") }
    return text
  }
}
