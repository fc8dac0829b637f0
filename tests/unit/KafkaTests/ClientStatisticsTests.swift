import Testing

@testable import Kafka

@Suite struct ClientStatisticsTests {
  /// After the example of librdkafka's STATISTICS.md, with an address to begin with and a group's coordinator.
  static let text = #"""
    { "name": "rdkafka#producer-1", "client_id": "rdkafka", "type": "producer", "ts": 5016483227792, "time": 1527060869,
      "replyq": 0, "msg_cnt": 22710, "msg_size": 704010, "msg_max": 500000, "simple_cnt": 0,
      "brokers": {
        "localhost:9092/2": { "name": "localhost:9092/2", "nodeid": 2, "source": "learned", "state": "UP",
          "stateage": 9057234, "outbuf_latency": {"min": 2, "p99": 9000, "cnt": 7},
          "rtt": { "min": 1580, "max": 3389, "avg": 2349, "sum": 79868, "stddev": 474, "p99": 3471, "cnt": 34 },
          "toppars": {"test-1": {"topic": "test", "partition": 1}} },
        "localhost:9093/3": { "nodeid": 3, "source": "configured", "state": "UP", "rtt": {"p99": 12000, "cnt": 1} },
        "localhost:9094/4": { "nodeid": 4, "source": "learned", "state": "CONNECT", "rtt": {"p99": 99000, "cnt": 0} },
        "localhost:9092/bootstrap": { "nodeid": -1, "source": "configured", "state": "UP", "rtt": {"p99": 1, "cnt": 1} },
        "GroupCoordinator": { "nodeid": 2, "source": "logical", "state": "UP", "rtt": {"p99": 500000, "cnt": 3} } },
      "topics": {"test": {"topic": "test", "batchsize": {"avg": 1.5}}}, "txmsgs": 0 }
    """#

  @Test func `the figures are those of the brokers themselves`() throws {
    let statistics = try #require(ClientStatistics(Array(Self.text.utf8)))
    #expect(statistics.queuedMessages == 22_710)
    #expect(statistics.connectedBrokers == 2)
    #expect(statistics.roundTrip == 12_000)
  }

  @Test func `what is cut off, or of another shape, has no figures`() {
    let bytes = Array(Self.text.utf8)
    for count in bytes.indices { #expect(ClientStatistics(Array(bytes[..<count])) == nil) }
    for other in ["[]", #"{"msg_cnt":"1"}"#, #"{"brokers":[]}"#, #"{"brokers":{"a":{"rtt":1}}}"#] {
      #expect(ClientStatistics(Array(other.utf8)) == nil)
    }
  }
}
