internal import CRdkafka
public import Values

/// A record as `scan` shows it: buffers that the next record is written into again, so that reading millions allocates
/// nothing. Belongs to the thread that scans.
public final class ScannedRecord {
  /// The partition it was read from.
  public fileprivate(set) var partition: Int32 = 0
  /// Its offset in the partition.
  public fileprivate(set) var offset: Int64 = 0
  /// When it was made or appended, by the topic's setting; nil when the broker has none.
  public fileprivate(set) var timestamp: Timestamp?
  /// Empty where it is null.
  public fileprivate(set) var key: [UInt8] = []
  /// Empty where it is null.
  public fileprivate(set) var value: [UInt8] = []
  /// The values of the headers that were asked for, in the order of their names; empty where absent or null.
  public fileprivate(set) var headers: [[UInt8]]
  fileprivate let names: [String]

  /// - Parameter headers: the names of the headers to show; of a repeated one the last.
  public init(headers names: [String]) {
    self.names = names
    headers = names.map { _ in [] }
  }
}

extension KafkaConsumer {
  /// Reads records of assigned partitions one after another, for at most `max` records or until `deadline`.
  ///
  /// For readers of whole topics: `poll` is the call for everything else. On the thread that polls.
  /// - Parameters:
  ///   - atEnd: called when a partition has been read to its end, with the offset after it; only where the property
  ///     `enable.partition.eof` is on.
  ///   - onRecord: called with each record.
  /// - Returns: how many records and ends there were.
  /// - Throws: `.fatal`, `.closed`.
  public func scan(
    into record: ScannedRecord, max: Int, until deadline: Instant, atEnd: (Int32, Int64) -> Void,
    onRecord: (ScannedRecord) -> Void
  ) throws(KafkaError) -> Int {
    try handle.use { (client) throws(KafkaError) in
      var count = 0
      while count < max {
        let wait = count == 0 ? timeoutMilliseconds((deadline - Instant.now()).inNanoseconds, limit: 1_000) : 0
        guard let message = rd_kafka_consumer_poll(client, wait) else {
          if count > 0 || isInterrupted || Instant.now() >= deadline { break }
          continue
        }
        defer { rd_kafka_message_destroy(message) }
        switch message.pointee.err {
        case RD_KAFKA_RESP_ERR_NO_ERROR:
          record.take(message)
          onRecord(record)
        case RD_KAFKA_RESP_ERR__PARTITION_EOF: atEnd(message.pointee.partition, message.pointee.offset)
        default:
          if let failure = handle.noteError(message, client) { throw failure }
          continue
        }
        count += 1
      }
      return count
    }
  }
}

extension ScannedRecord {
  fileprivate func take(_ message: UnsafePointer<rd_kafka_message_t>) {
    let fields = message.pointee
    partition = fields.partition
    offset = fields.offset
    timestamp = messageTimestamp(message)
    Self.replace(&key, fields.key, fields.key_len)
    Self.replace(&value, fields.payload, fields.len)
    var list: OpaquePointer?
    if rd_kafka_message_headers(message, &list) != RD_KAFKA_RESP_ERR_NO_ERROR { list = nil }
    for index in names.indices {
      var bytes: UnsafeRawPointer?
      var count = 0
      if let list, rd_kafka_header_get_last(list, names[index], &bytes, &count) != RD_KAFKA_RESP_ERR_NO_ERROR {
        bytes = nil
      }
      Self.replace(&headers[index], bytes, count)
    }
  }

  private static func replace(_ buffer: inout [UInt8], _ start: UnsafeRawPointer?, _ count: Int) {
    buffer.removeAll(keepingCapacity: true)
    if let start { buffer.append(contentsOf: UnsafeRawBufferPointer(start: start, count: count)) }
  }
}
