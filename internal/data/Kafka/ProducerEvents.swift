internal import CRdkafka
internal import Logger
internal import Synchronization
internal import Values

/// Serves a producer's event queue on the producer's own thread.
///
/// Sendable: `rd_kafka_queue_t` is as thread-safe as the client; it is freed once, after the thread has ended.
final class ProducerEvents: @unchecked Sendable {
  private let handle: ClientHandle
  private let queue: OpaquePointer
  /// In milliseconds.
  private let tick: Int32
  private let onDelivery: @Sendable ([DeliveryReport]) -> Void
  private let onFatal: @Sendable (KafkaError) -> Void
  private let onTick: @Sendable () -> Void
  private let isStopping = Atomic(false)
  private let isFreed = Atomic(false)
  private let hasFailed = Atomic(false)

  init(
    _ handle: ClientHandle, tick: Duration, onDelivery: @escaping @Sendable ([DeliveryReport]) -> Void,
    onFatal: @escaping @Sendable (KafkaError) -> Void, onTick: @escaping @Sendable () -> Void
  ) throws(KafkaError) {
    self.handle = handle
    self.tick = Int32(clamping: max(1, tick.inMilliseconds))
    queue = try handle.use { (client) throws(KafkaError) in rd_kafka_queue_get_main(client) }
    self.onDelivery = onDelivery
    self.onFatal = onFatal
    self.onTick = onTick
  }

  /// Ends `run` once no record is outstanding; for a purged producer that is at once.
  func stop() {
    guard !isStopping.exchange(true, ordering: .releasing), !isFreed.load(ordering: .acquiring) else { return }
    rd_kafka_queue_yield(queue)
  }

  /// Frees the queue; only after the thread has ended.
  func free() {
    if !isFreed.exchange(true, ordering: .acquiringAndReleasing) { rd_kafka_queue_destroy(queue) }
  }

  /// Serves events until stopped.
  func run() {
    _ = try? handle.use { (client) throws(KafkaError) in
      var stopDeadline: Instant?
      while true {
        if let event = rd_kafka_queue_poll(queue, tick) { serve(event, client) }
        onTick()
        guard isStopping.load(ordering: .acquiring) else { continue }
        let deadline = stopDeadline ?? Instant.now() + .seconds(5)
        stopDeadline = deadline
        // A purge inside a broker thread's connect may lag; never hang on it.
        if rd_kafka_outq_len(client) == 0 || Instant.now() >= deadline { return }
      }
    }
  }

  private func serve(_ event: OpaquePointer, _ client: OpaquePointer) {
    defer { rd_kafka_event_destroy(event) }
    switch rd_kafka_event_type(event) {
    case RD_KAFKA_EVENT_DR: onDelivery(reports(event))
    case RD_KAFKA_EVENT_STATS: if let json = rd_kafka_event_stats(event) { handle.context.noteStatistics(json) }
    case RD_KAFKA_EVENT_ERROR: noteError(event, client)
    default: break
    }
  }

  private func noteError(_ event: OpaquePointer, _ client: OpaquePointer) {
    let reason = rd_kafka_event_error_string(event).map { String(cString: $0) } ?? ""
    guard rd_kafka_event_error_is_fatal(event) != 0 else {
      return handle.context.noteError(rd_kafka_event_error(event), reason)
    }
    guard !hasFailed.exchange(true, ordering: .relaxed) else { return }
    let (error, why) = withErrorBuffer { rd_kafka_fatal_error(client, $0, $1) }
    let name = String(cString: rd_kafka_err2name(error))
    onFatal(KafkaError(.fatal, "the Kafka producer has failed for good: \(why) (\(name))", number: error.rawValue))
  }

  private func reports(_ event: OpaquePointer) -> [DeliveryReport] {
    var reports: [DeliveryReport] = []
    reports.reserveCapacity(rd_kafka_event_message_count(event))
    var names = TopicNames()
    while let message = rd_kafka_event_message_next(event) {
      let failure = Self.failure(of: message)
      reports.append(
        DeliveryReport(
          token: UInt64(UInt(bitPattern: message.pointee._private)),
          topic: names.name(message.pointee.rkt),
          partition: message.pointee.partition,
          offset: failure == nil ? message.pointee.offset : nil,
          timestamp: failure == nil ? messageTimestamp(message) : nil, failure: failure))
    }
    return reports
  }

  private static func failure(of message: UnsafePointer<rd_kafka_message_t>) -> DeliveryFailure? {
    let error = message.pointee.err
    if error != RD_KAFKA_RESP_ERR_NO_ERROR { return DeliveryFailure(error, rd_kafka_message_status(message)) }
    return message.pointee.offset < 0 ? .unconfirmed : nil
  }
}
