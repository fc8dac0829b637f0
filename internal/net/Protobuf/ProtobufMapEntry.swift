/// One entry of a map with string keys: on the wire a message with the key in field 1 and the value in field 2.
public protocol ProtobufMapEntry: ProtobufMessage {
  /// The type of the map's values.
  associatedtype Value: Sendable & Equatable
  /// Field 1.
  var key: String { get set }
  /// Field 2.
  var value: Value { get set }
}

/// An entry of `map<string, string>`; written with both fields, empty or not, as Google's libraries do.
public struct ProtobufStringEntry: ProtobufMapEntry {
  public var key = ""
  public var value = ""

  public init() {}

  public mutating func decodeField(_ field: ProtobufField, from reader: inout ProtobufReader) throws(ProtobufError) {
    switch (field.number, field.wireType) {
    case (1, .lengthDelimited): key = try reader.readString()
    case (2, .lengthDelimited): value = try reader.readString()
    default: try reader.skip(field)
    }
  }

  public func encode(to writer: inout ProtobufWriter) {
    writer.writeString(key, field: 1, evenIfDefault: true)
    writer.writeString(value, field: 2, evenIfDefault: true)
  }
}

/// An entry of `map<string, Value>` with messages as values; written with both fields, empty or not.
public struct ProtobufMessageEntry<Value: ProtobufMessage>: ProtobufMapEntry {
  public var key = ""
  public var value = Value()

  public init() {}

  public mutating func decodeField(_ field: ProtobufField, from reader: inout ProtobufReader) throws(ProtobufError) {
    switch (field.number, field.wireType) {
    case (1, .lengthDelimited): key = try reader.readString()
    case (2, .lengthDelimited): try reader.readMessage(into: &value)
    default: try reader.skip(field)
    }
  }

  public func encode(to writer: inout ProtobufWriter) {
    writer.writeString(key, field: 1, evenIfDefault: true)
    writer.writeMessage(value, field: 2)
  }
}
