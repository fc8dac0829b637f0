internal import CRdkafka
internal import Glibc
internal import Synchronization
public import Values

/// What the brokers say of a topic.
public struct TopicHealth: Sendable, Hashable {
  /// The topic's name.
  public var topic: String
  /// Why there is no such topic for us, in librdkafka's words: it is absent, or we have no right to it.
  public var refusal: String?
  /// Whether it is for want of rights. Brokers say so of absent topics too, to those who may not look.
  public var isDenied = false
  /// The number of partitions; 0 where the topic is refused.
  public var partitions = 0
  /// Partitions that nobody leads: they can be neither read nor written.
  public var leaderless: [Int32] = []
  /// Partitions with fewer replicas in sync than they have: below `min.insync.replicas` writes are refused.
  public var lagging: [Int32] = []

  /// A topic of which nothing is known yet.
  public init(topic: String) { self.topic = topic }

  /// Why messages can neither come nor go; nil when nothing is known.
  public var problem: String? {
    if let refusal { return "topic \(topic): \(refusal)" }
    if leaderless.isEmpty { return nil }
    return "topic \(topic): no leader for \(Self.words(leaderless, of: partitions))"
  }

  /// What may be why writes are not acknowledged.
  public var hint: String? {
    lagging.isEmpty ? nil : "replicas are out of sync in \(Self.words(lagging, of: partitions)) of topic \(topic)"
  }

  private static func words(_ places: [Int32], of count: Int) -> String {
    let names = places.prefix(8).map(String.init).joined(separator: ", ") + (places.count > 8 ? ", …" : "")
    return "partition\(places.count == 1 ? "" : "s") \(names) of \(count)"
  }
}

extension TopicHealth {
  init(_ answer: rd_kafka_metadata_topic) {
    self.init(topic: String(cString: answer.topic))
    if answer.err != RD_KAFKA_RESP_ERR_NO_ERROR {
      let error = KafkaError(answer.err, "use it")
      refusal = "\(String(cString: rd_kafka_err2str(answer.err))) (\(error.name))"
      isDenied = error.code == .notAuthorized
    }
    partitions = Int(answer.partition_cnt)
    for index in 0..<partitions {
      let partition = answer.partitions[index]
      if partition.leader < 0 {
        leaderless.append(partition.id)
      } else if partition.isr_cnt < partition.replica_cnt {
        lagging.append(partition.id)
      }
    }
  }
}

extension ClientHandle {
  /// Asks a broker about a topic.
  func health(of topic: String, until deadline: Instant) throws(KafkaError) -> TopicHealth {
    try use { (client) throws(KafkaError) in
      guard let handle = rd_kafka_topic_new(client, topic, nil) else {
        throw KafkaError(rd_kafka_last_error(), "look at topic \(topic)")
      }
      defer { rd_kafka_topic_destroy(handle) }
      var answer: UnsafePointer<rd_kafka_metadata>?
      let remaining = max(1, timeoutMilliseconds((deadline - Instant.now()).inNanoseconds))
      try check(rd_kafka_metadata(client, 0, handle, &answer, remaining), "look at topic \(topic)")
      guard let answer else { return TopicHealth(topic: topic) }
      defer { rd_kafka_metadata_destroy(answer) }
      for index in 0..<Int(answer.pointee.topic_cnt) where strcmp(answer.pointee.topics[index].topic, topic) == 0 {
        return TopicHealth(answer.pointee.topics[index])
      }
      return TopicHealth(topic: topic)
    }
  }
}

extension KafkaProducer {
  /// Asks a broker about a topic; where brokers make topics by themselves, an absent one is made. Blocks.
  /// - Throws: `.brokerUnavailable`, `.timedOut`, `.closed`.
  public func health(of topic: String, until deadline: Instant) throws(KafkaError) -> TopicHealth {
    try handle.health(of: topic, until: deadline)
  }
}

extension KafkaConsumer {
  /// Asks a broker about a topic, which is not made by it. Blocks.
  /// - Throws: `.brokerUnavailable`, `.timedOut`, `.closed`.
  public func health(of topic: String, until deadline: Instant) throws(KafkaError) -> TopicHealth {
    try handle.health(of: topic, until: deadline)
  }

  /// The last refusal for want of rights, to a topic or to the group, that nothing has disproved since.
  public var denial: KafkaError? { handle.context.denial }

  /// How long it has waited for its first partitions since it joined its group; nil once the group has given it some,
  /// or none.
  public var joiningTime: Duration? {
    handle.context.membership.withLock { if case .joining(let since) = $0 { Instant.now() - since } else { nil } }
  }
}
