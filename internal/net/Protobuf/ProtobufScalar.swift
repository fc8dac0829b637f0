/// How the elements of a repeated scalar field are laid out: `Int32` alone does not say whether it is `int32`, `sint32`
/// or `sfixed32`.
public protocol ProtobufScalar {
  /// The type of an element in Swift.
  associatedtype Value: Sendable
  /// The wire type of an element outside a packed field.
  static var wireType: ProtobufWireType { get }
  /// Reads an element.
  static func read(from reader: inout ProtobufReader) throws(ProtobufError) -> Value
  /// Writes an element without a tag.
  static func append(_ value: Value, to writer: inout ProtobufWriter)
}

extension ProtobufReader {
  /// Appends the element, or all elements of a packed field; both forms are accepted wherever either is declared.
  ///
  /// A field of a wire type that is neither is skipped. The size limit bounds these: an element takes at most eight
  /// times its bytes on the wire.
  @inlinable
  public mutating func appendScalars<Scalar: ProtobufScalar>(
    _: Scalar.Type, of field: ProtobufField, to values: inout [Scalar.Value]
  ) throws(ProtobufError) {
    if field.wireType == Scalar.wireType {
      values.append(try Scalar.read(from: &self))
    } else if field.wireType == .lengthDelimited {
      let length = try readLength()
      let outerEnd = end
      end = offset + length
      while offset < end { values.append(try Scalar.read(from: &self)) }
      end = outerEnd
    } else {
      try skip(field)
    }
  }
}

extension ProtobufWriter {
  /// A repeated scalar, packed, as proto3 writes it by default.
  @inlinable
  public mutating func writePacked<Scalar: ProtobufScalar>(
    _: Scalar.Type, _ values: [Scalar.Value], field: UInt32
  ) {
    guard !values.isEmpty else { return }
    appendTag(field, .lengthDelimited)
    let start = bytes.count
    bytes.append(0)
    for value in values { Scalar.append(value, to: &self) }
    patchLength(at: start)
  }

  /// A repeated scalar, each element with its tag, as `[packed = false]` asks.
  @inlinable
  public mutating func writeUnpacked<Scalar: ProtobufScalar>(
    _: Scalar.Type, _ values: [Scalar.Value], field: UInt32
  ) {
    for value in values {
      appendTag(field, Scalar.wireType)
      Scalar.append(value, to: &self)
    }
  }
}
