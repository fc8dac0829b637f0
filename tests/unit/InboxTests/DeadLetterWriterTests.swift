import Kafka
import Logger
import Testing
import Values

@testable import Inbox

/// Dead letters on a cluster in memory whose dead-letter topic has too few replicas.
@Suite struct DeadLetterWriterTests {
  private let quiet = Logger(label: "test", sink: { _ in })

  private func writer(_ mock: MockCluster) throws -> DeadLetterWriter {
    try DeadLetterWriter(
      KafkaConfiguration(brokers: mock.bootstrap, clientID: "test"), topic: "inventory.dlq", logger: quiet)
  }

  private func letters(_ count: Int64) -> [DeadLetterWriter.Letter] {
    (0..<count).map { offset in
      DeadLetterWriter.Letter(
        message: ConsumedMessage(topic: "inventory", partition: 0, offset: offset, key: [1], value: [2]), reason: "why")
    }
  }

  private func offsets(on topic: String, _ mock: MockCluster, atLeast count: Int) throws -> [String] {
    let reader = try KafkaConsumer(
      KafkaConfiguration(brokers: mock.bootstrap, clientID: "test"), options: KafkaConsumer.Options(), logger: quiet)
    defer { reader.close(until: .now() + .seconds(5)) }
    try reader.assign([(TopicPartition(topic, 0), .earliest)])
    var found: [String] = []
    // Copies would arrive by then: all letters are written to one partition.
    let deadline = Instant.now() + .seconds(3)
    while Instant.now() < deadline {
      for message in try reader.poll(max: 100, until: deadline) {
        let header = message.headers.first { $0.name == DeadLetterHeader.offset }
        found.append(String(decoding: header?.value ?? [], as: UTF8.self))
      }
      if found.count > count { break }
    }
    return found
  }

  @Test func aLetterThatIsOnItsWayIsNotWrittenAgain() throws {
    let mock = try MockCluster(logger: quiet)
    try mock.createTopic("inventory.dlq", partitions: 1)
    let writer = try writer(mock)
    defer { writer.close() }
    mock.pushErrors(request: .produce, Array(repeating: 19, count: 10_000))  // NOT_ENOUGH_REPLICAS
    var letters = letters(3)
    for _ in 0..<4 { #expect(writer.write(&letters, until: .now() + .seconds(1)) != nil) }
    #expect(letters.count == 3)
    #expect(writer.obstacle(until: .now() + .seconds(2))?.contains("inventory.dlq") == true)
    mock.clearErrors(request: .produce)
    #expect(writer.write(&letters, until: .now() + .seconds(20)) == nil)
    #expect(letters.isEmpty && writer.obstacle(until: .now() + .seconds(2)) == nil)
    #expect(try offsets(on: "inventory.dlq", mock, atLeast: 3) == ["0", "1", "2"])
  }

  @Test func aRefusedLetterLosesItsValueAndStays() throws {
    let mock = try MockCluster(logger: quiet)
    try mock.createTopic("inventory.dlq", partitions: 1)
    let writer = try writer(mock)
    defer { writer.close() }
    mock.pushErrors(request: .produce, [10])  // MSG_SIZE_TOO_LARGE
    var letters = letters(1)
    #expect(writer.write(&letters, until: .now() + .seconds(10)) != nil)
    #expect(letters.map(\.form) == [.withoutValue])
    #expect(writer.write(&letters, until: .now() + .seconds(10)) == nil)
  }
}
