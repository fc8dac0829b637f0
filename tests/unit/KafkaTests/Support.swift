import Kafka
import Logger
import Runtime
import Values

let quiet = Logger(label: "test", level: .error)

/// A cluster in memory for one test, and clients for it.
struct TestCluster {
  let mock: MockCluster
  let topic = "orders"

  init(partitions: Int = 2) throws {
    mock = try MockCluster(logger: quiet)
    try mock.createTopic(topic, partitions: partitions)
  }

  func configuration(_ properties: [String: String] = [:]) -> KafkaConfiguration {
    KafkaConfiguration(brokers: mock.bootstrap, clientID: "test", properties: properties)
  }

  func producer(
    _ options: KafkaProducer.Options = .init(), into reports: Reports, properties: [String: String] = [:]
  ) throws -> KafkaProducer {
    try KafkaProducer(
      configuration(properties), options: options, logger: quiet, onDelivery: { reports.add($0) },
      onFatal: { reports.fail($0) })
  }

  /// Reads `count` messages from the start of every partition.
  func readAll(_ count: Int, partitions: Int = 2) throws -> [ConsumedMessage] {
    let consumer = try KafkaConsumer(configuration(), options: .init(), logger: quiet)
    defer { consumer.close(until: soon()) }
    try consumer.assign((0..<partitions).map { (TopicPartition(topic, Int32($0)), .earliest) })
    return try read(consumer, count)
  }
}

/// Polls until `count` messages came or time is up.
func read(_ consumer: KafkaConsumer, _ count: Int, until deadline: Instant = soon()) throws -> [ConsumedMessage] {
  var messages: [ConsumedMessage] = []
  while messages.count < count, Instant.now() < deadline {
    messages += try consumer.poll(max: count - messages.count, until: deadline)
  }
  return messages
}

/// Polls until `condition` holds or time is up.
func poll(_ consumer: KafkaConsumer, until condition: () -> Bool) throws -> [ConsumedMessage] {
  var messages: [ConsumedMessage] = []
  let deadline = soon()
  while !condition(), Instant.now() < deadline {
    messages += try consumer.poll(max: 100, until: Instant.now() + .milliseconds(50))
  }
  return messages
}

func soon() -> Instant { Instant.now() + .seconds(30) }

/// Delivery reports as they come.
final class Reports: Sendable {
  private let state = Monitor<(reports: [DeliveryReport], fatal: KafkaError?)>(([], nil))

  func add(_ batch: [DeliveryReport]) { state.update { $0.reports += batch } }
  func fail(_ error: KafkaError) { state.update { $0.fatal = error } }
  var all: [DeliveryReport] { state.withLock { $0.reports } }

  /// The first `count` reports, or fewer when they do not come.
  func wait(_ count: Int) -> [DeliveryReport] {
    state.wait(until: soon()) { $0.reports.count >= count ? $0.reports : nil } ?? all
  }

  func waitForFatal() -> KafkaError? { state.wait(until: soon()) { $0.fatal } }
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
