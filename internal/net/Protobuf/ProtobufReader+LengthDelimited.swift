extension ProtobufReader {
  /// A `string`; throws `invalidUTF8`, as proto3 demands.
  public mutating func readString() throws(ProtobufError) -> String {
    let length = try readLength()
    let text = bytes.extracting(offset..<offset + length).withUnsafeBufferPointer {
      String(validating: $0, as: UTF8.self)
    }
    guard let text else { throw failure(.invalidUTF8) }
    offset += length
    return text
  }

  /// A `bytes` field.
  public mutating func readBytes() throws(ProtobufError) -> [UInt8] {
    let length = try readLength()
    defer { offset += length }
    return bytes.extracting(offset..<offset + length).withUnsafeBufferPointer { [UInt8]($0) }
  }

  /// A message, merged into what `message` holds: that is what a field that appears twice means.
  @inlinable
  public mutating func readMessage<Message: ProtobufMessage>(into message: inout Message) throws(ProtobufError) {
    let length = try readLength()
    try enterLevel()
    let outerEnd = end
    end = offset + length
    try message.merge(from: &self)
    end = outerEnd
    depthLeft += 1
  }

  /// A message that may be absent, merged into what is there.
  @inlinable
  public mutating func readMessage<Message: ProtobufMessage>(into message: inout Message?) throws(ProtobufError) {
    var value = message ?? Message()
    try readMessage(into: &value)
    message = value
  }

  /// One element of a repeated message.
  @inlinable
  public mutating func appendMessage<Message: ProtobufMessage>(to messages: inout [Message]) throws(ProtobufError) {
    try takeElement()
    var value = Message()
    try readMessage(into: &value)
    messages.append(value)
  }

  /// One element of a repeated `string`.
  public mutating func appendString(to strings: inout [String]) throws(ProtobufError) {
    try takeElement()
    strings.append(try readString())
  }

  /// One element of a repeated `bytes`.
  public mutating func appendBytes(to values: inout [[UInt8]]) throws(ProtobufError) {
    try takeElement()
    values.append(try readBytes())
  }

  /// One entry of a map; a later entry of the same key replaces the earlier one, and what an entry lacks is default.
  ///
  /// Swift holds two strings for equal that differ only in Unicode normalisation, so such keys count as one here.
  @inlinable
  public mutating func readEntry<Entry: ProtobufMapEntry>(
    _: Entry.Type, into map: inout [String: Entry.Value]
  ) throws(ProtobufError) {
    try takeElement()
    var entry = Entry()
    try readMessage(into: &entry)
    map[entry.key] = entry.value
  }
}
