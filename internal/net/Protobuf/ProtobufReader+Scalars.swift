extension ProtobufReader {
  /// An `int32`: a varint of which the low 32 bits count.
  @inlinable
  public mutating func readInt32() throws(ProtobufError) -> Int32 { Int32(truncatingIfNeeded: try readVarint()) }

  /// An `int64`.
  @inlinable
  public mutating func readInt64() throws(ProtobufError) -> Int64 { Int64(bitPattern: try readVarint()) }

  /// A `uint32`: a varint of which the low 32 bits count.
  @inlinable
  public mutating func readUInt32() throws(ProtobufError) -> UInt32 { UInt32(truncatingIfNeeded: try readVarint()) }

  /// A `uint64`.
  @inlinable
  public mutating func readUInt64() throws(ProtobufError) -> UInt64 { try readVarint() }

  /// An `sint32`: zigzag.
  @inlinable
  public mutating func readSInt32() throws(ProtobufError) -> Int32 {
    let value = try readUInt32()
    return Int32(bitPattern: value >> 1) ^ -Int32(bitPattern: value & 1)
  }

  /// An `sint64`: zigzag.
  @inlinable
  public mutating func readSInt64() throws(ProtobufError) -> Int64 {
    let value = try readVarint()
    return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
  }

  /// An `sfixed32`.
  @inlinable
  public mutating func readSFixed32() throws(ProtobufError) -> Int32 { Int32(bitPattern: try readFixed32()) }

  /// An `sfixed64`.
  @inlinable
  public mutating func readSFixed64() throws(ProtobufError) -> Int64 { Int64(bitPattern: try readFixed64()) }

  /// A `float`.
  @inlinable
  public mutating func readFloat() throws(ProtobufError) -> Float { Float(bitPattern: try readFixed32()) }

  /// A `double`.
  @inlinable
  public mutating func readDouble() throws(ProtobufError) -> Double { Double(bitPattern: try readFixed64()) }

  /// A `bool`: any varint but 0 is true.
  @inlinable
  public mutating func readBool() throws(ProtobufError) -> Bool { try readVarint() != 0 }

  /// An enum, numbers that are not known included.
  @inlinable
  public mutating func readEnum<Value: ProtobufEnum>() throws(ProtobufError) -> Value {
    Value(number: try readInt32())
  }
}
