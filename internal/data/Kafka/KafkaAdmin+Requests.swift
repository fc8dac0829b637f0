internal import CRdkafka
internal import Values

extension KafkaAdmin {
  /// Reads the metadata of every topic, or of one, which makes it where the broker makes topics by itself.
  func readMetadata(_ client: OpaquePointer, topic: String?, until deadline: Instant) throws(KafkaError)
    -> ClusterMetadata
  {
    let handle = topic.flatMap { rd_kafka_topic_new(client, $0, nil) }
    defer { if let handle { rd_kafka_topic_destroy(handle) } }
    var answer: UnsafePointer<rd_kafka_metadata>?
    let remaining = max(1, timeoutMilliseconds((deadline - Instant.now()).inNanoseconds))
    try check(rd_kafka_metadata(client, topic == nil ? 1 : 0, handle, &answer, remaining), "read the metadata")
    guard let answer else { return ClusterMetadata() }
    defer { rd_kafka_metadata_destroy(answer) }
    return ClusterMetadata(answer.pointee)
  }

  /// One CreateTopics request.
  func create(
    _ topics: [TopicSpecification], _ attempt: inout TopicCreation, until deadline: Instant
  ) throws(KafkaError) {
    let replication = attempt.replication
    let results = try handle.use { (client) throws(KafkaError) in
      try requestTopics(topics, replication: replication, client, until: deadline)
    }
    for (topic, error, reason) in results {
      switch error {
      case RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS: continue
      case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR where attempt.fallBackToExplicitReplication(): return
      default: throw KafkaError(error, "create topic \(topic)", reason: reason)
      }
    }
  }

  private func requestTopics(
    _ topics: [TopicSpecification], replication: Int32, _ client: OpaquePointer, until deadline: Instant
  ) throws(KafkaError) -> [(topic: String, error: rd_kafka_resp_err_t, reason: String?)] {
    var requests: [OpaquePointer?] = []
    defer { rd_kafka_NewTopic_destroy_array(&requests, requests.count) }
    for topic in topics {
      let (request, reason) = withErrorBuffer {
        rd_kafka_NewTopic_new(topic.name, Int32(clamping: topic.partitions), replication, $0, $1)
      }
      guard let request else { throw KafkaError(.invalidConfiguration, "topic \(topic.name): \(reason)") }
      requests.append(request)
    }
    guard let queue = rd_kafka_queue_new(client) else { return [] }
    defer { rd_kafka_queue_destroy(queue) }
    let remaining = max(1, timeoutMilliseconds((deadline - Instant.now()).inNanoseconds))
    let options = rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_CREATETOPICS)
    defer { rd_kafka_AdminOptions_destroy(options) }
    _ = withErrorBuffer { rd_kafka_AdminOptions_set_request_timeout(options, remaining, $0, $1) }
    rd_kafka_CreateTopics(client, &requests, requests.count, options, queue)
    guard let event = rd_kafka_queue_poll(queue, remaining) else {
      throw KafkaError(.timedOut, "cannot create topics: no answer from the cluster's controller in time")
    }
    defer { rd_kafka_event_destroy(event) }
    let reason = rd_kafka_event_error_string(event).map { String(cString: $0) }
    let error = rd_kafka_event_error(event)
    if error != RD_KAFKA_RESP_ERR_NO_ERROR { throw KafkaError(error, "create topics", reason: reason) }
    return topicResults(event)
  }

  private func topicResults(
    _ event: OpaquePointer
  ) -> [(topic: String, error: rd_kafka_resp_err_t, reason: String?)] {
    var count = 0
    guard let results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count)
    else { return [] }
    return (0..<count).map { index in
      let result = results[index]
      return (
        String(cString: rd_kafka_topic_result_name(result)), rd_kafka_topic_result_error(result),
        rd_kafka_topic_result_error_string(result).map { String(cString: $0) }
      )
    }
  }
}

extension ClusterMetadata {
  init(_ answer: rd_kafka_metadata) {
    for index in 0..<Int(answer.broker_cnt) {
      let broker = answer.brokers[index]
      brokers[broker.id] = "\(String(cString: broker.host)):\(broker.port)"
    }
    for index in 0..<Int(answer.topic_cnt) {
      let topic = answer.topics[index]
      guard topic.err == RD_KAFKA_RESP_ERR_NO_ERROR, topic.partition_cnt > 0 else { continue }
      topics[String(cString: topic.topic)] = Int(topic.partition_cnt)
    }
  }
}
