import Errors
import Postgres
import Redis
import SagaSettings
import Settings

/// An address of PostgreSQL or Redis: one that the settings take is one that its client takes as the same, and however
/// odd it is, nothing that is said of it shows its password.
enum AddressesTarget {
  private static let secret = "s3cret"
  /// libpq refuses parameters that it does not know, and what it knows depends on its version.
  private static let knownParameters = ["dbname", "host", "port", "user", "password", "sslmode", "connect_timeout"]

  static func run(_ input: [UInt8]) throws(FuzzFinding) {
    // A setting that is not UTF-8 is refused before it comes here.
    guard let text = String(validating: input.prefix { $0 != 0x0A }, as: UTF8.self) else { return }
    for dsn in [text, "postgres://\(text)"] { try checkPostgres(dsn) }
    for dsn in [text, "redis://\(text)"] { try checkRedis(dsn) }
    if !text.contains(secret) { try checkSecrets(text) }
  }

  private static func checkPostgres(_ dsn: String) throws(FuzzFinding) {
    let query = dsn.split(separator: "?", maxSplits: 1).dropFirst().first ?? ""
    let names = query.split(separator: "&").map { $0.prefix { $0 != "=" } }
    let isKnown = names.allSatisfy { knownParameters.contains(String($0)) }
    let isRead = (try? DatabaseConfiguration(dsn: dsn, applicationName: "fuzz")) != nil
    if DataSourceName.problemOfPostgres(dsn) == nil, isKnown {
      try require(isRead, "libpq refuses \(dsn.debugDescription)")
    }
  }

  private static func checkRedis(_ dsn: String) throws(FuzzFinding) {
    let parsed = try? RedisDSN(dsn)
    if DataSourceName.problemOfRedis(dsn) == nil {
      try require(parsed != nil, "the client refuses the address \(dsn.debugDescription)")
    }
    guard let parsed else { return }
    try require(!parsed.host.isEmpty && parsed.port > 0, "\(dsn.debugDescription) names no host")
    guard parsed.user == nil, DataSourceName.problemOfRedis(dsn) == nil else { return }
    let again = try? RedisDSN(parsed.description)
    try require(
      again?.host == parsed.host && again?.port == parsed.port && again?.database == parsed.database,
      "\(dsn.debugDescription) is shown as \(parsed)")
  }

  /// Wherever the password stands, however odd what surrounds it.
  private static func checkSecrets(_ text: String) throws(FuzzFinding) {
    let settings = [
      ("DB_DSN", "postgres://u:\(text)\(secret)@h/db"), ("DB_DSN", "postgres://h/\(text)?password=\(secret)"),
      ("REDIS_DSN", "redis://:\(secret)\(text)@h"), ("DB_DNS", "postgres://u:\(secret)@h/\(text)"),
    ]
    for (name, dsn) in settings {
      do throws(SettingsError) {
        _ = try SagaSettings.load(program: .cli, environment: [name: dsn])
      } catch {
        try requireHidden(error.description, dsn)
      }
    }
    for dsn in ["postgres://u:\(secret)@\(text)", "password=\(secret) \(text)"] {
      let shown = shown { () throws(DatabaseError) in try DatabaseConfiguration(dsn: dsn, applicationName: "fuzz") }
      try requireHidden(shown, dsn)
    }
    for dsn in ["redis://:\(secret)\(text)@h", "redis://u:\(secret)@\(text)"] {
      try requireHidden(shown { () throws(RedisError) in try RedisDSN(dsn) }, dsn)
    }
  }

  /// What a log says of an address, or of why it is none.
  private static func shown<Failure: ModuleError>(_ read: () throws(Failure) -> some Any) -> String {
    do throws(Failure) {
      let address = try read()
      return "\(address) \(String(reflecting: address))"
    } catch {
      return error.description
    }
  }

  private static func requireHidden(_ shown: String, _ dsn: String) throws(FuzzFinding) {
    try require(!shown.contains(secret), "\(dsn.debugDescription) is shown: \(shown.debugDescription)")
  }
}
