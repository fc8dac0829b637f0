import Kafka
import Values

/// The records that fill topics.
enum LoadRecords {
  /// A message that opens the payment of an order.
  static func inventory(_ order: Int, topic: String) -> ProducerRecord {
    let value = JSONWriter.object { message in
      message.add("idempotent_key", identity(of: order))
      message.add("order_id", order)
      message.add("status", "COMPLETED")
    }
    return ProducerRecord(topic: topic, key: Array(String(order).utf8), value: value)
  }

  /// An event of an order's payment as the relay publishes it, headers and all.
  static func payment(_ order: Int, topic: String) -> ProducerRecord {
    let identity = identity(of: order)
    let time = "2026-01-01T00:00:00.000000Z"
    let value = JSONWriter.object { message in
      message.add("idempotent_key", identity)
      message.add("order_id", order)
      message.add("status", "CREATED")
      message.add("payment_id", order)
      message.add("version", 1)
      message.add("reason", "")
      message.add("occurred_at", time)
    }
    return ProducerRecord(
      topic: topic, key: Array(String(order).utf8), value: value,
      headers: [
        RecordHeader("ce_specversion", "1.0"), RecordHeader("ce_id", identity), RecordHeader("ce_time", time),
        RecordHeader("seq", "1"), RecordHeader("ce_type", "paysaga.payment.created"),
        RecordHeader("ce_source", "/paysaga/payments"),
      ])
  }

  /// The same UUID for the same order, so that a repeated message is one that Redis knows.
  private static func identity(of order: Int) -> String {
    var mixed = UInt64(order) &* 0x9E37_79B9_7F4A_7C15
    mixed ^= mixed >> 29
    let high = String(mixed, radix: 16)
    let padded = String(repeating: "0", count: 16 - high.count) + high
    let low = String(order, radix: 16)
    let tail = String(repeating: "0", count: 12 - low.count) + low
    return "\(padded.prefix(8))-\(padded.dropFirst(8).prefix(4))-4\(padded.suffix(3))-8000-\(tail)"
  }
}
