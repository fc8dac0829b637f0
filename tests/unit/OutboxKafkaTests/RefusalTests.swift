import Kafka
import Logger
import Outbox
import Runtime
import Synchronization
import Testing
import Values

@testable import OutboxKafka

/// A publisher that is refused, on a cluster in memory.
@Suite struct RefusalTests {
  private final class Lines: Sendable {
    private let lines = Mutex<[String]>([])
    func add(_ line: [UInt8]) { lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) } }
    func count(_ text: String) -> Int { lines.withLock { $0.count { $0.contains(text) } } }
  }

  private func waits(_ seconds: Int = 30, for condition: () -> Bool) -> Bool {
    let deadline = Instant.now() + .seconds(seconds)
    let pause = WakeSignal()
    while !condition(), Instant.now() < deadline { pause.wait(until: .now() + .milliseconds(20)) }
    return condition()
  }

  @Test func aRefusedProducerIsReplacedSlowlyAndTheReasonIsTold() throws {
    let lines = Lines()
    let logger = Logger(label: "test", level: .warning, sink: { lines.add($0) })
    let mock = try MockCluster(logger: Logger(label: "mock", level: .error))
    try mock.createTopic("payment", partitions: 2)
    let denied: Int32 = 31  // CLUSTER_AUTHORIZATION_FAILED
    mock.pushErrors(request: .initProducerID, Array(repeating: denied, count: 10_000))
    let publisher = try KafkaEventPublisher(
      KafkaConfiguration(brokers: mock.bootstrap, clientID: "test"), deliveryTimeout: .seconds(10),
      topics: ["payment"], logger: logger)
    defer { publisher.close() }
    let outcomes = Monitor<[PublishOutcome]>([])
    publisher.start { new in outcomes.update { $0 += new } }
    #expect(waits { publisher.obstacle?.words.contains("uthoriz") == true })
    // 95 a second before there was a backoff: 0.2 s, then doubled each time.
    WakeSignal().wait(until: .now() + .seconds(2))
    #expect(lines.count("is replaced") == 1)
    #expect(lines.count("events are not published") == 1)
    publisher.publish([OutboundMessage(token: 1, topic: "payment", key: "1", payload: [1], headers: [])])
    let refused = try #require(outcomes.wait(until: .now() + .seconds(10)) { $0.first })
    #expect(refused.result != .acknowledged)

    mock.clearErrors(request: .initProducerID)
    let isBack = waits(40) {
      publisher.publish([OutboundMessage(token: 2, topic: "payment", key: "1", payload: [1], headers: [])])
      return outcomes.withLock { $0.contains { $0.result == .acknowledged } }
    }
    #expect(isBack)
    #expect(waits { publisher.obstacle == nil })
    #expect(lines.count("events are not published") == 1)
  }

  @Test(arguments: [(Int32(29), "TOPIC_AUTHORIZATION_FAILED"), (3, "UNKNOWN_TOPIC_OR_PART")])
  func aTopicThatIsDeniedOrGoneIsNamed(error: Int32, name: String) throws {
    let quiet = Logger(label: "test", sink: { _ in })
    let mock = try MockCluster(logger: quiet)
    try mock.createTopic("payment", partitions: 2)
    let publisher = try KafkaEventPublisher(
      KafkaConfiguration(brokers: mock.bootstrap, clientID: "test"), deliveryTimeout: .seconds(10),
      topics: ["payment"], topicInterval: .milliseconds(50), logger: quiet)
    defer { publisher.close() }
    publisher.start { _ in }
    #expect(waits { publisher.isConnected } && publisher.obstacle == nil)
    mock.setTopicError("payment", error)
    #expect(waits { publisher.obstacle?.words.contains("topic payment: ") == true })
    #expect(publisher.obstacle?.words.contains(name) == true)
    mock.setTopicError("payment", 0)
    #expect(waits { publisher.obstacle == nil })
  }

  @Test func silenceOfTheTopicIsNamed() throws {
    let quiet = Logger(label: "test", sink: { _ in })
    let mock = try MockCluster(logger: quiet)
    try mock.createTopic("payment", partitions: 1)
    let publisher = try KafkaEventPublisher(
      KafkaConfiguration(brokers: mock.bootstrap, clientID: "test"), deliveryTimeout: .seconds(60),
      topics: ["payment"], logger: quiet)
    defer { publisher.close() }
    publisher.start { _ in }
    mock.pushErrors(request: .produce, Array(repeating: 19, count: 10_000))  // NOT_ENOUGH_REPLICAS
    publisher.publish([OutboundMessage(token: 1, topic: "payment", key: "1", payload: [1], headers: [])])
    #expect(waits { publisher.obstacle?.words.contains("nothing was acknowledged") == true })
    mock.clearErrors(request: .produce)
    #expect(waits { publisher.obstacle == nil })
  }

  /// What waits for a busy partition, and what is under way there.
  @Test(arguments: [false, true]) func whatIsGivenUpIsReportedOnce(closes: Bool) throws {
    let quiet = Logger(label: "test", sink: { _ in })
    let mock = try MockCluster(logger: quiet)
    try mock.createTopic("payment", partitions: 1)
    let publisher = try KafkaEventPublisher(
      KafkaConfiguration(brokers: mock.bootstrap, clientID: "test"), deliveryTimeout: .seconds(60),
      topics: ["payment"], logger: quiet)
    defer { publisher.close() }
    let outcomes = Monitor<[PublishOutcome]>([])
    publisher.start { new in outcomes.update { $0 += new } }
    mock.pushErrors(request: .produce, Array(repeating: 19, count: 10_000))  // NOT_ENOUGH_REPLICAS
    for tokens in [1...10, 11...20, 21...30] as [ClosedRange<UInt64>] {
      publisher.publish(
        tokens.map { OutboundMessage(token: $0, topic: "payment", key: "\($0)", payload: [1], headers: []) })
    }
    #expect(outcomes.withLock { $0.isEmpty })
    if closes { publisher.close() } else { publisher.purge() }
    let all = try #require(outcomes.wait(until: .now() + .seconds(30)) { $0.count >= 30 ? $0 : nil })
    #expect(all.map(\.token).sorted() == Array(1...30))
    #expect(!all.contains { $0.result == .acknowledged })
  }
}
