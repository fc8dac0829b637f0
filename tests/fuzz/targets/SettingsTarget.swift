import Errors
import SagaSettings
import Settings
import Values

/// A settings file is read as it was meant or refused with a message, and a value that is written reads back the same.
enum SettingsTarget {
  private static let required = ["DB_DSN": "postgres://h/db", "KAFKA_BROKERS": "h:1"]

  static func run(_ input: [UInt8]) throws(FuzzFinding) {
    // A file that is not UTF-8 is refused before it comes here.
    guard let text = String(validating: input, as: UTF8.self) else { return }
    try checkFile(text)
    let line = String(text.prefix { !$0.isNewline })
    try checkValues(line)
  }

  private static func checkFile(_ text: String) throws(FuzzFinding) {
    guard let file = try? EnvironmentFile(text: text, path: "f") else { return }
    for entry in file.entries {
      let quoted = "\(entry.name)=\"\(escaped(entry.value))\" # comment"
      let again = try? EnvironmentFile(text: quoted, path: "f")
      try require(
        again?.entries.map(\.value) == [entry.value] && again?.entries.map(\.name) == [entry.name],
        "\(entry.name) quoted as \(quoted.debugDescription) reads otherwise")
    }
    for program in [Program.cli, .server] {
      do throws(SettingsError) {
        _ = try SagaSettings.load(program: program, environment: required, file: file, path: "f")
      } catch {
        try require(!error.description.isEmpty, "an error without a word")
      }
    }
  }

  private static func escaped(_ value: String) -> String {
    var text = String.UnicodeScalarView()
    for scalar in value.unicodeScalars {
      if scalar == "\"" || scalar == "\\" { text.append("\\") }
      text.append(scalar)
    }
    return String(text)
  }

  private static func checkValues(_ text: String) throws(FuzzFinding) {
    if let duration = DurationText.parse(text) {
      let written = DurationText.format(duration)
      try require(DurationText.parse(written) == duration, "\(text.debugDescription) is written \(written)")
    }
    if let address = NetworkAddress(text) {
      try require(NetworkAddress(address.description) == address, "\(text.debugDescription) is written \(address)")
    }
  }
}
