import ClientSettings
import Testing

@testable import Settings

/// A context with two databases, made up for these tests.
private struct TwoDatabases: SettingSet {
  static let program = Program(name: "gateway", short: "gateway", summary: "has two databases")
  static let table = SettingsTable<TwoDatabases>(
    programs: [program], prefixes: ["OWN_", "OTHER_"],
    [
      DatabaseSettings.rows(prefix: "OWN_", dsn: .byProgram([:]), [program], services: [program]).within(\.own),
      DatabaseSettings.rows(prefix: "OTHER_", dsn: .value("postgres://h/other"), [program], services: [program])
        .within(\.other),
    ].flatMap { $0 })

  var own = DatabaseSettings()
  var other = DatabaseSettings()

  init(program: Program) {}

  mutating func finish() {
    own.finish()
    other.finish()
  }
}

/// Groups of settings that bring their rows.
@Suite struct SettingGroupTests {
  private func load(_ environment: [String: String]) throws(SettingsError) -> TwoDatabases {
    try TwoDatabases.load(program: TwoDatabases.program, environment: environment).settings
  }

  @Test func `a group may be in a set twice, each under its own prefix`() throws {
    let settings = try load(["OWN_DSN": "postgres://h/own", "OTHER_STATEMENT_TIMEOUT": "3s"])
    #expect(settings.own.dsn == "postgres://h/own" && settings.own.statementTimeout == .seconds(10))
    #expect(settings.other.dsn == "postgres://h/other" && settings.other.statementTimeout == .seconds(3))
    #expect(settings.own.directDSN == settings.own.dsn && settings.other.directDSN == settings.other.dsn)
  }

  @Test func `a group's row is checked like the set's own`() {
    #expect(throws: SettingsError.self) { try load([:]) }
    let refusal = #expect(throws: SettingsError.self) { try load(["OWN_DSN": "postgres://u:secret@h"]) }
    #expect(refusal?.setting == "OWN_DSN" && refusal?.message.contains("secret") == false)
    #expect(TwoDatabases.table.markdown().contains("`OTHER_DIRECT_DSN`"))
    #expect(TwoDatabases.table.markdown().contains("empty: `OTHER_DSN`"))
  }
}
