internal import CRdkafka
internal import Glibc
package import Values

/// Topic names as Swift strings, made once for a run of messages of one topic.
struct TopicNames {
  private var last = ""

  /// The topic's name; compared by text, as a handle's address may come back for another topic.
  mutating func name(_ topic: OpaquePointer?) -> String {
    guard let topic, let name = rd_kafka_topic_name(topic) else { return "" }
    let isSame = last.withCString { strcmp($0, name) == 0 }
    if !isSame { last = String(cString: name) }
    return last
  }
}

/// The message's timestamp, when it has one.
func messageTimestamp(_ message: UnsafePointer<rd_kafka_message_t>) -> Timestamp? {
  var kind = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
  let milliseconds = rd_kafka_message_timestamp(message, &kind)
  return kind == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? nil : Timestamp(recordMilliseconds: milliseconds)
}

extension Timestamp {
  /// The time in a record, where producers write any number of 64 bits: nil below zero, saturated above.
  package init?(recordMilliseconds milliseconds: Int64) {
    guard milliseconds >= 0 else { return nil }
    self.init(microseconds: milliseconds.multiplied(saturating: 1_000))
  }
}

extension ConsumedMessage {
  /// Copies a message out of librdkafka.
  init(_ message: UnsafePointer<rd_kafka_message_t>, _ names: inout TopicNames) {
    let fields = message.pointee
    self.init(
      topic: names.name(fields.rkt), partition: fields.partition, offset: fields.offset,
      timestamp: messageTimestamp(message),
      key: copyBytes(fields.key, fields.key_len), value: copyBytes(fields.payload, fields.len),
      headers: copyHeaders(message))
  }
}

/// The bytes at `start`; nil for Kafka's null.
private func copyBytes(_ start: UnsafeRawPointer?, _ count: Int) -> [UInt8]? {
  guard let start else { return nil }
  return [UInt8](UnsafeRawBufferPointer(start: start, count: count))
}

private func copyHeaders(_ message: UnsafePointer<rd_kafka_message_t>) -> [RecordHeader] {
  var list: OpaquePointer?
  guard rd_kafka_message_headers(message, &list) == RD_KAFKA_RESP_ERR_NO_ERROR, let list else { return [] }
  var headers: [RecordHeader] = []
  headers.reserveCapacity(rd_kafka_header_cnt(list))
  var name: UnsafePointer<CChar>?
  var value: UnsafeRawPointer?
  var count = 0
  while rd_kafka_header_get_all(list, headers.count, &name, &value, &count) == RD_KAFKA_RESP_ERR_NO_ERROR {
    headers.append(RecordHeader(name.map { String(cString: $0) } ?? "", copyBytes(value, count)))
  }
  return headers
}
