public import Values

/// One header of a record; names may repeat.
public struct RecordHeader: Sendable, Hashable {
  /// The header's name; not unique within a record.
  public var name: String
  /// nil is Kafka's null, which is not the same as no bytes.
  public var value: [UInt8]?

  /// - Parameter value: nil for Kafka's null.
  public init(_ name: String, _ value: [UInt8]?) {
    self.name = name
    self.value = value
  }

  /// A header with text, in UTF-8.
  public init(_ name: String, _ value: String) {
    self.init(name, Array(value.utf8))
  }
}

/// A record to publish.
public struct ProducerRecord: Sendable {
  /// The topic to publish to.
  public var topic: String
  /// Records of one key go to one partition and keep their order.
  public var key: [UInt8]?
  /// nil is a tombstone.
  public var value: [UInt8]?
  /// The headers, in order; names may repeat.
  public var headers: [RecordHeader]
  /// Comes back in the record's `DeliveryReport`; carried as it is, nothing is allocated for it.
  public var token: UInt64
  /// nil lets the partitioner choose by key (`murmur2_random`, as Java clients do).
  public var partition: Int32?

  /// - Parameters:
  ///   - key: nil spreads records over all partitions.
  ///   - value: nil for a tombstone.
  ///   - token: comes back in the record's `DeliveryReport`.
  ///   - partition: nil lets the partitioner choose by key.
  public init(
    topic: String, key: [UInt8]?, value: [UInt8]?, headers: [RecordHeader] = [], token: UInt64 = 0,
    partition: Int32? = nil
  ) {
    self.topic = topic
    self.key = key
    self.value = value
    self.headers = headers
    self.token = token
    self.partition = partition
  }
}

/// A record as it was read.
public struct ConsumedMessage: Sendable {
  /// The topic it was read from.
  public var topic: String
  /// The partition it was read from.
  public var partition: Int32
  /// Its offset in the partition, from 0.
  public var offset: Int64
  /// When it was made or appended, by the topic's setting; nil when the broker has none. Millisecond resolution.
  public var timestamp: Timestamp?
  /// nil for a record without a key.
  public var key: [UInt8]?
  /// nil for a tombstone.
  public var value: [UInt8]?
  /// The headers, in order; names may repeat.
  public var headers: [RecordHeader]

  /// Made by consumers, and by tests.
  public init(
    topic: String, partition: Int32, offset: Int64, timestamp: Timestamp? = nil, key: [UInt8]?, value: [UInt8]?,
    headers: [RecordHeader] = []
  ) {
    self.topic = topic
    self.partition = partition
    self.offset = offset
    self.timestamp = timestamp
    self.key = key
    self.value = value
    self.headers = headers
  }

  /// Where it lies.
  public var place: TopicPartition { TopicPartition(topic, partition) }

  /// What to store once this message and all before it in its partition are done: the offset after it.
  public var next: TopicPartitionOffset { TopicPartitionOffset(topic, partition, offset.adding(saturating: 1)) }
}

/// A partition of a topic.
public struct TopicPartition: Sendable, Hashable, CustomStringConvertible {
  /// The topic's name.
  public var topic: String
  /// The partition's number, from 0.
  public var partition: Int32

  /// - Parameter partition: from 0.
  public init(_ topic: String, _ partition: Int32) {
    self.topic = topic
    self.partition = partition
  }

  public var description: String { "\(topic)[\(partition)]" }
}

/// A place in a partition: the offset of the next record to read.
public struct TopicPartitionOffset: Sendable, Hashable, CustomStringConvertible {
  /// The topic's name.
  public var topic: String
  /// The partition's number, from 0.
  public var partition: Int32
  /// At least 0.
  public var offset: Int64

  /// - Parameter offset: of the next record to read, at least 0.
  public init(_ topic: String, _ partition: Int32, _ offset: Int64) {
    self.topic = topic
    self.partition = partition
    self.offset = offset
  }

  /// The partition without the offset.
  public var place: TopicPartition { TopicPartition(topic, partition) }
  public var description: String { "\(topic)[\(partition)]@\(offset)" }
}

/// The offsets a partition holds: from `low` up to, not including, `high`.
public struct Watermarks: Sendable, Hashable {
  /// The oldest record still kept.
  public var low: Int64
  /// The offset the next record will get.
  public var high: Int64

  /// - Parameters:
  ///   - low: the oldest offset still kept.
  ///   - high: the offset after the newest.
  public init(low: Int64, high: Int64) {
    self.low = low
    self.high = high
  }
}
