import DirectDomain
import Errors
import Foundation
import ProcessingSettings
import RiskDomain
import Settings
import Testing

@Suite struct RiskOptionsTests {
  private func load(_ more: [String: String]) throws(SettingsError) -> RiskOptions {
    let required = [
      "PROCESSING_DSN": "postgres://p@127.0.0.1/p", "KAFKA_BROKERS": "127.0.0.1:9092",
      "BANK_URL": "http://127.0.0.1:9002",
    ]
    let environment = required.merging(more) { $1 }
    return try ProcessingSettings.load(program: .processor, environment: environment).settings.processor.risk
  }

  /// Runs `body` with the path of a file.
  private func withFile(_ text: String, _ body: (String) throws -> Void) throws {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try text.write(to: file, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(at: file) }
    try body(file.path)
  }

  @Test func `without a file the rules are those built in, with the scores that are set`() throws {
    #expect(try load([:]).rules == RiskRules.standard)
    let options = try load(["RISK_REVIEW": "50", "RISK_BLOCK": "60", "RISK_FAIL": "closed"])
    #expect(options.rules == RiskRules(rules: RiskRules.standard.rules, review: 50, block: 60))
    #expect(options.failure == .closed)
  }

  @Test func `a file of rules is read`() throws {
    try withFile(#"{"rules":[{"name":"tokens","points":9,"methods":["token"]}]}"#) { path in
      let rules = try load(["RISK_RULES": path, "RISK_REVIEW": "9"]).rules
      #expect(rules == RiskRules(rules: [RiskRule(name: "tokens", points: 9, methods: [.token])], review: 9))
    }
  }

  @Test func `what is wrong is named`() throws {
    func message(_ more: [String: String]) -> String {
      do throws(SettingsError) {
        _ = try load(more)
        return ""
      } catch {
        return error.description
      }
    }
    #expect(message(["RISK_REVIEW": "80"]) == "RISK_BLOCK is 75: expected not less than RISK_REVIEW, which is 80")
    #expect(
      message(["RISK_RULES": "/nowhere"])
        == "RISK_RULES, /nowhere: the file cannot be read; is it there, and may this user read it?")
    try withFile(#"{"rules":[{"name":"a","points":0,"methods":["card"]}]}"#) { path in
      #expect(message(["RISK_RULES": path]) == "RISK_RULES, \(path): rules[0].points: expected 1 to 99, found 0")
    }
    #expect(message(["RISK_FAIL": "shut"]).contains("one of open, closed"))
  }
}
