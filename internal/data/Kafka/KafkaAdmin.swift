internal import CRdkafka
public import Logger
internal import Runtime
public import Values

/// What a cluster says of itself.
public struct ClusterMetadata: Sendable {
  /// `host:port` by broker id.
  public var brokers: [Int32: String] = [:]
  /// Partition counts by topic; topics that cannot be used now are left out.
  public var topics: [String: Int] = [:]
}

/// A topic that must be there.
public struct TopicSpecification: Sendable, Hashable {
  /// The topic's name.
  public var name: String
  /// At least 1.
  public var partitions: Int

  /// - Parameter partitions: at least 1.
  public init(_ name: String, partitions: Int) {
    self.name = name
    self.partitions = partitions
  }
}

/// A topic that is there with another number of partitions than asked for; it works, only spread differently.
public struct TopicMismatch: Sendable, Hashable {
  /// The topic's name.
  public var topic: String
  /// The number of partitions that was asked for.
  public var expected: Int
  /// The number of partitions that the topic has.
  public var found: Int
}

/// Looks at topics and makes them. Blocks: for threads of our own; callable on any of them.
public final class KafkaAdmin: Sendable {
  let handle: ClientHandle
  private let logger: Logger
  private let isCancelled = Monitor(false)

  /// Starts the client; a broker need not be there yet.
  /// - Throws: `.invalidConfiguration`.
  public init(_ configuration: KafkaConfiguration, logger: Logger) throws(KafkaError) {
    self.logger = logger
    // A producer's handle: only that one's metadata requests may make topics.
    handle = try ClientHandle(
      RD_KAFKA_PRODUCER, configuration, [], context: ClientContext(logger: logger)
    ) { rd_kafka_conf_set_error_cb($0, kafkaProblem) }
  }

  deinit { close() }

  /// Reads the full metadata.
  /// - Throws: `.brokerUnavailable`, `.timedOut`, `.notTrusted`.
  public func metadata(until deadline: Instant) throws(KafkaError) -> ClusterMetadata {
    try handle.use { (client) throws(KafkaError) in
      do throws(KafkaError) {
        let found = try readMetadata(client, topic: nil, until: deadline)
        handle.context.noteConnection()
        return found
      } catch {
        // Calls back with what librdkafka has met meanwhile, of which its answer says nothing.
        rd_kafka_poll(client, 0)
        throw handle.context.connectionProblem ?? error
      }
    }
  }

  /// Sees to it that the topics exist: looks in the full metadata, makes what is absent (replicated as the cluster's
  /// default says), and waits until it shows. Where CreateTopics is not served (devkafka), naming the topic in a
  /// metadata request makes it. Waits for the broker with backoff.
  /// - Returns: topics with another number of partitions, which are also warned of in the log.
  /// - Parameter waitsForRights: whether a refusal for want of rights is waited out as other errors are that time may
  ///   cure.
  /// - Throws: the last error once `deadline` has passed; `.closed` after `cancel`.
  @discardableResult
  public func ensureTopics(
    _ wanted: [TopicSpecification], until deadline: Instant, waitsForRights: Bool = true
  ) throws(KafkaError) -> [TopicMismatch] {
    var backoff = Backoff(first: .milliseconds(100), limit: .seconds(2))
    var attempt = TopicCreation(wanted)
    while true {
      let failure: KafkaError
      do throws(KafkaError) {
        let missing = attempt.missing(in: try metadata(until: min(deadline, Instant.now() + .seconds(3))))
        if missing.isEmpty { return report(attempt.mismatches) }
        try make(missing, &attempt, until: min(deadline, Instant.now() + .seconds(10)))
        failure = KafkaError(.timedOut, "topics do not show yet: \(missing.map(\.name).joined(separator: ", "))")
      } catch {
        if !error.isRetryable || ([.notAuthorized, .notTrusted].contains(error.code) && !waitsForRights) {
          throw error
        }
        failure = error
      }
      logger.debug("waiting for Kafka topics", ["error": .error(failure)])
      let isOver = isCancelled.wait(until: min(deadline, Instant.now() + backoff.nextDelay())) { $0 ? true : nil }
      if isOver == true { throw KafkaError(.closed, "waiting for Kafka topics was cancelled") }
      // Another try without time for an answer would hide what is in the way.
      if Instant.now() >= deadline { throw failure }
    }
  }

  /// Makes a waiting `ensureTopics` give up, on another thread.
  public func cancel() { isCancelled.update { $0 = true } }

  /// Frees the client. Harmless when called again.
  public func close() {
    cancel()
    handle.close(flags: 0)
  }

  private func make(
    _ missing: [TopicSpecification], _ attempt: inout TopicCreation, until deadline: Instant
  ) throws(KafkaError) {
    if attempt.method == .request, try !hasController(among: attempt.brokers) {
      logger.info("the cluster names no controller to create topics; they are made by naming them")
      attempt.method = .naming
    }
    if attempt.method == .request {
      do throws(KafkaError) {
        return try create(missing, &attempt, until: deadline)
      } catch {
        guard error.code == .notSupported else { throw error }
        logger.info("the broker serves no CreateTopics; topics are made by naming them")
        attempt.method = .naming
      }
    }
    for topic in missing {
      _ = try handle.use { (client) throws(KafkaError) in
        try readMetadata(client, topic: topic.name, until: deadline)
      }
    }
  }

  /// Whether the cluster has a broker that creates topics. librdkafka's mock names one that is not among its brokers,
  /// and CreateTopics would wait for it in vain.
  private func hasController(among brokers: Set<Int32>) throws(KafkaError) -> Bool {
    try handle.use { (client) throws(KafkaError) in brokers.contains(rd_kafka_controllerid(client, 1_000)) }
  }

  private func report(_ mismatches: [TopicMismatch]) -> [TopicMismatch] {
    for mismatch in mismatches {
      logger.warning(
        "topic has another number of partitions",
        [
          "topic": .string(mismatch.topic), "expected": .number(mismatch.expected), "found": .number(mismatch.found),
        ])
    }
    return mismatches
  }
}
