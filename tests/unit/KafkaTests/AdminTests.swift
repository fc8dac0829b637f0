import Runtime
import Testing
import Values

@testable import Kafka

@Suite struct AdminTests {
  @Test func topicsAreMadeByNamingThemAndMismatchesReported() throws {
    let cluster = try TestCluster(partitions: 3)
    let admin = try KafkaAdmin(cluster.configuration(), logger: quiet)
    defer { admin.close() }
    let wanted = [TopicSpecification("orders", partitions: 3), TopicSpecification("orders.dlq", partitions: 2)]
    // The mock gives 4 partitions to a topic that was only named.
    let mismatch = TopicMismatch(topic: "orders.dlq", expected: 2, found: 4)
    #expect(try admin.ensureTopics(wanted, until: soon()) == [mismatch])
    #expect(try admin.metadata(until: soon()).topics == ["orders": 3, "orders.dlq": 4])
    #expect(try admin.ensureTopics(wanted, until: soon()) == [mismatch])
  }

  @Test func itWaitsForTheBroker() throws {
    let cluster = try TestCluster()
    try cluster.mock.setDown()
    let admin = try KafkaAdmin(cluster.configuration(), logger: quiet)
    defer { admin.close() }
    let wanted = [TopicSpecification("late", partitions: 4)]
    let error = #expect(throws: KafkaError.self) {
      try admin.ensureTopics(wanted, until: Instant.now() + .milliseconds(300))
    }
    #expect(error?.isRetryable == true)
    let healer = WorkerThread(name: "healer") { try? cluster.mock.setUp() }
    #expect(try admin.ensureTopics(wanted, until: soon()) == [])
    healer.join()
  }

  @Test func cancelEndsTheWait() throws {
    let admin = try KafkaAdmin(KafkaConfiguration(brokers: "127.0.0.1:1", clientID: "test"), logger: quiet)
    admin.cancel()
    let error = #expect(throws: KafkaError.self) {
      try admin.ensureTopics([TopicSpecification("t", partitions: 1)], until: .distantFuture)
    }
    #expect(error?.code == .closed)
  }

  @Test func anOldClusterGetsANumberOfReplicas() {
    var attempt = TopicCreation([TopicSpecification("a", partitions: 4), TopicSpecification("b", partitions: 4)])
    let metadata = ClusterMetadata(brokers: [1: "h:1", 2: "h:2"], topics: ["a": 4])
    let missing = attempt.missing(in: metadata)
    #expect(missing == [TopicSpecification("b", partitions: 4)])
    #expect(attempt.replication == -1)
    let fellBack = attempt.fallBackToExplicitReplication()
    #expect(fellBack && attempt.replication == 2)
    let again = attempt.fallBackToExplicitReplication()
    #expect(!again)
  }
}
