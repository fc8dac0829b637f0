import Protobuf
import Testing

/// A tree with a field of each kind that the rules of merging and of presence are about.
private struct Node: ProtobufMessage {
  var number: Int64 = 0
  var text = ""
  var child: [Node] = []
  var merged: Box?
  var numbers: [Int32] = []
  var map: [String: String] = [:]
  var texts: [String] = []

  mutating func decodeField(_ field: ProtobufField, from reader: inout ProtobufReader) throws(ProtobufError) {
    switch (field.number, field.wireType) {
    case (1, .varint): number = try reader.readInt64()
    case (2, .lengthDelimited): text = try reader.readString()
    case (3, .lengthDelimited): try reader.appendMessage(to: &child)
    case (4, .lengthDelimited): try reader.readMessage(into: &merged)
    case (5, _): try reader.appendScalars(ProtobufScalars.Int32Field.self, of: field, to: &numbers)
    case (6, .lengthDelimited): try reader.readEntry(ProtobufStringEntry.self, into: &map)
    case (7, .lengthDelimited): try reader.appendString(to: &texts)
    default: try reader.skip(field)
    }
  }

  func encode(to writer: inout ProtobufWriter) {
    writer.writeInt64(number, field: 1)
    writer.writeString(text, field: 2)
    writer.writeMessages(child, field: 3)
    writer.writeMessage(merged, field: 4)
    writer.writePacked(ProtobufScalars.Int32Field.self, numbers, field: 5)
    writer.writeMap(map, as: ProtobufStringEntry.self, field: 6)
    writer.writeStrings(texts, field: 7)
  }
}

private struct Box: ProtobufMessage {
  var left: Int32 = 0
  var right: Int32 = 0
  var list: [String] = []

  mutating func decodeField(_ field: ProtobufField, from reader: inout ProtobufReader) throws(ProtobufError) {
    switch (field.number, field.wireType) {
    case (1, .varint): left = try reader.readInt32()
    case (2, .varint): right = try reader.readInt32()
    case (3, .lengthDelimited): try reader.appendString(to: &list)
    default: try reader.skip(field)
    }
  }

  func encode(to writer: inout ProtobufWriter) {
    writer.writeInt32(left, field: 1)
    writer.writeInt32(right, field: 2)
    writer.writeStrings(list, field: 3)
  }
}

private func code(_ bytes: [UInt8], limits: ProtobufLimits = .standard) -> ProtobufError.Code? {
  do throws(ProtobufError) {
    _ = try Node(serialized: bytes, limits: limits)
    return nil
  } catch { return error.code }
}

/// Messages of field 3 nested `depth` deep.
private func nested(_ depth: Int) -> [UInt8] {
  var bytes: [UInt8] = []
  for _ in 0..<depth {
    var writer = ProtobufWriter()
    writer.writeBytes(bytes, field: 3, evenIfDefault: true)
    bytes = writer.bytes
  }
  return bytes
}

@Suite struct MessageTests {
  @Test func `the last value of a scalar wins`() throws {
    #expect(try Node(serialized: [0x08, 0x01, 0x12, 0x01, 0x61, 0x08, 0x00, 0x12, 0x00]) == Node())
  }

  @Test func `a message that appears twice is merged`() throws {
    let first: [UInt8] = [0x22, 0x07, 0x08, 0x01, 0x10, 0x02, 0x1A, 0x01, 0x61]
    let second: [UInt8] = [0x22, 0x05, 0x10, 0x03, 0x1A, 0x01, 0x62]
    let node = try Node(serialized: first + second)
    #expect(node.merged == Box(left: 1, right: 3, list: ["a", "b"]))
  }

  @Test func `an empty message is present`() throws {
    let node = try Node(serialized: [0x22, 0x00])
    #expect(node.merged == Box())
    #expect(node.serialized() == [0x22, 0x00])
  }

  @Test func `a known number of another wire type is skipped`() throws {
    let bytes: [UInt8] = [0x0D, 1, 0, 0, 0, 0x10, 0x05, 0x1B, 0x08, 0x07, 0x1C, 0x2D, 1, 0, 0, 0, 0x08, 0x09]
    #expect(try Node(serialized: bytes) == Node(number: 9))
  }

  @Test func `packed and single elements mix`() throws {
    let node = try Node(serialized: [0x28, 0x01, 0x2A, 0x03, 0x02, 0xAC, 0x02, 0x2A, 0x00, 0x28, 0x03])
    #expect(node.numbers == [1, 2, 300, 3])
    // An element that reaches beyond its packed field must not be completed from what follows.
    #expect(code([0x2A, 0x01, 0x80, 0x01]) == .truncated)
  }

  @Test func `a field may not reach beyond its message`() {
    #expect(code([0x22, 0x01, 0x08, 0x01]) == .truncated)
    #expect(code([0x1A, 0x03, 0x12, 0x02, 0x61, 0x61]) == .truncated)
  }

  @Test func `a later map entry replaces, a missing key or value is empty`() throws {
    let entries: [UInt8] = [0x32, 0x06, 0x0A, 0x01, 0x61, 0x12, 0x01, 0x78, 0x32, 0x03, 0x0A, 0x01, 0x61, 0x32, 0x00]
    let node = try Node(serialized: entries)
    #expect(node.map == ["a": "", "": ""])
    #expect(node.serialized() == [0x32, 0x04, 0x0A, 0x00, 0x12, 0x00, 0x32, 0x05, 0x0A, 0x01, 0x61, 0x12, 0x00])
  }

  @Test(
    arguments: [
      [0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82], [0x61, 0x80],
    ] as [[UInt8]])
  func `a string must be UTF-8`(text: [UInt8]) {
    #expect(code([0x12, UInt8(text.count)] + text) == .invalidUTF8)
    #expect(code([0x3A, UInt8(text.count)] + text) == .invalidUTF8)
    // As an unknown field or as bytes it is nobody's business.
    #expect(code([0x7A, UInt8(text.count)] + text) == nil)
  }

  @Test func `text keeps NUL and other planes`() throws {
    let node = Node(text: "a\u{0}é漢😀")
    #expect(try Node(serialized: node.serialized()) == node)
  }

  @Test func `a hundred nested messages, no more`() {
    #expect(code(nested(100)) == nil)
    #expect(code(nested(101)) == .tooDeep)
    #expect(code(nested(3), limits: ProtobufLimits(depth: 2)) == .tooDeep)
    // Groups in messages count together.
    #expect(code(nested(100) + [0x7B, 0x7C]) == nil)
    #expect(code([0x1A, 0x02, 0x7B, 0x7C], limits: ProtobufLimits(depth: 1)) == .tooDeep)
  }

  @Test func `elements of repeated messages, strings and maps are limited together`() {
    let three: [UInt8] = [0x1A, 0x00, 0x32, 0x00, 0x3A, 0x00]
    #expect(code(three, limits: ProtobufLimits(elements: 3)) == nil)
    #expect(code(three, limits: ProtobufLimits(elements: 2)) == .tooManyElements)
  }

  @Test(arguments: [0, 1, 127, 128, 16_383, 16_384, 2_097_152])
  func `the length of a message takes as many bytes as it needs`(count: Int) throws {
    let text = String(repeating: "x", count: count)
    let node = Node(child: [Node(number: 1, text: text, child: [Node(text: text)]), Node(number: 2)])
    #expect(try Node(serialized: node.serialized()) == node)
    var inner = ProtobufWriter()
    inner.writeString(text, field: 2)
    var outer = ProtobufWriter()
    outer.writeBytes(inner.bytes, field: 3, evenIfDefault: true)
    #expect(Node(child: [Node(text: text)]).serialized() == outer.bytes)
  }

  @Test func `appending keeps what is there`() {
    var bytes: [UInt8] = [9, 9]
    Node(number: 1).append(to: &bytes)
    #expect(bytes == [9, 9, 0x08, 0x01])
  }

  @Test func `defaults are left out unless asked for, and minus zero is none`() {
    var writer = ProtobufWriter()
    writer.writeInt32(0, field: 1)
    writer.writeBool(false, field: 1)
    writer.writeString("", field: 1)
    writer.writeBytes([], field: 1)
    writer.writeDouble(0, field: 1)
    #expect(writer.bytes.isEmpty)
    writer.writeBool(false, field: 1, evenIfDefault: true)
    writer.writeString("", field: 2, evenIfDefault: true)
    writer.writeFloat(-0.0, field: 3)
    #expect(writer.bytes == [0x08, 0x00, 0x12, 0x00, 0x1D, 0x00, 0x00, 0x00, 0x80])
  }

  @Test func `random bytes are an error or a message, never a crash`() {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<20_000 {
      let count = Int.random(in: 0...40, using: &generator)
      let bytes = (0..<count).map { _ in
        // Mostly tags and short lengths of ours, so that the depths are reached.
        Bool.random(using: &generator)
          ? UInt8.random(in: 0...255, using: &generator) : UInt8.random(in: 0...0x3D, using: &generator)
      }
      if let node = try? Node(serialized: bytes) {
        #expect((try? Node(serialized: node.serialized())) == node, "\(bytes)")
      }
    }
  }
}
