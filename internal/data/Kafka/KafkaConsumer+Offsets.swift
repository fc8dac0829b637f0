internal import CRdkafka
internal import Logger
public import Values

/// Where reading an assigned partition begins.
public enum StartPosition: Sendable, Hashable {
  case earliest
  case latest
  /// The offset of the first record to read.
  case offset(Int64)

  var number: Int64 {
    switch self {
    case .earliest: Int64(RD_KAFKA_OFFSET_BEGINNING)
    case .latest: Int64(RD_KAFKA_OFFSET_END)
    case .offset(let offset): offset
    }
  }
}

extension KafkaConsumer {
  /// Reads these partitions from the given places, without a group. Replaces what was assigned.
  public func assign(_ places: [(place: TopicPartition, from: StartPosition)]) throws(KafkaError) {
    try handle.use { (client) throws(KafkaError) in
      let list = PartitionList()
      for (place, from) in places { list.add(place.topic, place.partition, from.number) }
      try check(list.withPointer { rd_kafka_assign(client, $0) }, "assign partitions")
    }
  }

  /// What is assigned now, by the group or by `assign`.
  public func assignment() throws(KafkaError) -> [TopicPartition] {
    try handle.use { (client) throws(KafkaError) in
      var list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?
      try check(rd_kafka_assignment(client, &list), "read the assignment")
      guard let list else { return [] }
      return PartitionList(consuming: list).elements.map(\.place)
    }
  }

  /// Notes that everything below these offsets is done; the next commit, by itself or by `commit`, takes them.
  /// - Returns: partitions that are no longer ours; their messages go to the new owner again, which may legitimately
  ///   happen late and is no error.
  @discardableResult
  public func storeOffsets(_ offsets: [TopicPartitionOffset]) throws(KafkaError) -> [TopicPartition] {
    if offsets.isEmpty { return [] }
    return try handle.use { (client) throws(KafkaError) in
      let list = PartitionList(offsets)
      let error = list.withPointer { rd_kafka_offsets_store(client, $0) }
      let failed = list.elements.filter { $0.error != RD_KAFKA_RESP_ERR_NO_ERROR }
      for element in failed where KafkaError.Code(element.error) != .notAssigned {
        throw KafkaError(element.error, "store the offset of \(element.place)")
      }
      // The call as a whole fails when every partition did.
      if failed.isEmpty { try check(error, "store offsets") }
      return failed.map(\.place)
    }
  }

  /// Commits stored offsets, or the given ones, and waits for the broker's answer.
  /// - Throws: `.timedOut`, `.notAssigned` when the group has moved on, `.brokerUnavailable`.
  public func commit(_ offsets: [TopicPartitionOffset]? = nil, until deadline: Instant) throws(KafkaError) {
    guard let offsets else { return try send(nil, until: deadline) }
    let list = PartitionList(offsets)
    let result = list.withPointer { list in Result { () throws(KafkaError) in try send(list, until: deadline) } }
    try result.get()
  }

  /// Commits one offset with a note, which `committedNotes` gives back, and waits for the broker's answer.
  /// - Parameter note: brokers take 4,096 bytes by default (`offset.metadata.max.bytes`).
  /// - Throws: as the other `commit`.
  public func commit(_ offset: TopicPartitionOffset, note: String, until deadline: Instant) throws(KafkaError) {
    let list = PartitionList()
    list.add(offset, note: note)
    let result = list.withPointer { list in Result { () throws(KafkaError) in try send(list, until: deadline) } }
    try result.get()
  }

  /// - Parameter list: what to commit; nil for what is stored.
  private func send(
    _ list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?, until deadline: Instant
  ) throws(KafkaError) {
    try handle.use { (client) throws(KafkaError) in
      guard let queue = rd_kafka_queue_new(client) else { return }
      defer { rd_kafka_queue_destroy(queue) }
      try check(rd_kafka_commit_queue(client, list, queue, nil, nil), "commit offsets")
      let remaining = timeoutMilliseconds((deadline - Instant.now()).inNanoseconds)
      guard let event = rd_kafka_queue_poll(queue, remaining) else {
        throw KafkaError(.timedOut, "cannot commit offsets: no answer from the group's coordinator in time")
      }
      defer { rd_kafka_event_destroy(event) }
      // Nothing stored since the last commit is no failure.
      if rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__NO_OFFSET { return }
      try check(rd_kafka_event_error(event), "commit offsets")
    }
  }

  /// The group's committed offsets; nil where there is none yet.
  public func committed(
    _ places: [TopicPartition], until deadline: Instant
  ) throws(KafkaError) -> [TopicPartition: Int64?] {
    try handle.use { (client) throws(KafkaError) in
      let list = try readCommitted(places, client, until: deadline)
      var offsets: [TopicPartition: Int64?] = [:]
      for element in list.elements { offsets[element.place] = .some(element.offset >= 0 ? element.offset : nil) }
      return offsets
    }
  }

  /// The group's committed offsets with their notes; partitions without one are left out.
  public func committedNotes(
    _ places: [TopicPartition], until deadline: Instant
  ) throws(KafkaError) -> [TopicPartition: (offset: Int64, note: String)] {
    try handle.use { (client) throws(KafkaError) in
      let list = try readCommitted(places, client, until: deadline)
      var found: [TopicPartition: (offset: Int64, note: String)] = [:]
      for (element, note) in zip(list.elements, list.notes) where element.offset >= 0 {
        found[element.place] = (element.offset, note)
      }
      return found
    }
  }

  private func readCommitted(
    _ places: [TopicPartition], _ client: OpaquePointer, until deadline: Instant
  ) throws(KafkaError) -> PartitionList {
    let list = PartitionList(places)
    let remaining = timeoutMilliseconds((deadline - Instant.now()).inNanoseconds)
    try check(list.withPointer { rd_kafka_committed(client, $0, remaining) }, "read committed offsets")
    for element in list.elements { try check(element.error, "read the committed offset of \(element.place)") }
    return list
  }

  /// Stops giving messages of these partitions; the group is kept alive by `poll` as before.
  public func pause(_ places: [TopicPartition]) throws(KafkaError) {
    try handle.use { (client) throws(KafkaError) in
      let list = PartitionList(places)
      try check(list.withPointer { rd_kafka_pause_partitions(client, $0) }, "pause partitions")
    }
  }

  /// An assigned partition's watermarks as far as they are known from fetching: the high one since the first answer,
  /// the low one some seconds later. Asks no broker.
  public func knownWatermarks(_ place: TopicPartition) throws(KafkaError) -> (low: Int64?, high: Int64?) {
    try handle.use { (client) throws(KafkaError) in
      var low: Int64 = -1
      var high: Int64 = -1
      // Fails for partitions that are not known here, which leaves both unknown.
      rd_kafka_get_watermark_offsets(client, place.topic, place.partition, &low, &high)
      return (low >= 0 ? low : nil, high >= 0 ? high : nil)
    }
  }

  /// Asks the partition's leader for its watermarks.
  public func queryWatermarks(_ place: TopicPartition, until deadline: Instant) throws(KafkaError) -> Watermarks {
    try handle.use { (client) throws(KafkaError) in
      var marks = Watermarks(low: 0, high: 0)
      let remaining = max(1, timeoutMilliseconds((deadline - Instant.now()).inNanoseconds))
      try check(
        rd_kafka_query_watermark_offsets(client, place.topic, place.partition, &marks.low, &marks.high, remaining),
        "read the watermarks of \(place)")
      return marks
    }
  }

  /// The first offset of each partition whose record is not older than `time`; the high watermark when there is none.
  /// - Throws: any error of a broker without a time index (devkafka): read from the start and filter then.
  public func offsets(
    _ places: [TopicPartition], since time: Timestamp, until deadline: Instant
  ) throws(KafkaError) -> [TopicPartitionOffset] {
    var offsets: [TopicPartitionOffset] = []
    var late: [TopicPartition] = []
    try handle.use { (client) throws(KafkaError) in
      let list = PartitionList(places, offset: time.microseconds / 1_000)
      let remaining = max(1, timeoutMilliseconds((deadline - Instant.now()).inNanoseconds))
      try check(list.withPointer { rd_kafka_offsets_for_times(client, $0, remaining) }, "look up offsets by time")
      for element in list.elements {
        try check(element.error, "look up an offset of \(element.place) by time")
        if element.offset >= 0 {
          offsets.append(TopicPartitionOffset(element.place.topic, element.place.partition, element.offset))
        } else {
          late.append(element.place)
        }
      }
    }
    for place in late {
      let marks = try queryWatermarks(place, until: deadline)
      offsets.append(TopicPartitionOffset(place.topic, place.partition, marks.high))
    }
    return offsets
  }
}
