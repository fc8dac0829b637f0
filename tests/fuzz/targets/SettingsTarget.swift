import Errors
import Postgres
import Redis
import SagaSettings
import Settings
import Values

/// A settings file is read as it was meant or refused with a message that gives no password away, and an address that
/// is taken is one that its client takes.
enum SettingsTarget {
  private static let secret = "s3cret"
  private static let required = ["DB_DSN": "postgres://h/db", "KAFKA_BROKERS": "h:1"]
  /// libpq refuses parameters that it does not know, and what it knows depends on its version.
  private static let knownParameters = ["dbname", "host", "port", "user", "password", "sslmode", "connect_timeout"]

  static func run(_ input: [UInt8]) throws(FuzzFinding) {
    // A file that is not UTF-8 is refused before it comes here.
    guard let text = String(validating: input, as: UTF8.self) else { return }
    try checkFile(text)
    let line = String(text.prefix { !$0.isNewline })
    try checkPostgres(line)
    try checkRedis(line)
    try checkMask(line)
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

  private static func checkPostgres(_ text: String) throws(FuzzFinding) {
    for dsn in [text, "postgres://\(text)"] where DataSourceName.problemOfPostgres(dsn) == nil {
      let query = dsn.split(separator: "?", maxSplits: 1).dropFirst().first ?? ""
      let names = query.split(separator: "&").map { $0.prefix { $0 != "=" } }
      guard names.allSatisfy({ knownParameters.contains(String($0)) }) else { continue }
      try require(
        (try? DatabaseConfiguration(dsn: dsn, applicationName: "fuzz")) != nil, "libpq refuses \(dsn.debugDescription)")
    }
  }

  private static func checkRedis(_ text: String) throws(FuzzFinding) {
    for dsn in [text, "redis://\(text)"] where DataSourceName.problemOfRedis(dsn) == nil {
      guard let parsed = try? RedisDSN(dsn) else {
        throw FuzzFinding("the client refuses the address \(dsn.debugDescription)")
      }
      try require(!parsed.host.isEmpty && parsed.port > 0, "\(dsn.debugDescription) names no host")
    }
  }

  /// Wherever a password stands, however odd what surrounds it, a message does not show it.
  private static func checkMask(_ text: String) throws(FuzzFinding) {
    guard !text.contains(secret) else { return }
    for (name, dsn) in [
      ("DB_DSN", "postgres://u:\(text)\(secret)@h/db"), ("DB_DSN", "postgres://h/\(text)?password=\(secret)"),
      ("REDIS_DSN", "redis://:\(secret)\(text)@h"), ("DB_DNS", "postgres://u:\(secret)@h/\(text)"),
    ] {
      do throws(SettingsError) {
        _ = try SagaSettings.load(program: .cli, environment: [name: dsn])
      } catch {
        try require(
          !error.description.contains(secret),
          "\(name)=\(dsn.debugDescription) is shown: \(error.description.debugDescription)")
      }
    }
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
