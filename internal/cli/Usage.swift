/// The usage of a command: drives the parser, `--help` and the hints after a mistake.
struct Usage: Sendable {
  /// One word, or a group and a word: `push`, `migrate up`.
  let name: String
  /// Summary, in one line.
  let summary: String
  /// The one word it may take after its name; nil for none.
  var operand: String?
  /// Whether it takes any number of them.
  var takesManyOperands = false
  var options: [Option] = []
  /// Required arguments, as the first line of `--help` shows them after the name.
  let synopsis: String
  /// More to know, in whole lines; may be empty.
  var notes = ""
  /// A command line that can be copied.
  let example: String

  var words: [String] { name.split(separator: " ").map(String.init) }

  /// Its own options, then those that every command takes, unless it has its own of that name.
  var allOptions: [Option] { options + Option.global.filter { global in !options.contains { $0.name == global.name } } }

  /// The text of `--help`.
  var help: String {
    let head = "paysaga \(name): \(summary)\n\nusage: paysaga \(name)\(synopsis.isEmpty ? "" : " \(synopsis)")\n\n"
    let notes = notes.isEmpty ? "" : "\n\(notes)\n"
    return head + Self.table(allOptions) + notes + "\nexample:\n  \(example)"
  }

  private static func table(_ options: [Option]) -> String {
    let width = options.map(\.usage.count).max() ?? 0
    return options.map { "  \(pad($0.usage, width))  \($0.summary)\n" }.joined()
  }

  static func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }
}
