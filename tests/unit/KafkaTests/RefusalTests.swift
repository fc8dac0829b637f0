import Errors
import Runtime
import Testing
import Values

@testable import Kafka

/// What brokers refuse, and what records of strangers hold.
@Suite struct RefusalTests {
  @Test(arguments: [
    (Int64.max, Int64.max), (9_223_372_036_854_776, .max), (9_223_372_036_854_775, 9_223_372_036_854_775_000), (0, 0),
  ])
  func aRecordsTimeSaturates(milliseconds: Int64, microseconds: Int64) {
    #expect(Timestamp(recordMilliseconds: milliseconds)?.microseconds == microseconds)
  }

  @Test(arguments: [Int64.min, -1]) func aRecordMayHaveNoTime(milliseconds: Int64) {
    #expect(Timestamp(recordMilliseconds: milliseconds) == nil)
  }

  @Test func theLastOffsetHasItselfBehindIt() {
    let message = ConsumedMessage(topic: "t", partition: 0, offset: .max, key: nil, value: nil)
    #expect(message.next.offset == .max)
  }

  @Test func theHealthOfATopicIsTold() throws {
    let cluster = try TestCluster()
    let consumer = try KafkaConsumer(cluster.configuration(), options: .init(), logger: quiet)
    defer { consumer.close(until: soon()) }
    let well = try consumer.health(of: cluster.topic, until: soon())
    #expect(well.partitions == 2 && well.problem == nil && well.hint == nil)
    try cluster.mock.setLeader(TopicPartition(cluster.topic, 1), broker: nil)
    #expect(try consumer.health(of: cluster.topic, until: soon()).leaderless == [1])
    cluster.mock.setTopicError(cluster.topic, 29)  // TOPIC_AUTHORIZATION_FAILED
    let denied = try consumer.health(of: cluster.topic, until: soon())
    #expect(denied.isDenied && denied.problem?.contains("TOPIC_AUTHORIZATION_FAILED") == true)
    cluster.mock.setTopicError(cluster.topic, 3)  // UNKNOWN_TOPIC_OR_PART
    let gone = try consumer.health(of: cluster.topic, until: soon())
    #expect(!gone.isDenied && gone.problem != nil)
  }

  @Test func aCertificateThatIsNotAcceptedHasAReason() {
    // OpenSSL, x509_vfy.h: X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, …_HOSTNAME_MISMATCH, …_IP_ADDRESS_MISMATCH.
    let words = [20, 62, 64, 10, 77].map { CertificateProblem.words($0) }
    #expect(Set(words).count == words.count)
    #expect(words[0].contains("not trusted") && words[1].contains("host name") && words[2].contains("IP address"))
    #expect(words[4].contains("77"))
  }

  @Test func aGroupThatRefusesUsIsNamedUntilItDoesNot() throws {
    let cluster = try TestCluster()
    let denied: Int32 = 30  // GROUP_AUTHORIZATION_FAILED
    cluster.mock.pushErrors(request: .findCoordinator, Array(repeating: denied, count: 10_000))
    let consumer = try KafkaConsumer(
      cluster.configuration(), options: KafkaConsumer.Options(group: "denied"), logger: quiet)
    defer { consumer.close(until: soon()) }
    try consumer.subscribe([cluster.topic])
    _ = try poll(consumer) { consumer.denial != nil }
    #expect(consumer.denial?.code == .notAuthorized)
    #expect(consumer.denial?.description.contains("GROUP_AUTHORIZATION_FAILED") == true)
    #expect(consumer.joiningTime != nil)
    cluster.mock.clearErrors(request: .findCoordinator)
    _ = try poll(consumer) { consumer.joiningTime == nil }
    #expect(consumer.denial == nil && consumer.joiningTime == nil)
  }
}
