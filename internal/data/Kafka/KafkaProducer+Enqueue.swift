internal import CRdkafka

extension KafkaProducer {
  /// Hands a record to librdkafka, which copies it.
  /// - Returns: why it was not taken.
  func enqueue(_ record: ProducerRecord, _ client: OpaquePointer) -> KafkaError? {
    let headers = makeHeaders(record.headers)
    let error = record.topic.withCString { topic in
      withMemory(record.key) { key, keyCount in
        withMemory(record.value) { value, valueCount in
          withUnsafeTemporaryAllocation(of: rd_kafka_vu_t.self, capacity: 7) { fields in
            fields.initialize(repeating: rd_kafka_vu_t())
            fields[0].vtype = RD_KAFKA_VTYPE_TOPIC
            fields[0].u.cstr = topic
            fields[1].vtype = RD_KAFKA_VTYPE_KEY
            fields[1].u.mem.ptr = key
            fields[1].u.mem.size = keyCount
            fields[2].vtype = RD_KAFKA_VTYPE_VALUE
            fields[2].u.mem.ptr = value
            fields[2].u.mem.size = valueCount
            fields[3].vtype = RD_KAFKA_VTYPE_MSGFLAGS
            fields[3].u.i = Int32(RD_KAFKA_MSG_F_COPY)
            fields[4].vtype = RD_KAFKA_VTYPE_OPAQUE
            fields[4].u.ptr = UnsafeMutableRawPointer(bitPattern: UInt(record.token))
            fields[5].vtype = RD_KAFKA_VTYPE_PARTITION
            fields[5].u.i32 = record.partition ?? RD_KAFKA_PARTITION_UA
            fields[6].vtype = RD_KAFKA_VTYPE_HEADERS
            fields[6].u.headers = headers
            return rd_kafka_produceva(client, fields.baseAddress, headers == nil ? 6 : 7)
          }
        }
      }
    }
    guard let error else { return nil }
    // librdkafka takes the headers over only with the record.
    if let headers { rd_kafka_headers_destroy(headers) }
    return KafkaError(consuming: error, "publish to \(record.topic)")
  }

  private func makeHeaders(_ headers: [RecordHeader]) -> OpaquePointer? {
    if headers.isEmpty { return nil }
    let list = rd_kafka_headers_new(headers.count)
    for header in headers {
      var name = header.name
      name.withUTF8 { name in
        withMemory(header.value) { value, count in
          // Fails only for headers of a consumed message, which are read-only.
          _ = name.withMemoryRebound(to: CChar.self) {
            rd_kafka_header_add(list, $0.baseAddress, $0.count, value, count)
          }
        }
      }
    }
    return list
  }

  /// The bytes' address and count; nil is Kafka's null, and an empty array keeps an address so that it is not.
  private func withMemory<Result>(
    _ bytes: [UInt8]?, _ body: (UnsafeMutableRawPointer?, Int) -> Result
  ) -> Result {
    guard let bytes else { return body(nil, 0) }
    return bytes.withUnsafeBytes { bytes in
      // librdkafka only reads from it: RD_KAFKA_MSG_F_COPY.
      guard let start = bytes.baseAddress, !bytes.isEmpty else {
        return withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { body($0.baseAddress, 0) }
      }
      return body(UnsafeMutableRawPointer(mutating: start), bytes.count)
    }
  }
}
