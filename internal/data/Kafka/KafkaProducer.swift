internal import CRdkafka
public import Logger
internal import Runtime
public import Values

/// An idempotent producer with acks=all: what it acknowledged is on all in-sync replicas, and within one life of the
/// producer a partition has no duplicates and keeps the order of `produce`. What librdkafka only infers to have been
/// delivered is reported as a failure of unknown fate.
///
/// Every function may be called on any thread. Delivery reports come on a thread of its own.
public final class KafkaProducer: Sendable {
  /// What the owner decides; user properties override the compression, the linger and the queue limits only.
  public struct Options: Sendable {
    /// From `produce` to giving up, retries included; the relay keeps it below its lease. At least 1 ms.
    public var deliveryTimeout: Duration
    /// How long a record may wait for others to share its batch.
    public var linger: Duration
    /// `none`, `gzip`, `snappy`, `lz4` or `zstd`.
    public var compression: String
    /// Records waiting or in flight; beyond it `produce` throws `.queueFull`.
    public var queueLimit: Int
    /// Their bytes, keys and values together.
    public var queueByteLimit: Int
    /// How often `onTick` is called at least; at least 1 ms.
    public var tick: Duration

    /// - Parameter deliveryTimeout: at least 1 ms.
    public init(
      deliveryTimeout: Duration = .seconds(10), linger: Duration = .milliseconds(1), compression: String = "lz4",
      queueLimit: Int = 100_000, queueByteLimit: Int = 32 << 20,
      tick: Duration = .milliseconds(200)
    ) {
      precondition(deliveryTimeout >= .milliseconds(1), "a delivery timeout of 0 would mean for ever to librdkafka")
      self.deliveryTimeout = deliveryTimeout
      self.linger = linger
      self.compression = compression
      self.queueLimit = queueLimit
      self.queueByteLimit = queueByteLimit
      self.tick = tick
    }

    var settings: [ClientSetting] {
      [
        .fixed("enable.idempotence", true),
        .fixed("acks", "all"),
        .fixed("message.timeout.ms", deliveryTimeout.inMilliseconds),
        .standard("linger.ms", linger.inSeconds * 1_000),
        .standard("compression.codec", compression),
        .standard("queue.buffering.max.messages", queueLimit),
        .standard("queue.buffering.max.kbytes", max(1, queueByteLimit >> 10)),
        // The partitioner of Java clients, so that a key's records meet in one partition whoever sends them.
        .standard("partitioner", "murmur2_random"),
      ]
    }
  }

  let handle: ClientHandle
  private let events: ProducerEvents
  private let thread: WorkerThread

  /// Starts the client; a broker need not be there yet.
  /// - Parameters:
  ///   - onDelivery: gets reports in batches on the producer's thread; it must not block for long, nor call `close`.
  ///   - onFatal: called once on that thread when the producer has failed for good; records not yet reported fail as
  ///     `.transient`, and the owner makes a new producer.
  ///   - onTick: called on that thread after each event, and every `Options.tick` without one.
  /// - Throws: `.invalidConfiguration`.
  public init(
    _ configuration: KafkaConfiguration, options: Options = Options(), logger: Logger,
    onDelivery: @escaping @Sendable ([DeliveryReport]) -> Void,
    onFatal: @escaping @Sendable (KafkaError) -> Void = { _ in },
    onTick: @escaping @Sendable () -> Void = {}
  ) throws(KafkaError) {
    let handle = try ClientHandle(
      RD_KAFKA_PRODUCER, configuration, options.settings, context: ClientContext(logger: logger)
    ) { conf in
      rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_STATS)
    }
    let events = try ProducerEvents(
      handle, tick: options.tick, onDelivery: onDelivery, onFatal: onFatal, onTick: onTick)
    self.handle = handle
    self.events = events
    thread = WorkerThread(name: "kafka-producer") { events.run() }
  }

  deinit { close() }

  /// Puts one record into the queue and returns at once; its report follows with the record's token.
  /// - Throws: `.queueFull` (wait for reports), `.messageTooLarge` (never), `.unknownTopicOrPartition`, `.fatal`,
  ///   `.closed`. A record that was thrown back gets no report.
  public func produce(_ record: ProducerRecord) throws(KafkaError) {
    try handle.use { (client) throws(KafkaError) in
      if let failure = enqueue(record, client) { throw failure }
    }
  }

  /// Puts records into the queue in order and stops at the first that is not taken, so that nothing overtakes it.
  /// - Returns: how many were taken, and why the next one was not.
  public func produce(_ records: some Sequence<ProducerRecord>) -> (accepted: Int, failure: KafkaError?) {
    var accepted = 0
    do throws(KafkaError) {
      try handle.use { (client) throws(KafkaError) in
        for record in records {
          if let failure = enqueue(record, client) { throw failure }
          accepted += 1
        }
      }
    } catch {
      return (accepted, error)
    }
    return (accepted, nil)
  }

  /// Learns where a topic's partitions are, so that the first record need not wait for it.
  ///
  /// Blocks the calling thread until then, or until `deadline`; a broker that does not answer is no error here.
  public func warmUp(topic: String, until deadline: Instant) {
    _ = try? handle.use { (client) throws(KafkaError) in
      guard let handle = rd_kafka_topic_new(client, topic, nil) else { return }
      defer { rd_kafka_topic_destroy(handle) }
      var metadata: UnsafePointer<rd_kafka_metadata_t>?
      rd_kafka_metadata(client, 0, handle, &metadata, timeoutMilliseconds((deadline - Instant.now()).inNanoseconds))
      if let metadata { rd_kafka_metadata_destroy(metadata) }
    }
  }

  /// Waits until every record so far has been reported to librdkafka's event queue, ignoring the linger.
  /// - Returns: false when `deadline` came first. Must not be called in `onDelivery`.
  public func flush(until deadline: Instant) -> Bool {
    let result = try? handle.use { (client) throws(KafkaError) in
      let remaining = timeoutMilliseconds((deadline - Instant.now()).inNanoseconds)
      return rd_kafka_flush(client, remaining) == RD_KAFKA_RESP_ERR_NO_ERROR
    }
    return result ?? true
  }

  /// Gives up every record that is not acknowledged yet; each is reported as `.purged`, with `mayBePersisted` when it
  /// had been sent.
  /// Returns at once; what is queued meanwhile may be purged too.
  ///
  /// The sequence numbers of records that were never sent are left out: librdkafka moves past them in aborted
  /// transactions only. The broker then refuses the next record of the partition once (OutOfOrderSequence, in its log),
  /// and librdkafka sends it again in a new epoch.
  public func purge() { purge(flags: RD_KAFKA_PURGE_F_NON_BLOCKING) }

  private func purge(flags: Int32) {
    _ = try? handle.use { (client) throws(KafkaError) in
      rd_kafka_purge(client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | flags)
    }
  }

  /// Records that have no report yet.
  public var outstanding: Int {
    (try? handle.use { (client) throws(KafkaError) in Int(rd_kafka_outq_len(client)) }) ?? 0
  }

  /// Whether a broker is connected, as of about a second ago: for readiness.
  public var isConnected: Bool { handle.context.isConnected }
  /// Why no broker is connected; nil while one is, and while nothing is known.
  public var connectionProblem: KafkaError? { handle.context.connectionProblem }

  /// Its newest figures, of about a second ago; nil before the first.
  public var statistics: ClientStatistics? { handle.context.statistics }

  /// Purges what is left, hands over the last reports and frees the client. Harmless when called again; not to be
  /// called in `onDelivery` or `onFatal`.
  public func close() {
    purge(flags: 0)
    events.stop()
    thread.join()
    events.free()
    handle.close(flags: 0)
  }
}
