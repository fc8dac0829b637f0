/// How a field's value is laid out on the wire (protobuf.dev, "Encoding").
@frozen
public enum ProtobufWireType: UInt8, Sendable, Hashable {
  case varint = 0
  case fixed64 = 1
  case lengthDelimited = 2
  case startGroup = 3
  case endGroup = 4
  case fixed32 = 5
}

/// The tag before a value: which field, and how it is laid out.
@frozen
public struct ProtobufField: Sendable, Hashable {
  /// From 1 to 2²⁹−1.
  public let number: UInt32
  /// The layout of the value.
  public let wireType: ProtobufWireType

  @inlinable
  init(number: UInt32, wireType: ProtobufWireType) {
    self.number = number
    self.wireType = wireType
  }
}
