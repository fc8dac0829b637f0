import BankStubSettings
import ClientSettings
import Contexts
import GatewaySettings
import ProcessingSettings
import RiskDomain
import Settings
import Testing
import Values

/// Operators know the settings of direct payments by these names, and the design counts on these values.
@Suite struct DirectSettingsTests {
  private static let required = [
    "GATEWAY_DSN": "postgres://g@127.0.0.1/g", "PROCESSING_DSN": "postgres://p@127.0.0.1/p",
    "KAFKA_BROKERS": "127.0.0.1:9092", "BANK_URL": "http://127.0.0.1:9002",
    "GATEWAY_MERCHANT": "00000000-0000-4000-8000-00000000cafe",
    "GATEWAY_REQUEST_KEYS": "a:" + String(repeating: "5a6b", count: 16),
    "CARD_FINGERPRINT_KEYS": "a:" + String(repeating: "a5b6", count: 16),
  ]

  /// A value of its own for each, so that none can be another's.
  private static let given = [
    "DIRECT_TOPIC_PARTITIONS": "4", "DIRECT_PAYMENT_TOPIC": "payments-topic", "DIRECT_RESULT_TOPIC": "results-topic",
    "PROCESSING_GROUP": "payments-group", "GATEWAY_GROUP": "results-group", "BANK_TIMEOUT": "11s",
    "BANK_HORIZON": "12s", "BANK_REVERSAL": "false", "RISK_REVIEW_TIMEOUT": "13s", "CARD_WAIT": "14s",
    "RISK_CARD_REVIEW": "allow", "RISK_REVIEW": "41", "RISK_BLOCK": "42", "RISK_FAIL": "closed",
    "CARD_CLAIM_TIMEOUT": "15s", "GATEWAY_ADDR": "127.0.0.1:21", "ADMIN_ADDR": "127.0.0.1:22", "ORDER_DEAD": "hold",
  ].merging(required) { $1 }

  private func load<Values: SettingSet>(
    _ type: Values.Type, _ program: Program, _ environment: [String: String]
  ) throws(SettingsError) -> Values {
    try Values.load(program: program, environment: environment, contexts: contexts).settings
  }

  private func rules(
    _ timeout: Int, _ horizon: Int, _ hasReversals: Bool, _ review: Int, _ card: Int, _ rejects: Bool
  ) -> String {
    "PaymentRules(bankTimeout: \(timeout).0 seconds, bankHorizon: \(horizon).0 seconds, hasReversals: \(hasReversals), "
      + "reviewTimeout: \(review).0 seconds, cardWait: \(card).0 seconds, rejectsCardReviews: \(rejects))"
  }

  private func expectDesign(_ processor: ProcessorOptions, _ topics: DirectTopics, _ kafka: KafkaSettings) {
    #expect("\(processor.rules)" == rules(30, 600, true, 86_400, 120, true))
    #expect(processor.risk.review == 65 && processor.risk.block == 75 && processor.risk.failure == .open)
    #expect(topics.payments == "direct.payments" && topics.results == "direct.results" && kafka.topicPartitions == 3)
    #expect(topics.processorGroup == "direct-processor" && topics.gatewayGroup == "direct-gateway")
  }

  private func expectGiven(_ processor: ProcessorOptions, _ topics: DirectTopics, _ kafka: KafkaSettings) {
    #expect("\(processor.rules)" == rules(11, 12, false, 13, 14, false))
    #expect(processor.risk.review == 41 && processor.risk.block == 42 && processor.risk.failure == .closed)
    #expect(topics.payments == "payments-topic" && topics.results == "results-topic" && kafka.topicPartitions == 4)
    #expect(topics.processorGroup == "payments-group" && topics.gatewayGroup == "results-group")
  }

  @Test func `the gateway's settings have the names and values of the design`() throws {
    let standard = try load(GatewaySettings.self, .gateway, Self.required)
    expectDesign(standard.processor, standard.topics, standard.kafka)
    #expect(standard.intake.claimTimeout == .seconds(30) && standard.server.address.port == 8090)
    #expect(standard.service.adminAddress?.port == 9104)
    let given = try load(GatewaySettings.self, .gateway, Self.given)
    expectGiven(given.processor, given.topics, given.kafka)
    #expect(given.intake.claimTimeout == .seconds(15) && given.server.address.port == 21)
    #expect(given.service.adminAddress?.port == 22)
  }

  @Test func `the processor's settings have the names and values of the design`() throws {
    let standard = try load(ProcessingSettings.self, .processor, Self.required)
    expectDesign(standard.processor, standard.topics, standard.kafka)
    #expect(standard.service.adminAddress?.port == 9105 && "\(standard.deadOrders)" == "refund")
    let given = try load(ProcessingSettings.self, .processor, Self.given)
    expectGiven(given.processor, given.topics, given.kafka)
    #expect(given.service.adminAddress?.port == 22 && "\(given.deadOrders)" == "hold")
  }

  @Test func `the bank stub's settings have the names and values of the design`() throws {
    let standard = try BankStubSettings.load(program: .bankStub, environment: [:]).settings
    #expect(standard.address == NetworkAddress(host: "127.0.0.1", port: 9002))
    let given = try BankStubSettings.load(
      program: .bankStub, environment: ["BANKSTUB_ADDR": "127.0.0.1:23", "BANKSTUB_FILE": "/tmp/bank"]
    ).settings
    #expect(given.address.port == 23 && given.file == "/tmp/bank")
  }
}
