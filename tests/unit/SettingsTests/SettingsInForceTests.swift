import GatewaySettings
import SagaSettings
import Testing

@testable import Settings

/// What `/config` and `--print-config` show.
@Suite struct SettingsInForceTests {
  private let environment = [
    "DB_DSN": "postgres://payments:hunter2@db:5432/payments", "KAFKA_BROKERS": "127.0.0.1:9095",
    "KAFKA_SASL_PASSWORD": "hunter2", "KAFKA_LINGER_MS": "7", "LOG_LEVEL": "info",
  ]

  private func saga() throws -> [String: SettingInForce] {
    let file = try EnvironmentFile(text: "# ours\nCRON_RESERVE=9s\nLOG_LEVEL=debug\nCONSUMER_BATCH=5\n", path: "/e.env")
    let loaded = try SagaSettings.load(program: .server, environment: environment, file: file, path: "/e.env")
    return Dictionary(uniqueKeysWithValues: loaded.inForce.map { ($0.name, $0) })
  }

  @Test func `each setting has its value and where it comes from`() throws {
    let settings = try saga()
    let reserve = try #require(settings["CRON_RESERVE"])
    #expect(reserve.value == "9s" && reserve.origin.description == "/e.env line 2" && reserve.isChanged)
    let level = try #require(settings["LOG_LEVEL"])
    #expect(level.value == "info" && level.origin == .environment && !level.isChanged)
    let limit = try #require(settings["CRON_EVENTS_LIMIT"])
    #expect(limit.value == "8192" && limit.origin.description == "default" && !limit.isChanged)
  }

  @Test func `those of other programs are left out`() throws {
    let settings = try saga()
    #expect(settings["CONSUMER_BATCH"] == nil)
    let used = SagaSettings.table.settings.filter { $0.usedBy.contains(.server) }
    #expect(used.allSatisfy { settings[$0.name] != nil })
  }

  @Test func `secrets are masked`() throws {
    let settings = try saga()
    #expect(settings["DB_DSN"]?.value == "postgres://payments:***@db:5432/payments")
    #expect(settings["KAFKA_SASL_PASSWORD"]?.value == "***" && settings["KAFKA_LINGER_MS"]?.value == "7")
    #expect(!settings.values.contains { $0.value.contains("hunter2") })
  }

  /// A new setting that holds a secret must say so.
  @Test func `no value of a secret setting of the gateway is shown`() throws {
    for setting in GatewaySettings.table.settings where setting.shown("x") == nil {
      let secret = "postgres://u:hunter2@h/d"
      #expect(!setting.masked(secret).contains("hunter2"), "\(setting.name)")
    }
    let keys = GatewaySettings.table.settings.filter { $0.name.hasSuffix("_KEYS") }
    #expect(keys.count >= 3 && keys.allSatisfy { $0.masked("1:c2VjcmV0") == "***" && $0.masked("") == "" })
  }
}
