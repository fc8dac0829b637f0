import Protobuf

/// `test.AllTypes` of golden/all_types.proto: every kind of field the codec knows.
struct AllTypes: ProtobufNamedMessage {
  static let protobufName = "test.AllTypes"

  var int32Field: Int32 = 0
  var int64Field: Int64 = 0
  var uint32Field: UInt32 = 0
  var uint64Field: UInt64 = 0
  var sint32Field: Int32 = 0
  var sint64Field: Int64 = 0
  var fixed32Field: UInt32 = 0
  var fixed64Field: UInt64 = 0
  var sfixed32Field: Int32 = 0
  var sfixed64Field: Int64 = 0
  var floatField: Float = 0
  var doubleField: Double = 0
  var boolField = false
  var stringField = ""
  var bytesField: [UInt8] = []
  /// In a box because a struct cannot hold itself.
  var child = Child()
  var packedInt32: [Int32] = []
  var packedSint64: [Int64] = []
  var packedFixed32: [UInt32] = []
  var packedDouble: [Double] = []
  var packedBool: [Bool] = []
  var unpackedUint64: [UInt64] = []
  var strings: [String] = []
  var byteStrings: [[UInt8]] = []
  var children: [AllTypes] = []
  var stringMap: [String: String] = [:]
  var last: Int32 = 0

  /// At most one message, of the kind that holds it.
  struct Child: Equatable {
    var value: [AllTypes] = []
  }

  mutating func decodeField(_ field: ProtobufField, from reader: inout ProtobufReader) throws(ProtobufError) {
    switch (field.number, field.wireType) {
    case (1, .varint): int32Field = try reader.readInt32()
    case (2, .varint): int64Field = try reader.readInt64()
    case (3, .varint): uint32Field = try reader.readUInt32()
    case (4, .varint): uint64Field = try reader.readUInt64()
    case (5, .varint): sint32Field = try reader.readSInt32()
    case (6, .varint): sint64Field = try reader.readSInt64()
    case (7, .fixed32): fixed32Field = try reader.readFixed32()
    case (8, .fixed64): fixed64Field = try reader.readFixed64()
    case (9, .fixed32): sfixed32Field = try reader.readSFixed32()
    case (10, .fixed64): sfixed64Field = try reader.readSFixed64()
    case (11, .fixed32): floatField = try reader.readFloat()
    case (12, .fixed64): doubleField = try reader.readDouble()
    case (13, .varint): boolField = try reader.readBool()
    case (14, .lengthDelimited): stringField = try reader.readString()
    case (15, .lengthDelimited): bytesField = try reader.readBytes()
    default: try decodeRepeated(field, from: &reader)
    }
  }

  private mutating func decodeRepeated(
    _ field: ProtobufField, from reader: inout ProtobufReader
  ) throws(ProtobufError) {
    switch (field.number, field.wireType) {
    case (16, .lengthDelimited):
      var value = child.value.first
      try reader.readMessage(into: &value)
      child.value = value.map { [$0] } ?? []
    case (17, _): try reader.appendScalars(ProtobufScalars.Int32Field.self, of: field, to: &packedInt32)
    case (18, _): try reader.appendScalars(ProtobufScalars.SInt64Field.self, of: field, to: &packedSint64)
    case (19, _): try reader.appendScalars(ProtobufScalars.Fixed32Field.self, of: field, to: &packedFixed32)
    case (20, _): try reader.appendScalars(ProtobufScalars.DoubleField.self, of: field, to: &packedDouble)
    case (21, _): try reader.appendScalars(ProtobufScalars.BoolField.self, of: field, to: &packedBool)
    case (22, _): try reader.appendScalars(ProtobufScalars.UInt64Field.self, of: field, to: &unpackedUint64)
    case (23, .lengthDelimited): try reader.appendString(to: &strings)
    case (24, .lengthDelimited): try reader.appendBytes(to: &byteStrings)
    case (25, .lengthDelimited): try reader.appendMessage(to: &children)
    case (26, .lengthDelimited): try reader.readEntry(ProtobufStringEntry.self, into: &stringMap)
    case (536_870_911, .varint): last = try reader.readInt32()
    default: try reader.skip(field)
    }
  }

  func encode(to writer: inout ProtobufWriter) {
    writer.writeInt32(int32Field, field: 1)
    writer.writeInt64(int64Field, field: 2)
    writer.writeUInt32(uint32Field, field: 3)
    writer.writeUInt64(uint64Field, field: 4)
    writer.writeSInt32(sint32Field, field: 5)
    writer.writeSInt64(sint64Field, field: 6)
    writer.writeFixed32(fixed32Field, field: 7)
    writer.writeFixed64(fixed64Field, field: 8)
    writer.writeSFixed32(sfixed32Field, field: 9)
    writer.writeSFixed64(sfixed64Field, field: 10)
    writer.writeFloat(floatField, field: 11)
    writer.writeDouble(doubleField, field: 12)
    writer.writeBool(boolField, field: 13)
    writer.writeString(stringField, field: 14)
    writer.writeBytes(bytesField, field: 15)
    writer.writeMessage(child.value.first, field: 16)
    writer.writePacked(ProtobufScalars.Int32Field.self, packedInt32, field: 17)
    writer.writePacked(ProtobufScalars.SInt64Field.self, packedSint64, field: 18)
    writer.writePacked(ProtobufScalars.Fixed32Field.self, packedFixed32, field: 19)
    writer.writePacked(ProtobufScalars.DoubleField.self, packedDouble, field: 20)
    writer.writePacked(ProtobufScalars.BoolField.self, packedBool, field: 21)
    writer.writeUnpacked(ProtobufScalars.UInt64Field.self, unpackedUint64, field: 22)
    writer.writeStrings(strings, field: 23)
    writer.writeByteStrings(byteStrings, field: 24)
    writer.writeMessages(children, field: 25)
    writer.writeMap(stringMap, as: ProtobufStringEntry.self, field: 26)
    writer.writeInt32(last, field: 536_870_911)
  }
}
