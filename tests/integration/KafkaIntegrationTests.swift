import Foundation
import Kafka
import Logger
import Synchronization
import Testing
import Values

/// The Kafka clients against real brokers or devkafka: `TEST_KAFKA_BROKERS`. Each test has topics and groups of its
/// own.
@Suite(.enabled(if: kafkaBrokers != nil, "TEST_KAFKA_BROKERS names no broker"))
struct KafkaIntegrationTests {
  private let topic = "paysaga-test-\(UniqueID.random())"
  private let quiet = Logger(label: "test", level: .error)

  private func configuration() throws -> KafkaConfiguration {
    KafkaConfiguration(brokers: try #require(kafkaBrokers), clientID: "paysaga-test")
  }

  private var soon: Instant { Instant.now() + .seconds(30) }

  private func makeTopic() throws -> [TopicPartition] {
    let admin = try KafkaAdmin(configuration(), logger: quiet)
    defer { admin.close() }
    try admin.ensureTopics([TopicSpecification(topic, partitions: 4)], until: soon)
    let count = try #require(admin.metadata(until: soon).topics[topic])
    return (0..<count).map { TopicPartition(topic, Int32($0)) }
  }

  private func publish(_ numbers: Range<Int>) throws {
    let failures = Mutex<[DeliveryFailure]>([])
    let producer = try KafkaProducer(
      configuration(), logger: quiet,
      onDelivery: { reports in failures.withLock { $0 += reports.compactMap(\.failure) } })
    let result = producer.produce(
      numbers.map { ProducerRecord(topic: topic, key: Array("\($0 % 50)".utf8), value: Array("\($0)".utf8)) })
    #expect(result.accepted == numbers.count)
    #expect(producer.flush(until: soon))
    producer.close()
    #expect(failures.withLock { $0 } == [])
  }

  @Test func topicsAppearAndRecordsKeepTheirOrder() throws {
    let places = try makeTopic()
    #expect(places.count == 4)
    try publish(0..<20_000)
    let reader = try KafkaConsumer(configuration(), options: .init(), logger: quiet)
    defer { reader.close(until: soon) }
    try reader.assign(places.map { ($0, .earliest) })
    var last: [[UInt8]: Int] = [:]
    var count = 0
    let deadline = soon
    while count < 20_000, Instant.now() < deadline {
      for message in try reader.poll(max: 5_000, until: deadline) {
        let key = try #require(message.key)
        let number = try #require(Int(String(decoding: message.value ?? [], as: UTF8.self)))
        #expect(last[key].map { number == $0 + 50 } ?? (number < 50))
        last[key] = number
        count += 1
      }
    }
    #expect(count == 20_000)
    let marks = try places.map { try reader.queryWatermarks($0, until: soon) }
    #expect(marks.map { $0.high - $0.low }.reduce(0, +) == 20_000)
  }

  @Test func aGroupGoesOnWhereItStored() throws {
    _ = try makeTopic()
    try publish(0..<100)
    let group = "\(topic)-group"
    var seen: [[UInt8]?] = []
    for part in [40, 60] {
      let consumer = try KafkaConsumer(configuration(), options: .init(group: group), logger: quiet)
      try consumer.subscribe([topic])
      let deadline = soon
      var wanted = part
      while wanted > 0, Instant.now() < deadline {
        let messages = try consumer.poll(max: wanted, until: deadline)
        wanted -= messages.count
        seen += messages.map(\.value)
        try consumer.storeOffsets(messages.map(\.next))
      }
      consumer.close(until: soon)
    }
    #expect(seen.count == 100 && Set(seen).count == 100)
  }
}

private let kafkaBrokers = ProcessInfo.processInfo.environment["TEST_KAFKA_BROKERS"]
