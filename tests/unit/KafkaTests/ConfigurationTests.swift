import Kafka
import Testing

@Suite struct ConfigurationTests {
  private func error(_ properties: [String: String], brokers: String = "127.0.0.1:9095") -> KafkaError? {
    do throws(KafkaError) {
      try KafkaConfiguration(brokers: brokers, clientID: "test", properties: properties).validate()
      return nil
    } catch {
      return error
    }
  }

  @Test func goodPropertiesPass() {
    #expect(error([:]) == nil)
    let sasl = [
      "linger.ms": "20", "compression.codec": "zstd", "security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN",
      "sasl.username": "user", "sasl.password": "secret",
    ]
    #expect(error(sasl) == nil)
  }

  @Test func aWrongPropertyIsNamedWithTheReason() throws {
    let unknown = try #require(error(["no.such.thing": "1"]))
    #expect(unknown.code == .invalidConfiguration && unknown.message.contains("no.such.thing"))
    let value = try #require(error(["linger.ms": "soon"]))
    #expect(value.message.contains("linger.ms") && value.message.contains("soon"))
    #expect(error(["max.in.flight": "50"])?.message.contains("max.in.flight") == true)
  }

  @Test(arguments: KafkaConfiguration.reserved.keys.sorted())
  func reservedPropertiesAreRefused(_ name: String) {
    #expect(error([name: "1"])?.message.contains("\(name) cannot be set") == true)
  }

  @Test func secretsAreNotShown() throws {
    let message = try #require(error(["sasl.passwords": "hunter2"])).message
    #expect(message.contains("sasl.passwords") && !message.contains("hunter"))
  }

  @Test func brokersMustBeSet() {
    #expect(error([:], brokers: "")?.code == .invalidConfiguration)
  }
}
