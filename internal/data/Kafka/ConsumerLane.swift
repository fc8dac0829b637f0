internal import CRdkafka
public import Values

/// A queue of its own for messages of some of a consumer's partitions, so that several threads read them side by side.
///
/// `KafkaConsumer.lead` decides which partitions come through it. A full lane stops the fetching of its partitions and
/// of no others. `poll` belongs to one thread of the owner's, which must have ended before the consumer is closed;
/// `wake` may be called on any.
public final class ConsumerLane: @unchecked Sendable {
  // @unchecked: the queue's address never changes, and "the API is completely thread-safe" (ClientHandle).
  let queue: OpaquePointer
  private let handle: ClientHandle

  /// - Parameter queue: freed with the client, which has adopted it.
  init(_ handle: ClientHandle, _ queue: OpaquePointer) {
    self.handle = handle
    self.queue = queue
  }

  /// Gives up to `max` messages, in order within each partition; waits for the first one until `deadline`, for a second
  /// at most, then takes what is there. Messages of partitions that were given up are not among them.
  /// - Returns: nothing when the time is over or `wake` was called.
  /// - Throws: `.fatal` (make a new consumer), `.closed`.
  public func poll(max: Int, until deadline: Instant) throws(KafkaError) -> [ConsumedMessage] {
    try handle.use { (client) throws(KafkaError) in
      var messages: [ConsumedMessage] = []
      var names = TopicNames()
      // librdkafka's batch call waits until the batch is full: the first message is awaited alone.
      let wait = timeoutMilliseconds((deadline - Instant.now()).inNanoseconds, limit: 1_000)
      guard try take(1, wait, client, &names, into: &messages) > 0 else { return [] }
      var room = max - 1
      while room > 0 {
        let asked = min(room, 1_024)
        let count = try take(asked, 0, client, &names, into: &messages)
        if count < asked { break }
        room -= count
      }
      if !messages.isEmpty { handle.context.noteProgress() }
      return messages
    }
  }

  /// Makes a waiting `poll` return, or the next one not wait.
  public func wake() {
    _ = try? handle.use { (_) throws(KafkaError) in rd_kafka_queue_yield(queue) }
  }

  /// - Returns: how many messages and errors came.
  private func take(
    _ count: Int, _ wait: Int32, _ client: OpaquePointer, _ names: inout TopicNames,
    into messages: inout [ConsumedMessage]
  ) throws(KafkaError) -> Int {
    var failure: KafkaError?
    let taken = withUnsafeTemporaryAllocation(of: UnsafeMutablePointer<rd_kafka_message_t>?.self, capacity: count) {
      buffer in
      buffer.initialize(repeating: nil)
      // Below zero only for a queue that cannot be read, which this one can.
      let taken = max(0, rd_kafka_consume_batch_queue(queue, wait, buffer.baseAddress, buffer.count))
      for case let message? in buffer[..<taken] {
        defer { rd_kafka_message_destroy(message) }
        if message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR {
          messages.append(ConsumedMessage(message, &names))
        } else {
          failure = failure ?? handle.noteError(message, client)
        }
      }
      return taken
    }
    if let failure { throw failure }
    return taken
  }
}

extension KafkaConsumer {
  /// Makes a lane.
  /// - Throws: `.closed`.
  public func makeLane() throws(KafkaError) -> ConsumerLane {
    try handle.use { (client) throws(KafkaError) in
      guard let queue = rd_kafka_queue_new(client) else {
        throw KafkaError(.other, "cannot make a queue: out of memory")
      }
      handle.adopt(queue)
      return ConsumerLane(handle, queue)
    }
  }

  /// Leads the messages of a partition into a lane from its next assignment on; call it in `onAssign`. `poll` gives
  /// none of them then, and must go on being called for the group's sake.
  public func lead(_ place: TopicPartition, into lane: ConsumerLane) {
    _ = try? handle.use { (client) throws(KafkaError) in
      // Absent for producers only. Led away by the application, librdkafka leaves it so when the fetching starts.
      guard let queue = rd_kafka_queue_get_partition(client, place.topic, place.partition) else { return }
      rd_kafka_queue_forward(queue, lane.queue)
      rd_kafka_queue_destroy(queue)
    }
  }
}
