internal import CRdkafka
internal import Glibc

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

  /// Adds a place with the note that goes with a committed offset.
  func add(_ place: TopicPartitionOffset, note: String) {
    let element = rd_kafka_topic_partition_list_add(list, place.topic, place.partition)
    element?.pointee.offset = place.offset
    // From malloc: the list frees it.
    element?.pointee.metadata = UnsafeMutableRawPointer(strdup(note))
    element?.pointee.metadata_size = note.utf8.count
  }

  /// The notes that came with committed offsets.
  var notes: [String] {
    (0..<Int(list.pointee.cnt)).map { index in
      let element = list.pointee.elems[index]
      guard let note = element.metadata else { return "" }
      return String(decoding: UnsafeRawBufferPointer(start: note, count: element.metadata_size), as: UTF8.self)
    }
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
