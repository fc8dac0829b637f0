/// The table as people read it.
extension SettingsTable {
  /// The table of a document, in Markdown; a test compares the two.
  public func markdown() -> String {
    var text = "| setting | allowed | default | used by | what it is |\n|---|---|---|---|---|\n"
    for setting in settings {
      let users =
        setting.usedBy.count == programs.count ? "all" : setting.usedBy.map(\.short).joined(separator: ", ")
      let cells = ["`\(setting.name)`", setting.allowed, markdownDefault(setting), users, setting.summary]
      text += "| \(cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ")) |\n"
    }
    guard let properties else { return text }
    let (library, example) = (properties.library, properties.example)
    return text
      + "| `\(properties.title)` | as \(library) has it | \(library)'s | all | a \(library) property in capitals,"
      + " underscores for dots: `\(properties.name(of: example))` is `\(example)` |\n"
  }

  private func markdownDefault(_ setting: Setting<Root>) -> String {
    func show(_ value: String) -> String { value.isEmpty ? "empty" : "`\(DataSourceName.masked(value))`" }
    switch setting.standard {
    case .value(let value): return show(value)
    case .byProgram(let values):
      let shown = setting.usedBy.map { ($0, values[$0].map(show) ?? "required") }
      if Set(shown.map(\.1)).count == 1 { return shown[0].1 }
      return shown.map { "\($0.short): \($1)" }.joined(separator: "<br>")
    }
  }

  /// The settings that one program uses, for `--help`.
  public func help(for program: Program) -> String {
    var text = ""
    for setting in settings where setting.usedBy.contains(program) {
      let standard = setting.standardValue(for: program)
      let shown = standard.map { $0.isEmpty ? "empty" : DataSourceName.masked($0) } ?? "required"
      text += "  \(setting.name)\n      \(setting.summary) [\(shown)]\n      \(setting.allowed)\n"
    }
    text = text.replacing("`", with: "")
    guard let properties else { return text }
    return text + "  \(properties.title)\n      a \(properties.library) property in capitals, underscores for dots\n"
  }
}
