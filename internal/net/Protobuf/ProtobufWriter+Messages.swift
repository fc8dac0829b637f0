extension ProtobufWriter {
  /// A message, an empty one too: it is present.
  @inlinable
  public mutating func writeMessage<Message: ProtobufMessage>(_ message: Message, field: UInt32) {
    appendTag(field, .lengthDelimited)
    let start = bytes.count
    bytes.append(0)
    message.encode(to: &self)
    patchLength(at: start)
  }

  /// A message, or nothing when it is absent.
  @inlinable
  public mutating func writeMessage<Message: ProtobufMessage>(_ message: Message?, field: UInt32) {
    guard let message else { return }
    writeMessage(message, field: field)
  }

  /// A repeated message.
  @inlinable
  public mutating func writeMessages<Message: ProtobufMessage>(_ messages: [Message], field: UInt32) {
    for message in messages { writeMessage(message, field: field) }
  }

  /// A repeated `string`.
  @inlinable
  public mutating func writeStrings(_ values: [String], field: UInt32) {
    for value in values { writeString(value, field: field, evenIfDefault: true) }
  }

  /// A repeated `bytes`.
  @inlinable
  public mutating func writeByteStrings(_ values: [[UInt8]], field: UInt32) {
    for value in values { writeBytes(value, field: field, evenIfDefault: true) }
  }

  /// A map, by the bytes of its keys in ascending order, so equal maps give equal bytes.
  @inlinable
  public mutating func writeMap<Entry: ProtobufMapEntry>(
    _ map: [String: Entry.Value], as _: Entry.Type, field: UInt32
  ) {
    for (key, value) in map.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
      var entry = Entry()
      entry.key = key
      entry.value = value
      writeMessage(entry, field: field)
    }
  }
}
