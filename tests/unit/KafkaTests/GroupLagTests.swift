import Logger
import Metrics
import Synchronization
import Testing
import Values

@testable import Kafka

@Suite struct GroupLagTests {
  private static let group = GroupWatch.Group("readers", on: "inventory")

  private func lag(_ partitions: [GroupLag.Partition]) -> GroupLag {
    GroupLag(group: Self.group.group, topic: Self.group.topic, partitions: partitions)
  }

  private func at(_ seconds: Int) -> Instant { Instant(nanoseconds: 1_000_000_000_000) + .seconds(seconds) }

  @Test func whatIsNotConsumedIsCounted() {
    let marks = Watermarks(low: 5, high: 20)
    let found = lag([
      GroupLag.Partition(partition: 0, committed: 12, watermarks: marks, oldest: Timestamp(microseconds: 2_000_000)),
      // It begins at the oldest message.
      GroupLag.Partition(partition: 1, committed: nil, watermarks: marks, oldest: Timestamp(microseconds: 1_000_000)),
      // Behind what is kept; and beyond it, as after a topic was made anew.
      GroupLag.Partition(partition: 2, committed: 1, watermarks: marks),
      GroupLag.Partition(partition: 3, committed: 30, watermarks: marks),
    ])
    #expect(found.partitions.map(\.messages) == [8, 15, 15, 0] && found.messages == 38)
    // One that waits was not read: it may be the oldest.
    #expect(found.age(at: Timestamp(microseconds: 4_000_000)) == nil)
    #expect(lag(Array(found.partitions.prefix(2))).age(at: Timestamp(microseconds: 4_000_000)) == .seconds(3))
    #expect(lag([GroupLag.Partition(partition: 0, committed: 20, watermarks: marks)]).age(at: .now()) == .zero)
    #expect(lag([GroupLag.Partition(partition: 0, committed: 19, watermarks: marks)]).age(at: .now()) == nil)
  }

  @Test func aGroupWithoutMembersIsRead() throws {
    let cluster = try TestCluster()
    let reports = Reports()
    let producer = try cluster.producer(into: reports)
    defer { producer.close() }
    let records = (0..<40).map { ProducerRecord(topic: cluster.topic, key: bytes("\($0)"), value: bytes("\($0)")) }
    #expect(producer.produce(records).accepted == 40 && reports.wait(40).count == 40)
    func read() throws -> GroupLag? {
      try GroupLag.read(
        group: "readers", topic: cluster.topic, cluster.configuration(), patience: .seconds(10), needsAges: true,
        logger: quiet)
    }
    let before = try #require(try read())
    #expect(before.messages == 40 && before.partitions.allSatisfy { $0.committed == nil })
    #expect((.zero..<Duration.seconds(60)).contains(try #require(before.age(at: .now()))))

    let reader = try KafkaConsumer(
      cluster.configuration(), options: .init(group: "readers", commitInterval: .zero), logger: quiet)
    try reader.commit(TopicPartitionOffset(cluster.topic, 0, 3), note: "5-6", until: soon())
    reader.close(until: soon())
    let after = try #require(try read())
    #expect(after.messages == 37 && after.partitions[0].committed == 3 && after.partitions[0].note == "5-6")
  }

  @Test func whatIsFoundIsBelievedForAWhile() {
    let metrics = MetricsRegistry()
    let watch = GroupWatch(
      [Self.group], kafka: KafkaConfiguration(brokers: "127.0.0.1:1", clientID: "test"), logger: quiet
    ) { true }
    watch.register(metrics, [Self.group])
    #expect(!metrics.exposition().contains("consumer_group_lag_messages{"))
    let found = lag([
      GroupLag.Partition(
        partition: 0, committed: 2, watermarks: Watermarks(low: 0, high: 9), oldest: Timestamp(microseconds: 1_000_000))
    ])
    watch.show(Self.group, found, at: .now(), moment: Timestamp(microseconds: 4_000_000))
    let labels = #"{topic="inventory",group="readers"}"#
    for line in ["messages\(labels) 7\n", "seconds\(labels) 3\n", "timestamp_seconds\(labels) 4\n"] {
      #expect(metrics.exposition().contains("consumer_group_lag_\(line)"))
    }
    // Nobody answers: what was found is too old some time, and when it was found stays.
    watch.show(Self.group, found, at: at(0), moment: Timestamp(microseconds: 5_000_000))
    #expect(watch.current(Self.group, at: at(94)) != nil && watch.current(Self.group, at: at(96)) == nil)
    watch.show(Self.group, nil, at: at(1), moment: Timestamp(microseconds: 6_000_000))
    #expect(!metrics.exposition().contains("consumer_group_lag_messages{"))
    // That there is no such topic is known.
    #expect(metrics.exposition().contains("consumer_group_lag_timestamp_seconds\(labels) 6\n"))
  }

  @Test func anotherProcessTells() {
    let isTeller = Mutex(true)
    let lines = Mutex<[String]>([])
    let watch = GroupWatch(
      [Self.group], kafka: KafkaConfiguration(brokers: "127.0.0.1:1", clientID: "test"),
      logger: Logger(label: "test") { line in lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) } }
    ) { isTeller.withLock(\.self) }
    let metrics = MetricsRegistry()
    watch.register(metrics, [])
    #expect(!metrics.exposition().contains("consumer_group_lag_timestamp_seconds{"))
    watch.show(Self.group, lag([]), at: .now(), moment: .now())
    // Nobody listens there; that is told once.
    #expect(watch.run() == .seconds(30) && watch.run() == .seconds(30))
    #expect(metrics.exposition().contains("consumer_group_lag_timestamp_seconds{"))
    #expect(watch.lag(of: Self.group) != nil)
    #expect(lines.withLock { $0.filter { $0.contains("is not known") }.count } == 1)
    isTeller.withLock { $0 = false }
    #expect(watch.run() == .seconds(1) && watch.lag(of: Self.group) == nil)
  }
}
