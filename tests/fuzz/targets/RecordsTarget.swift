import Kafka
import SagaConsumer
import SagaDomain
import Tracing
import Values

/// A record of the inventory topic as any producer may write it: numbers of 64 bits, headers of any name and value.
///
/// The input is the record's time, offset and partition (8, 8 and 4 bytes, big-endian), then key, value and headers,
/// each with a length before it; what is missing is null.
enum RecordsTarget {
  static func run(_ input: [UInt8]) throws(FuzzFinding) {
    var input = Reader(bytes: input[...])
    let time = Timestamp(recordMilliseconds: input.integer())
    let offset = input.integer()
    var message = ConsumedMessage(
      topic: "inventory", partition: Int32(truncatingIfNeeded: input.integer(count: 4)), offset: offset,
      timestamp: time,
      key: input.field(), value: input.field())
    while message.headers.count < 64, let name = input.field() {
      message.headers.append(RecordHeader(String(decoding: name, as: UTF8.self), input.field()))
    }
    try require(message.next.offset >= offset, "the offset after \(offset) is \(message.next.offset)")
    if let time { try require(time.microseconds >= 0 && time.utf8Bytes.count == 27, "a time reads \(time)") }
    try check(message)
  }

  private static func check(_ message: ConsumedMessage) throws(FuzzFinding) {
    var batch = InventoryBatch([message], triggerStatus: "COMPLETED")
    try require(batch.openings.count + batch.deadLetters.count + batch.skipped == 1, "the message is not sorted once")
    let places = InventoryBatch.offsets(of: [message])
    try require(places == [message.next], "its offsets are \(places)")
    guard let opening = batch.openings.first else { return }
    let traces = message.headers.filter { $0.name == TraceContext.name }
    try require(opening.message.command.trace == nil || traces.count == 1, "\(traces.count) traces are taken")
    // Whatever Redis claims, without a payment the message stays an opening.
    batch.note(claims: [message.key])
    for order in batch.claimedOrders { try require(order > 0, "order \(order) is looked up") }
    batch.remove(confirmedBy: [])
    try require(batch.openings.count == 1, "an opening vanished")
  }

  /// Takes what the input has, and zeros and nulls behind it.
  private struct Reader {
    var bytes: ArraySlice<UInt8>

    mutating func integer(count: Int = 8) -> Int64 {
      var value: UInt64 = 0
      for _ in 0..<count { value = value << 8 | UInt64(bytes.popFirst() ?? 0) }
      return Int64(bitPattern: value)
    }

    mutating func field() -> [UInt8]? {
      guard bytes.count >= 2 else { return nil }
      let length = Int(integer(count: 2))
      defer { bytes = bytes.dropFirst(length) }
      return length == 0xFFFF ? nil : Array(bytes.prefix(length))
    }
  }
}
