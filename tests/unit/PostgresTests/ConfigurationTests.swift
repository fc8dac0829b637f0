import Errors
import Testing

@testable import Postgres

@Suite("Database configuration")
struct ConfigurationTests {
  private let dsn = "postgres://payments:s3cr%40t@db.example:6432/pay?sslmode=disable"

  private func value(_ name: String, _ configuration: DatabaseConfiguration) -> String? {
    configuration.connectionKeywords.first { $0.name == name }?.value
  }

  @Test func thePasswordNeverShows() throws {
    let configuration = try DatabaseConfiguration(dsn: dsn, applicationName: "test")
    #expect(value("password", configuration) == "s3cr@t")
    #expect("\(configuration)" == "payments@db.example:6432/pay")
    var dumped = ""
    dump(configuration, to: &dumped)
    for text in ["\(configuration)", String(reflecting: configuration), dumped, "\([configuration])"] {
      #expect(!text.contains("s3cr"))
    }
  }

  @Test(arguments: ["", "nonsense", "postgres://u:pa%zz@h/db", "postgres://u:top-secret@h:x/db?nonsense=1"])
  func aBadDSNIsRefusedWithoutQuotingIt(dsn: String) throws {
    let error = try #require(throws: DatabaseError.self) { try DatabaseConfiguration(dsn: dsn, applicationName: "t") }
    #expect(error.code == .invalidDSN && !error.isRetryable)
    #expect(!error.debugDescription.contains("secret") && !error.debugDescription.contains("zz"))
  }

  @Test func keepalivesAreOnUnlessTheDSNSaysOtherwise() throws {
    let plain = try DatabaseConfiguration(dsn: dsn, applicationName: "test")
    #expect(value("keepalives_idle", plain) == "10")
    #expect(value("application_name", plain) == "test")
    let given = try DatabaseConfiguration(dsn: dsn + "&keepalives_idle=77&application_name=x", applicationName: "test")
    #expect(value("keepalives_idle", given) == "77")
    #expect(value("application_name", given) == "x")
  }

  @Test func sessionSettingsAreOptionsExceptForPoolers() throws {
    let direct = try DatabaseConfiguration(
      dsn: dsn + "&options=-c%20work_mem%3D5MB", applicationName: "test", parameters: ["search_path": "a, b"])
    #expect(
      value("options", direct)
        == "-c client_connection_check_interval=2s -c idle_in_transaction_session_timeout=10s -c jit=off -c plan_cache_mode=force_generic_plan "
        + "-c search_path=a,\\ b -c work_mem=5MB")
    let pooled = try DatabaseConfiguration(dsn: dsn, prepared: false, applicationName: "test")
    #expect(value("options", pooled) == nil)
    #expect(pooled.parameterStatement.hasPrefix("SELECT set_config('client_connection_check_interval', '2s', true), "))
    #expect(throws: DatabaseError.self) {
      try DatabaseConfiguration(dsn: dsn, applicationName: "test", parameters: ["a b": "1"])
    }
  }

  @Test func errorsTellWhetherARetryMayHelp() {
    func isRetryable(_ state: String) -> Bool { DatabaseError(.server, "x", sqlState: state).isRetryable }
    for state in ["40001", "40P01", "57P01", "57P03", "08006", "53300", "55P03", "57014"] {
      #expect(isRetryable(state))
    }
    for state in ["23505", "42P01", "22P02", "40003", "0A000"] { #expect(!isRetryable(state)) }
    #expect(DatabaseError(.connectionLost, "x").isRetryable)
    #expect(!DatabaseError(.outcomeUnknown, "x").isRetryable)
    let error = DatabaseError(.server, "refused", sqlState: "23505", detail: "detail: Key (a)=(1) exists.")
    #expect(error.description == "refused (SQLSTATE 23505)")
    #expect(error.debugDescription.contains("Key (a)=(1)"))
  }
}
