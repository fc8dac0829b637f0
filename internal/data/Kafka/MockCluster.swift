internal import CRdkafka
public import Logger

/// librdkafka's Kafka in memory, reached over TCP on 127.0.0.1: for development and tests, never for production.
///
/// It serves producers (idempotent ones too), consumer groups and topics that appear when they are named; it has no
/// CreateTopics, no time index, and keeps about 5 MB a partition. Every function may be called on any thread.
public final class MockCluster: @unchecked Sendable {
  // @unchecked: the functions of rdkafka_mock.h take the cluster's lock or run on its own thread; the pointer is
  // freed in deinit, when nobody can call any more.
  private let client: OpaquePointer
  private let cluster: OpaquePointer
  private let context: ClientContext

  /// Starts the cluster on free ports of the loopback interface.
  /// - Parameter brokers: at least 1; their ids count from 1.
  public init(brokers: Int = 1, logger: Logger) throws(KafkaError) {
    context = ClientContext(logger: logger)
    let conf = ConfigurationHandle()
    try conf.set("client.id", "mock")
    // Retained here, released in deinit.
    let opaque = Unmanaged.passRetained(context).toOpaque()
    conf.withPointer { conf in
      rd_kafka_conf_set_opaque(conf, opaque)
      rd_kafka_conf_set_log_cb(conf, kafkaLog)
    }
    do throws(KafkaError) {
      client = try conf.makeClient(RD_KAFKA_PRODUCER)
    } catch {
      Unmanaged<ClientContext>.fromOpaque(opaque).release()
      throw error
    }
    guard let cluster = rd_kafka_mock_cluster_new(client, Int32(clamping: brokers)) else {
      rd_kafka_destroy(client)
      Unmanaged<ClientContext>.fromOpaque(opaque).release()
      throw KafkaError(.other, "cannot start a mock cluster of \(brokers) brokers: no free port or file descriptor")
    }
    self.cluster = cluster
  }

  deinit {
    rd_kafka_mock_cluster_destroy(cluster)
    rd_kafka_destroy(client)
    Unmanaged.passUnretained(context).release()
  }

  /// What clients connect to: `127.0.0.1:PORT`, several with commas.
  public var bootstrap: String { String(cString: rd_kafka_mock_cluster_bootstraps(cluster)) }

  /// Makes a topic; without it a topic appears with 4 partitions when a client names it.
  /// - Throws: `.other` when it exists already.
  public func createTopic(_ name: String, partitions: Int) throws(KafkaError) {
    try check(
      rd_kafka_mock_topic_create(cluster, name, Int32(clamping: partitions), 1), "create mock topic \(name)")
  }

  /// Makes the next requests with this key fail, one error each, in turn. `-195` (`_TRANSPORT`) cuts the connection.
  /// - Parameters:
  ///   - request: Kafka's ApiKey, such as 0 for Produce.
  ///   - errors: error numbers of the protocol.
  public func pushErrors(request: MockRequest, _ errors: [Int32]) {
    let errors = errors.map { rd_kafka_resp_err_t(rawValue: $0) }
    rd_kafka_mock_push_request_errors_array(cluster, request.rawValue, errors.count, errors)
  }

  /// Forgets the errors that are still waiting for such a request.
  public func clearErrors(request: MockRequest) {
    rd_kafka_mock_clear_request_errors(cluster, request.rawValue)
  }

  /// Makes metadata requests for the topic answer with this error; 0 heals it.
  public func setTopicError(_ topic: String, _ error: Int32) {
    rd_kafka_mock_topic_set_error(cluster, topic, rd_kafka_resp_err_t(rawValue: error))
  }

  /// Cuts a broker's connections and takes no new ones; nil is all brokers.
  public func setDown(broker: Int32? = nil) throws(KafkaError) {
    try check(rd_kafka_mock_broker_set_down(cluster, broker ?? -1), "take a mock broker down")
  }

  /// Lets a broker take connections again; nil is all brokers.
  public func setUp(broker: Int32? = nil) throws(KafkaError) {
    try check(rd_kafka_mock_broker_set_up(cluster, broker ?? -1), "bring a mock broker up")
  }

  /// Delays every answer by this many milliseconds; nil is all brokers.
  public func setRoundTrip(milliseconds: Int32, broker: Int32? = nil) throws(KafkaError) {
    try check(rd_kafka_mock_broker_set_rtt(cluster, broker ?? -1, milliseconds), "set a mock broker's delay")
  }

  /// Makes another broker the partition's leader; nil leaves it without one.
  public func setLeader(_ place: TopicPartition, broker: Int32?) throws(KafkaError) {
    try check(
      rd_kafka_mock_partition_set_leader(cluster, place.topic, place.partition, broker ?? -1), "set a mock leader")
  }
}
