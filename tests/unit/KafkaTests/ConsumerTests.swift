import Kafka
import Runtime
import Synchronization
import Testing
import Values

@Suite struct ConsumerTests {
  private func fill(_ cluster: TestCluster, _ count: Int) throws {
    let reports = Reports()
    let producer = try cluster.producer(into: reports)
    defer { producer.close() }
    let records = (0..<count).map { ProducerRecord(topic: cluster.topic, key: bytes("\($0)"), value: bytes("\($0)")) }
    #expect(producer.produce(records).accepted == count)
    #expect(reports.wait(count).count == count)
  }

  private func member(_ cluster: TestCluster) throws -> KafkaConsumer {
    // The mock's first rebalance takes 3 s, each further one a second less than the session timeout.
    try KafkaConsumer(
      cluster.configuration(), options: .init(group: "tests", sessionTimeout: .seconds(4)), logger: quiet)
  }

  @Test func onlyStoredOffsetsAreCommitted() throws {
    let cluster = try TestCluster()
    try fill(cluster, 40)
    let first = try member(cluster)
    try first.subscribe([cluster.topic])
    let messages = try read(first, 40)
    try #require(messages.count == 40)
    let done = messages.filter { $0.partition == 0 }
    try #require(done.count > 5)
    #expect(try first.storeOffsets([done[4].next]) == [])
    try first.commit(until: soon())
    try first.commit(until: soon())  // nothing new is no failure
    let place = TopicPartition(cluster.topic, 0)
    #expect(try first.committed([place], until: soon())[place] == done[4].next.offset)
    first.close(until: soon())

    let second = try member(cluster)
    defer { second.close(until: soon()) }
    try second.subscribe([cluster.topic])
    let again = try read(second, 35)
    #expect(again.count == 35)
    #expect(again.filter { $0.partition == 0 }.map(\.offset) == done.dropFirst(5).map(\.offset))
  }

  @Test func closeCommitsWhatRevokeStored() throws {
    let cluster = try TestCluster()
    try fill(cluster, 20)
    let first = try member(cluster)
    let stored = Mutex<[TopicPartitionOffset]>([])
    let revoked = Mutex<Set<TopicPartition>>([])
    try first.subscribe(
      [cluster.topic],
      onRevoke: { [unowned first] places, lost in
        revoked.withLock { $0.formUnion(places) }
        #expect(!lost)
        #expect(throws: Never.self) { try first.storeOffsets(stored.withLock { $0 }) }
      })
    let messages = try read(first, 20)
    let last = Dictionary(messages.map { ($0.place, $0.next) }, uniquingKeysWith: { $1 })
    stored.withLock { $0 = Array(last.values) }
    first.close(until: soon())
    #expect(revoked.withLock { $0 } == Set(last.keys))

    let second = try member(cluster)
    defer { second.close(until: soon()) }
    try second.subscribe([cluster.topic])
    _ = try poll(second) { (try? second.assignment().count) == 2 }
    #expect(try second.poll(max: 10, until: Instant.now() + .milliseconds(500)).isEmpty)
    let committed = try second.committed(Array(last.keys), until: soon())
    for (place, next) in last { #expect(committed[place] == next.offset) }
  }

  @Test func twoMembersShareAndHandOver() throws {
    let cluster = try TestCluster()
    let first = try member(cluster)
    let second = try member(cluster)
    try first.subscribe([cluster.topic])
    _ = try poll(first) { (try? first.assignment().count) == 2 }
    try second.subscribe([cluster.topic])
    let deadline = soon()
    while try first.assignment().count != 1 || second.assignment().count != 1, Instant.now() < deadline {
      _ = try first.poll(max: 10, until: Instant.now() + .milliseconds(50))
      _ = try second.poll(max: 10, until: Instant.now() + .milliseconds(50))
    }
    #expect(try Set(first.assignment() + second.assignment()).count == 2)
    let gone = try second.assignment()
    // Not ours any more: told, not thrown.
    #expect(try first.storeOffsets(gone.map { TopicPartitionOffset($0.topic, $0.partition, 1) }) == gone)
    second.close(until: soon())
    _ = try poll(first) { (try? first.assignment().count) == 2 }
    #expect(try first.assignment().count == 2)
    first.close(until: soon())
  }

  @Test func pauseAndWatermarks() throws {
    let cluster = try TestCluster(partitions: 1)
    try fill(cluster, 10)
    let reader = try KafkaConsumer(cluster.configuration(), options: .init(), logger: quiet)
    defer { reader.close(until: soon()) }
    let place = TopicPartition(cluster.topic, 0)
    try reader.assign([(place, .offset(4))])
    #expect(try read(reader, 6).map(\.offset) == Array(4..<10))
    #expect(try reader.queryWatermarks(place, until: soon()) == Watermarks(low: 0, high: 10))
    #expect(try reader.knownWatermarks(place).high == 10)
    try reader.pause([place])
    try fill(cluster, 1)
    #expect(try reader.poll(max: 10, until: Instant.now() + .milliseconds(400)).isEmpty)
  }

  @Test func wakeEndsAPoll() throws {
    let cluster = try TestCluster()
    let reader = try KafkaConsumer(cluster.configuration(), options: .init(), logger: quiet)
    defer { reader.close(until: soon()) }
    let waker = WorkerThread(name: "waker") { reader.wake() }
    let start = Instant.now()
    #expect(try reader.poll(max: 1, until: soon()).isEmpty)
    #expect(Instant.now() - start < .seconds(10))
    waker.join()
  }

  @Test func anOutageIsNoErrorAndPasses() throws {
    let cluster = try TestCluster(partitions: 1)
    try fill(cluster, 5)
    let consumer = try member(cluster)
    defer { consumer.close(until: soon()) }
    try consumer.subscribe([cluster.topic])
    #expect(try read(consumer, 5).count == 5)
    try cluster.mock.setDown()
    _ = try poll(consumer) { !consumer.isConnected }
    #expect(!consumer.isConnected)
    try cluster.mock.setUp()
    try fill(cluster, 5)
    #expect(try read(consumer, 5).map(\.offset) == Array(5..<10))
    _ = try poll(consumer) { consumer.isConnected }
    #expect(consumer.isConnected)
  }
}
