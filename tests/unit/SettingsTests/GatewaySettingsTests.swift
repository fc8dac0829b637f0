import ClientSettings
import Errors
import GatewaySettings
import Settings
import Testing
import Values

@Suite struct GatewaySettingsTests {
  private static let required = [
    "GATEWAY_DSN": "postgres://g@127.0.0.1/g", "PROCESSING_DSN": "postgres://p@127.0.0.1/p",
    "KAFKA_BROKERS": "127.0.0.1:9092", "BANK_URL": "http://127.0.0.1:9002",
    "GATEWAY_MERCHANT": "00000000-0000-4000-8000-00000000cafe",
    "GATEWAY_REQUEST_KEYS": "a:" + String(repeating: "5a6b", count: 16),
    "CARD_FINGERPRINT_KEYS": "a:" + String(repeating: "a5b6", count: 16),
  ]

  private func load(_ more: [String: String] = [:], without name: String? = nil) throws(SettingsError)
    -> GatewaySettings
  {
    var environment = Self.required.merging(more) { $1 }
    if let name { environment[name] = nil }
    return try GatewaySettings.load(program: .gateway, environment: environment).settings
  }

  private func message(_ more: [String: String] = [:], without name: String? = nil) -> String {
    do throws(SettingsError) {
      _ = try load(more, without: name)
      return ""
    } catch {
      return error.description
    }
  }

  @Test func `the gateway starts with what it cannot guess, and with nothing else`() throws {
    let settings = try load()
    #expect(settings.server.address == NetworkAddress(host: "127.0.0.1", port: 8090))
    #expect(settings.server.authentication == .keys)
    #expect(try load(["GATEWAY_AUTH": "open"]).server.authentication == .open)
    #expect(settings.intake.merchant == UniqueID("00000000-0000-4000-8000-00000000cafe"))
    #expect(settings.kafka.topicPartitions == 3 && settings.processingDatabase.directDSN == "postgres://p@127.0.0.1/p")
    for name in Self.required.keys { #expect(message(without: name).contains("\(name) is not set")) }
  }

  @Test(arguments: ["0.0.0.0:8090", ":8090", "[::]:8090", "10.0.0.1:0"])
  func `beyond loopback it starts with TLS, here or in front, and with API keys`(
    address: String
  ) throws {
    let here = ["GATEWAY_ADDR": address]
    let tls = ["GATEWAY_TLS_CERT": "/c", "GATEWAY_TLS_KEY": "/k"]
    #expect(message(here).contains("GATEWAY_TLS_CERT") && message(here).contains("GATEWAY_BEHIND_TLS=true"))
    let open = tls.merging(here) { $1 }.merging(["GATEWAY_AUTH": "open"]) { $1 }
    #expect(message(open).contains("expected GATEWAY_AUTH=keys"))
    #expect(try load(here.merging(tls) { $1 }).server.hasTLS)
    #expect(try load(here.merging(["GATEWAY_BEHIND_TLS": "true"]) { $1 }).server.isBehindTLS)
    for setting in ["GATEWAY_CARDS_ADDR", "GATEWAY_PAYMENTS_ADDR", "GATEWAY_UPDATER_ADDR"] {
      let text = message([setting: address])
      #expect(text.contains("\(setting)=\(address)") || address.hasPrefix(":"), "\(text)")
      #expect(text.contains("GATEWAY_BEHIND_TLS=true"))
      #expect(
        try load([setting: address, "GATEWAY_BEHIND_TLS": "true"]).surfaces.addresses.map(\.setting) == [setting])
    }
  }

  @Test func `the password that everybody knows is for loopback, unless somebody asks for it`() throws {
    let here = ["GATEWAY_TRANSACTIONS_ADDR": "127.0.0.1:9191"]
    #expect(try load(here).surfaces.transactionsCredentials == "user:1234")
    let beyond = ["GATEWAY_TRANSACTIONS_ADDR": "0.0.0.0:9191", "GATEWAY_BEHIND_TLS": "true"]
    #expect(message(beyond).contains("GATEWAY_TRANSACTIONS_BASIC"))
    let named = beyond.merging(["GATEWAY_TRANSACTIONS_BASIC": "user:1234"]) { $1 }
    #expect(try load(named).surfaces.transactionsCredentials == "user:1234")
    for wrong in ["secret", ":secret", "user:"] {
      let text = message(["GATEWAY_TRANSACTIONS_BASIC": wrong])
      #expect(text.contains("USER:PASSWORD") && !text.contains("secret"))
    }
  }

  @Test func `keys that are wrong are refused without being shown`() {
    let secret = "a:" + String(repeating: "5", count: 63)
    for name in ["GATEWAY_REQUEST_KEYS", "CARD_FINGERPRINT_KEYS"] {
      let text = message([name: secret])
      #expect(text.contains(name) && text.contains("64 hex digits") && !text.contains("5555"))
    }
    // What config/production.example.env has.
    for name in ["GATEWAY_REQUEST_KEYS", "CARD_FINGERPRINT_KEYS"] {
      let text = message([name: "change-me:" + String(repeating: "0", count: 64)])
      #expect(text.contains(name) && text.contains("a random key"))
    }
    #expect(message(["GATEWAY_TLS_CERT": "/c"]).contains("GATEWAY_TLS_KEY is not set"))
    for url in ["", "bank.example", "ftp://bank.example", "https://", "https://u:p@bank.example", "https://a/"] {
      #expect(message(["BANK_URL": url]).contains("BANK_URL"))
    }
    #expect(message(["GATEWAY_MERCHANT": "me"]).contains("expected a UUID"))
  }
}
