import Kafka
import Values

/// A message of a topic as `watch` shows it. Nothing is taken for granted: any topic can be watched.
struct EventView {
  private static let longestValue = 64 << 20

  let message: ConsumedMessage

  /// Time, partition@offset, key, status, seq and ce_id; `-` for what the message does not have.
  var line: String {
    let fields = [
      message.timestamp?.description, "\(message.partition)@\(message.offset)",
      message.key.map { "key=\(Self.word($0))" }, "status=\(Self.status(in: message.value) ?? "-")",
      "seq=\(header("seq") ?? "-")", "ce_id=\(header("ce_id") ?? "-")",
    ]
    return fields.map { printable($0 ?? "-") }.joined(separator: "  ")
  }

  /// The whole message; a value that is JSON stands there as such, any other as text.
  var record: Record {
    [
      "topic": .text(message.topic), "partition": .number(Int64(message.partition)),
      "offset": .number(message.offset), "time": .optional(message.timestamp),
      "key": .optional(message.key.map(Self.word)), "headers": .object(headers), "value": value,
    ]
  }

  private var headers: Record {
    var record: Record = [:]
    var seen: Set<String> = []
    // Names may repeat; an object holds the last one.
    for header in message.headers.reversed() where seen.insert(header.name).inserted {
      record.append(header.name, .optional(header.value.map(Self.word)))
    }
    record.fields.reverse()
    return record
  }

  private var value: Record.Value {
    guard let bytes = message.value else { return .null }
    return Self.isJSON(bytes) ? .json(bytes) : .text(Self.word(bytes))
  }

  private func header(_ name: String) -> String? {
    message.headers.last { $0.name == name }?.value.map(Self.word)
  }

  private static func word(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  private static func isJSON(_ bytes: [UInt8]) -> Bool {
    do throws(JSONError) {
      var scanner = try JSONScanner(bytes, maximumBytes: longestValue)
      try scanner.skipValue()
      try scanner.end()
      return true
    } catch {
      return false
    }
  }

  private static func status(in value: [UInt8]?) -> String? {
    do throws(JSONError) {
      var scanner = try JSONScanner(value ?? [], maximumBytes: longestValue)
      try scanner.beginObject()
      while let key = try scanner.nextKey() {
        if key == "status", try scanner.peek() == .string { return try scanner.string() }
        try scanner.skipValue()
      }
      return nil
    } catch {
      return nil
    }
  }
}
