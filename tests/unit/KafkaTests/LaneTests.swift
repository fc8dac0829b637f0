import Kafka
import Runtime
import Testing
import Values

@Suite struct LaneTests {
  private func member(_ cluster: TestCluster, lanes: Int) throws -> (KafkaConsumer, [ConsumerLane]) {
    let consumer = try KafkaConsumer(
      cluster.configuration(), options: .init(group: "tests", sessionTimeout: .seconds(4), lanes: lanes), logger: quiet)
    let lanes = try (0..<lanes).map { _ in try consumer.makeLane() }
    try consumer.subscribe(
      [cluster.topic],
      onAssign: { [unowned consumer] places in
        for place in places { consumer.lead(place, into: lanes[Int(place.partition) % lanes.count]) }
      })
    return (consumer, lanes)
  }

  @Test func eachLaneGetsItsPartitionsInOrderAndPollNone() throws {
    let cluster = try TestCluster()
    let reports = Reports()
    let producer = try cluster.producer(into: reports)
    defer { producer.close() }
    let records = (0..<3_000).map { number in
      ProducerRecord(topic: cluster.topic, key: nil, value: bytes("\(number)"), partition: Int32(number % 2))
    }
    #expect(producer.produce(records).accepted == 3_000)
    #expect(reports.wait(3_000).count == 3_000)

    let (consumer, lanes) = try member(cluster, lanes: 2)
    defer { consumer.close(until: soon()) }
    var seen: [[ConsumedMessage]] = [[], []]
    let deadline = soon()
    while seen.contains(where: { $0.count < 1_500 }), Instant.now() < deadline {
      #expect(try consumer.poll(max: 1, until: Instant.now() + .milliseconds(20)).isEmpty)
      for (number, lane) in lanes.enumerated() {
        let messages = try lane.poll(max: 1_100, until: Instant.now() + .milliseconds(20))
        #expect(messages.count <= 1_100)
        seen[number] += messages
      }
    }
    for (number, messages) in seen.enumerated() {
      #expect(messages.map(\.offset) == Array(0..<1_500))
      #expect(Set(messages.map(\.partition)) == [Int32(number)])
    }
    let marks = try consumer.knownWatermarks(TopicPartition(cluster.topic, 0))
    #expect(marks.high == 1_500)
    #expect(try consumer.knownWatermarks(TopicPartition(cluster.topic, 7)).high == nil)
  }

  @Test func wakeEndsAPoll() throws {
    let cluster = try TestCluster()
    let (consumer, lanes) = try member(cluster, lanes: 1)
    defer { consumer.close(until: soon()) }
    let waker = WorkerThread(name: "waker") { lanes[0].wake() }
    let start = Instant.now()
    #expect(try lanes[0].poll(max: 1, until: soon()).isEmpty)
    #expect(Instant.now() - start < .milliseconds(900))
    waker.join()
  }

  @Test func aFullLaneIsFreedWithItsConsumer() throws {
    let cluster = try TestCluster()
    let reports = Reports()
    let producer = try cluster.producer(into: reports)
    defer { producer.close() }
    let records = (0..<100).map { ProducerRecord(topic: cluster.topic, key: nil, value: bytes("\($0)"), partition: 0) }
    #expect(producer.produce(records).accepted == 100)
    #expect(reports.wait(100).count == 100)
    let (consumer, lanes) = try member(cluster, lanes: 1)
    let deadline = soon()
    while try lanes[0].poll(max: 1, until: Instant.now() + .milliseconds(20)).isEmpty, Instant.now() < deadline {
      _ = try consumer.poll(max: 1, until: Instant.now() + .milliseconds(20))
    }
    // 99 messages are left in it.
    consumer.close(until: soon())
    #expect(throws: KafkaError.self) { try lanes[0].poll(max: 1, until: soon()) }
  }
}
