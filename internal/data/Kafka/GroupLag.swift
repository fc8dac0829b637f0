public import Logger
public import Values

/// How far a consumer group is behind on a topic, as the brokers know it: the group's programs need not run.
public struct GroupLag: Sendable {
  /// A partition of the topic.
  public struct Partition: Sendable {
    /// Its number.
    public let partition: Int32
    /// nil when the group has committed nothing: it will begin at the oldest message.
    public let committed: Int64?
    /// What was committed with the offset; may be empty.
    public let note: String
    /// The oldest message that is kept, and the offset of the next.
    public let watermarks: Watermarks
    /// When the first message that is not consumed was written; nil when there is none, or it could not be read.
    public fileprivate(set) var oldest: Timestamp?

    /// The offset of the first message that is not consumed.
    var next: Int64 { max(committed ?? watermarks.low, watermarks.low) }
    /// Messages that are not consumed.
    public var messages: Int64 { max(0, watermarks.high.subtracting(saturating: next)) }

    /// - Parameter oldest: when the first message that is not consumed was written.
    init(
      partition: Int32, committed: Int64?, note: String = "", watermarks: Watermarks, oldest: Timestamp? = nil
    ) {
      self.partition = partition
      self.committed = committed
      self.note = note
      self.watermarks = watermarks
      self.oldest = oldest
    }
  }

  /// The group.
  public let group: String
  /// The topic that it reads.
  public let topic: String
  /// The topic's partitions, by number.
  public private(set) var partitions: [Partition]

  init(group: String, topic: String, partitions: [Partition]) {
    self.group = group
    self.topic = topic
    self.partitions = partitions
  }

  /// Messages that are not consumed.
  public var messages: Int64 { partitions.reduce(0) { $0.adding(saturating: $1.messages) } }

  /// How long the oldest message has waited; zero when none waits, nil when the age of one that waits is not known.
  /// - Parameter now: by this machine's clock.
  public func age(at now: Timestamp) -> Duration? {
    let waiting = partitions.filter { $0.messages > 0 }
    let times = waiting.compactMap(\.oldest)
    guard times.count == waiting.count else { return nil }
    guard let oldest = times.min() else { return .zero }
    return .microseconds(max(0, now.microseconds.subtracting(saturating: oldest.microseconds)))
  }

  /// Asks the brokers; the group is not joined, and nothing is committed. Blocks.
  /// - Parameters:
  ///   - patience: how long each question may take.
  ///   - needsAges: whether it is an error that messages may be counted and not read; otherwise the ages are missing.
  /// - Returns: nil when there is no such topic.
  /// - Throws: `.notAuthorized`, `.notTrusted`, `.brokerUnavailable`, `.timedOut`, `.invalidConfiguration`.
  public static func read(
    group: String, topic: String, _ kafka: KafkaConfiguration, patience: Duration, needsAges: Bool, logger: Logger
  ) throws(KafkaError) -> GroupLag? {
    let reader = try KafkaConsumer(
      kafka, options: KafkaConsumer.Options(group: group, commitInterval: .zero), logger: logger)
    defer { reader.close(until: .now() + .seconds(2)) }
    let health = try reader.health(of: topic, until: .now() + patience)
    if let problem = health.problem, health.isDenied { throw KafkaError(.notAuthorized, "no right to \(problem)") }
    guard health.partitions > 0 else { return nil }
    let places = (0..<Int32(clamping: health.partitions)).map { TopicPartition(topic, $0) }
    let committed: [TopicPartition: (offset: Int64, note: String)]
    do throws(KafkaError) {
      committed = try reader.groupOffsets(of: places, until: .now() + patience)
    } catch {
      guard error.code == .notAuthorized else { throw error }
      throw KafkaError(.notAuthorized, "no right to group \(group): \(error.message)")
    }
    var partitions: [Partition] = []
    for place in places {
      partitions.append(
        Partition(
          partition: place.partition, committed: committed[place]?.offset, note: committed[place]?.note ?? "",
          watermarks: try reader.queryWatermarks(place, until: .now() + patience)))
    }
    var lag = GroupLag(group: group, topic: topic, partitions: partitions)
    do throws(KafkaError) {
      try lag.readAges(reader, patience)
    } catch {
      if needsAges || error.code != .notAuthorized { throw error }
    }
    return lag
  }

  /// Reads the first message of each partition that is not consumed.
  private mutating func readAges(_ reader: KafkaConsumer, _ patience: Duration) throws(KafkaError) {
    var open = Set(partitions.indices.filter { partitions[$0].messages > 0 })
    guard !open.isEmpty else { return }
    try reader.assign(
      open.sorted().map {
        (place: TopicPartition(topic, partitions[$0].partition), from: .offset(partitions[$0].next))
      })
    let deadline = Instant.now() + patience
    while !open.isEmpty, Instant.now() < deadline {
      for message in try reader.poll(max: 100, until: min(deadline, .now() + .seconds(1))) {
        let index = Int(message.partition)
        guard open.remove(index) != nil else { continue }
        partitions[index].oldest = message.timestamp
        try reader.pause([message.place])
      }
      if let denial = reader.denial { throw denial }
    }
  }
}
