internal import CRdkafka

/// An `rd_kafka_topic_partition_list_t` of our own.
struct PartitionList: ~Copyable {
  private let list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>

  init(_ places: some Collection<TopicPartition>, offset: Int64 = Int64(RD_KAFKA_OFFSET_INVALID)) {
    list = rd_kafka_topic_partition_list_new(Int32(clamping: places.count))
    for place in places { add(place.topic, place.partition, offset) }
  }

  init(_ places: some Collection<TopicPartitionOffset>) {
    list = rd_kafka_topic_partition_list_new(Int32(clamping: places.count))
    for place in places { add(place.topic, place.partition, place.offset) }
  }

  /// Takes over a list that librdkafka made for us.
  init(consuming list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>) { self.list = list }

  init() { self.init([TopicPartition]()) }

  deinit { rd_kafka_topic_partition_list_destroy(list) }

  func add(_ topic: String, _ partition: Int32, _ offset: Int64) {
    // Never NULL: the call fails for out of memory only, by abort.
    rd_kafka_topic_partition_list_add(list, topic, partition).pointee.offset = offset
  }

  func withPointer<Result>(_ body: (UnsafeMutablePointer<rd_kafka_topic_partition_list_t>) -> Result) -> Result {
    body(list)
  }

  /// What librdkafka wrote into each element.
  var elements: [(place: TopicPartition, offset: Int64, error: rd_kafka_resp_err_t)] { partitionElements(list) }
}

/// The elements of a list that may belong to librdkafka.
func partitionElements(
  _ list: UnsafePointer<rd_kafka_topic_partition_list_t>
) -> [(place: TopicPartition, offset: Int64, error: rd_kafka_resp_err_t)] {
  (0..<Int(list.pointee.cnt)).map { index in
    let element = list.pointee.elems[index]
    return (TopicPartition(String(cString: element.topic), element.partition), element.offset, element.err)
  }
}
