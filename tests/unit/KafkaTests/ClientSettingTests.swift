import Testing

@testable import Kafka

@Suite struct ClientSettingTests {
  @Test func newPartitionsAreNoticedWithinAMinute() throws {
    let standard = KafkaConfiguration(brokers: "b:1", clientID: "test")
    let name = "topic.metadata.refresh.interval.ms"
    let value = ClientSetting.merge(standard, []).last { $0.name == name }?.value
    #expect(try #require(value.flatMap { Int($0) }) <= 30_000)
    let own = KafkaConfiguration(brokers: "b:1", clientID: "test", properties: [name: "5000"])
    #expect(ClientSetting.merge(own, []).last { $0.name == name }?.value == "5000")
  }
}
