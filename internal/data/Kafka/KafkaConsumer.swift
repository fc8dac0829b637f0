internal import CRdkafka
public import Logger
internal import Synchronization
public import Values

/// A consumer: either a member of a group (`subscribe`) or a reader of given partitions (`assign`).
///
/// `poll` and `close` belong to one thread of the owner's, which must poll at least every `max.poll.interval.ms`
/// (5 minutes), paused partitions or not; rebalance hooks run inside them. All else may be called on any thread.
/// A message's offset is committed only after `storeOffsets`.
public final class KafkaConsumer: Sendable {
  /// What the owner decides.
  public struct Options: Sendable {
    /// The group; nil for a reader that assigns itself and commits nothing.
    public var group: String?
    /// How often stored offsets are committed by themselves; zero leaves it to `commit`.
    public var commitInterval: Duration
    /// After how long without a heartbeat the group gives this member's partitions to others; brokers allow 6 s and
    /// more by default (`group.min.session.timeout.ms`). devkafka makes every rebalance but a group's first last for
    /// this long less one second.
    public var sessionTimeout: Duration
    /// How many lanes the owner will make; librdkafka's limit on fetched messages holds for each lane, or for all where
    /// there is none.
    public var lanes: Int

    /// A reader without a group, unless one is named.
    public init(
      group: String? = nil, commitInterval: Duration = .seconds(1), sessionTimeout: Duration = .seconds(6),
      lanes: Int = 0
    ) {
      self.group = group
      self.commitInterval = commitInterval
      self.sessionTimeout = sessionTimeout
      self.lanes = lanes
    }

    /// Up to librdkafka 2.6.0 the cooperative assignor of a group with more members than partitions never ends: its
    /// leader spins (https://github.com/confluentinc/librdkafka/issues/4783). Debian 12 has 2.0.2.
    private static let assignor = rd_kafka_version() >= 0x0206_0100 ? "cooperative-sticky" : "roundrobin"

    /// - Parameter clientID: the name of a reader's group begins with it.
    func settings(clientID: String) -> [ClientSetting] {
      let commits = group != nil && commitInterval > .zero
      return [
        // librdkafka assigns nothing without a group's name; a reader's is never joined nor committed to.
        .fixed("group.id", group ?? "\(clientID)-reader-\(UniqueID.random())"),
        .fixed("enable.auto.offset.store", false),
        .standard("enable.auto.commit", commits),
        .standard("auto.commit.interval.ms", max(1, commitInterval.inMilliseconds)),
        .standard("session.timeout.ms", sessionTimeout.inMilliseconds),
        .standard("heartbeat.interval.ms", max(1, min(3_000, sessionTimeout.inMilliseconds / 3))),
        .standard("partition.assignment.strategy", Self.assignor),
        // A new group starts with what came before it.
        .standard("auto.offset.reset", "earliest"),
        // Memory: librdkafka would prefetch 64 MiB. The limit is on bytes alone: a partition that reaches
        // queued.min.messages is left alone for a second, and 5,000 there made a backlog 3 times slower to read.
        // It counts payload only: over a backlog of a million small messages 8 MiB made 70 MiB resident, 6 MiB make 60.
        .standard("queued.max.messages.kbytes", 6_144 / max(1, lanes)),
        .standard("queued.min.messages", 100_000),
        // devkafka answers an empty fetch only when this is over, even if a message comes meanwhile.
        .standard("fetch.wait.max.ms", 100),
      ]
    }
  }

  let handle: ClientHandle
  private let isWoken = Atomic(false)

  /// Starts the client; a broker need not be there yet.
  /// - Throws: `.invalidConfiguration`.
  public init(_ configuration: KafkaConfiguration, options: Options, logger: Logger) throws(KafkaError) {
    handle = try ClientHandle(
      RD_KAFKA_CONSUMER, configuration, options.settings(clientID: configuration.clientID),
      context: ClientContext(logger: logger)
    ) { conf in
      rd_kafka_conf_set_rebalance_cb(conf, kafkaRebalance)
      rd_kafka_conf_set_offset_commit_cb(conf, kafkaOffsetCommit)
      rd_kafka_conf_set_stats_cb(conf, kafkaStatistics)
      rd_kafka_conf_set_error_cb(conf, kafkaProblem)
    }
    try handle.use { (client) throws(KafkaError) in
      // One queue for messages, errors and callbacks, so that `poll` serves them all.
      try check(rd_kafka_poll_set_consumer(client), "set up the consumer's queue")
    }
  }

  /// Joins the group for these topics. Topics may be absent yet.
  /// - Parameters:
  ///   - onAssign: told of partitions that were added, before their first message.
  ///   - onRevoke: told of partitions that go, before they are given up: finish or drop their work and store offsets
  ///     here. With `lost` true they may belong to another member already, and storing or committing is too late.
  ///     Messages of these partitions that `poll` had gathered are dropped by `poll` itself.
  public func subscribe(
    _ topics: [String],
    onAssign: @escaping @Sendable ([TopicPartition]) -> Void = { _ in },
    onRevoke: @escaping @Sendable (_ partitions: [TopicPartition], _ lost: Bool) -> Void = { _, _ in }
  ) throws(KafkaError) {
    handle.context.hooks.withLock { $0 = RebalanceHooks(onAssign: onAssign, onRevoke: onRevoke) }
    handle.context.membership.withLock { $0 = .joining(since: .now()) }
    try handle.use { (client) throws(KafkaError) in
      let list = PartitionList(topics.map { TopicPartition($0, RD_KAFKA_PARTITION_UA) })
      try check(list.withPointer { rd_kafka_subscribe(client, $0) }, "subscribe to \(topics.joined(separator: ", "))")
    }
  }

  /// Gives up to `max` messages, in order within each partition; waits for the first one until `deadline`, then takes
  /// what is there. Errors that pass by themselves go to the log and show in `isConnected`.
  /// - Throws: `.fatal` (make a new consumer), `.closed`.
  public func poll(max: Int, until deadline: Instant) throws(KafkaError) -> [ConsumedMessage] {
    try handle.use { (client) throws(KafkaError) in
      var messages: [ConsumedMessage] = []
      var names = TopicNames()
      var seen = handle.context.revocations.load(ordering: .relaxed)
      while messages.count < max {
        // One at a time, although a batch call exists: that one waits until the batch is full, and goes on gathering
        // through a rebalance, so that messages of lost partitions could not be told from those that came after it.
        let wait = messages.isEmpty ? timeoutMilliseconds((deadline - Instant.now()).inNanoseconds, limit: 1_000) : 0
        let message = rd_kafka_consumer_poll(client, wait)
        let now = handle.context.revocations.load(ordering: .relaxed)
        if now != seen {
          seen = now
          dropRevoked(&messages)
        }
        guard let message else {
          if !messages.isEmpty || isWoken.exchange(false, ordering: .relaxed) || Instant.now() >= deadline { break }
          continue
        }
        defer { rd_kafka_message_destroy(message) }
        if message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR {
          messages.append(ConsumedMessage(message, &names))
        } else {
          if let failure = handle.noteError(message, client) { throw failure }
        }
      }
      if !messages.isEmpty { handle.context.noteProgress() }
      return messages
    }
  }

  /// Whether `wake` was called; asking takes it back.
  var isInterrupted: Bool { isWoken.exchange(false, ordering: .relaxed) }

  /// Makes a waiting `poll` return, or the next one not wait.
  public func wake() {
    isWoken.store(true, ordering: .relaxed)
    _ = try? handle.use { (client) throws(KafkaError) in
      guard let queue = rd_kafka_queue_get_consumer(client) else { return }
      rd_kafka_queue_yield(queue)
      rd_kafka_queue_destroy(queue)
    }
  }

  /// Whether a broker is connected, as of the last `poll`: for readiness.
  public var isConnected: Bool { handle.context.isConnected }
  /// Why no broker is connected; nil while one is, and while nothing is known. Told of during `poll`.
  public var connectionProblem: KafkaError? { handle.context.connectionProblem }

  /// Its newest figures, of about a second ago; nil before the first.
  public var statistics: ClientStatistics? { handle.context.statistics }

  /// Calls `onRevoke` for what is assigned, commits stored offsets, leaves the group and frees the client; after
  /// `deadline` it leaves without waiting for the broker. Harmless when called again.
  public func close(until deadline: Instant) {
    _ = try? handle.use { (client) throws(KafkaError) in
      guard let queue = rd_kafka_queue_get_consumer(client) else { return }
      defer { rd_kafka_queue_destroy(queue) }
      if let error = rd_kafka_consumer_close_queue(client, queue) {
        return handle.context.logger.warning(
          "closing the consumer", ["error": .error(KafkaError(consuming: error, "leave the group"))])
      }
      while rd_kafka_consumer_closed(client) == 0, Instant.now() < deadline {
        // Serves the rebalance that closing causes; messages still queued are dropped.
        if let message = rd_kafka_consumer_poll(client, 50) { rd_kafka_message_destroy(message) }
      }
      if rd_kafka_consumer_closed(client) == 0 { handle.context.membership.withLock { $0 = .stuck } }
    }
    handle.context.hooks.withLock { $0 = RebalanceHooks() }
    handle.close(flags: RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE)
  }

  private func dropRevoked(_ messages: inout [ConsumedMessage]) {
    let revoked = handle.context.revoked.withLock { revoked in
      defer { revoked = [] }
      return revoked
    }
    messages.removeAll { revoked.contains($0.place) }
  }
}

extension ClientHandle {
  /// Notes an error that came in a message's place.
  /// - Returns: the error when the client has failed for good.
  func noteError(_ message: UnsafeMutablePointer<rd_kafka_message_t>, _ client: OpaquePointer) -> KafkaError? {
    let error = message.pointee.err
    if error == RD_KAFKA_RESP_ERR__PARTITION_EOF { return nil }
    context.noteError(error, rd_kafka_message_errstr(message).map { String(cString: $0) } ?? "")
    let (fatal, why) = withErrorBuffer { rd_kafka_fatal_error(client, $0, $1) }
    if fatal == RD_KAFKA_RESP_ERR_NO_ERROR { return nil }
    return KafkaError(.fatal, "the Kafka consumer has failed for good: \(why)", number: fatal.rawValue)
  }
}

/// Throws unless librdkafka said that all is well.
func check(
  _ error: rd_kafka_resp_err_t, _ action: @autoclosure () -> String, file: String = #fileID, line: Int = #line
) throws(KafkaError) {
  if error == RD_KAFKA_RESP_ERR_NO_ERROR { return }
  throw KafkaError(error, action(), file: file, line: line)
}
