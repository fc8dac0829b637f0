import Kafka
import Values

/// A record as the inputs of targets lay it out: time, offset and partition (8, 8 and 4 bytes, big-endian), then key,
/// value and headers, each with a length of two bytes before it; what is missing is null.
struct RecordInput {
  let milliseconds: Int64
  let message: ConsumedMessage

  init(_ input: [UInt8], topic: String) {
    var input = Reader(bytes: input[...])
    milliseconds = input.integer()
    let offset = input.integer()
    var message = ConsumedMessage(
      topic: topic, partition: Int32(truncatingIfNeeded: input.integer(count: 4)), offset: offset,
      timestamp: Timestamp(recordMilliseconds: milliseconds), key: input.field(), value: input.field())
    while message.headers.count < 64, let name = input.field() {
      message.headers.append(RecordHeader(String(decoding: name, as: UTF8.self), input.field()))
    }
    self.message = message
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
      // Null takes no bytes: a mutation that makes a length FFFF leaves what follows in its place.
      if length == 0xFFFF { return nil }
      defer { bytes = bytes.dropFirst(length) }
      return Array(bytes.prefix(length))
    }
  }
}
