/// The scalar types of the protobuf language, as elements of repeated fields: `ProtobufScalars.SInt32Field` and so on.
public enum ProtobufScalars {
  /// `int32`.
  public enum Int32Field: ProtobufScalar {
    @inlinable
    public static var wireType: ProtobufWireType { .varint }

    @inlinable
    public static func read(from reader: inout ProtobufReader) throws(ProtobufError) -> Int32 {
      try reader.readInt32()
    }

    @inlinable
    public static func append(_ value: Int32, to writer: inout ProtobufWriter) {
      writer.appendVarint(UInt64(bitPattern: Int64(value)))
    }
  }

  /// `int64`.
  public enum Int64Field: ProtobufScalar {
    @inlinable
    public static var wireType: ProtobufWireType { .varint }

    @inlinable
    public static func read(from reader: inout ProtobufReader) throws(ProtobufError) -> Int64 {
      try reader.readInt64()
    }

    @inlinable
    public static func append(_ value: Int64, to writer: inout ProtobufWriter) {
      writer.appendVarint(UInt64(bitPattern: value))
    }
  }

  /// `uint32`.
  public enum UInt32Field: ProtobufScalar {
    @inlinable
    public static var wireType: ProtobufWireType { .varint }

    @inlinable
    public static func read(from reader: inout ProtobufReader) throws(ProtobufError) -> UInt32 {
      try reader.readUInt32()
    }

    @inlinable
    public static func append(_ value: UInt32, to writer: inout ProtobufWriter) {
      writer.appendVarint(UInt64(value))
    }
  }

  /// `uint64`.
  public enum UInt64Field: ProtobufScalar {
    @inlinable
    public static var wireType: ProtobufWireType { .varint }

    @inlinable
    public static func read(from reader: inout ProtobufReader) throws(ProtobufError) -> UInt64 {
      try reader.readUInt64()
    }

    @inlinable
    public static func append(_ value: UInt64, to writer: inout ProtobufWriter) {
      writer.appendVarint(value)
    }
  }

  /// `sint32`.
  public enum SInt32Field: ProtobufScalar {
    @inlinable
    public static var wireType: ProtobufWireType { .varint }

    @inlinable
    public static func read(from reader: inout ProtobufReader) throws(ProtobufError) -> Int32 {
      try reader.readSInt32()
    }

    @inlinable
    public static func append(_ value: Int32, to writer: inout ProtobufWriter) {
      writer.appendVarint(UInt64(UInt32(bitPattern: value << 1 ^ value >> 31)))
    }
  }

  /// `sint64`.
  public enum SInt64Field: ProtobufScalar {
    @inlinable
    public static var wireType: ProtobufWireType { .varint }

    @inlinable
    public static func read(from reader: inout ProtobufReader) throws(ProtobufError) -> Int64 {
      try reader.readSInt64()
    }

    @inlinable
    public static func append(_ value: Int64, to writer: inout ProtobufWriter) {
      writer.appendVarint(UInt64(bitPattern: value << 1 ^ value >> 63))
    }
  }

  /// `fixed32`.
  public enum Fixed32Field: ProtobufScalar {
    @inlinable
    public static var wireType: ProtobufWireType { .fixed32 }

    @inlinable
    public static func read(from reader: inout ProtobufReader) throws(ProtobufError) -> UInt32 {
      try reader.readFixed32()
    }

    @inlinable
    public static func append(_ value: UInt32, to writer: inout ProtobufWriter) {
      writer.appendFixed32(value)
    }
  }

  /// `fixed64`.
  public enum Fixed64Field: ProtobufScalar {
    @inlinable
    public static var wireType: ProtobufWireType { .fixed64 }

    @inlinable
    public static func read(from reader: inout ProtobufReader) throws(ProtobufError) -> UInt64 {
      try reader.readFixed64()
    }

    @inlinable
    public static func append(_ value: UInt64, to writer: inout ProtobufWriter) {
      writer.appendFixed64(value)
    }
  }

  /// `sfixed32`.
  public enum SFixed32Field: ProtobufScalar {
    @inlinable
    public static var wireType: ProtobufWireType { .fixed32 }

    @inlinable
    public static func read(from reader: inout ProtobufReader) throws(ProtobufError) -> Int32 {
      try reader.readSFixed32()
    }

    @inlinable
    public static func append(_ value: Int32, to writer: inout ProtobufWriter) {
      writer.appendFixed32(UInt32(bitPattern: value))
    }
  }

  /// `sfixed64`.
  public enum SFixed64Field: ProtobufScalar {
    @inlinable
    public static var wireType: ProtobufWireType { .fixed64 }

    @inlinable
    public static func read(from reader: inout ProtobufReader) throws(ProtobufError) -> Int64 {
      try reader.readSFixed64()
    }

    @inlinable
    public static func append(_ value: Int64, to writer: inout ProtobufWriter) {
      writer.appendFixed64(UInt64(bitPattern: value))
    }
  }

  /// `float`.
  public enum FloatField: ProtobufScalar {
    @inlinable
    public static var wireType: ProtobufWireType { .fixed32 }

    @inlinable
    public static func read(from reader: inout ProtobufReader) throws(ProtobufError) -> Float {
      try reader.readFloat()
    }

    @inlinable
    public static func append(_ value: Float, to writer: inout ProtobufWriter) {
      writer.appendFixed32(value.bitPattern)
    }
  }

  /// `double`.
  public enum DoubleField: ProtobufScalar {
    @inlinable
    public static var wireType: ProtobufWireType { .fixed64 }

    @inlinable
    public static func read(from reader: inout ProtobufReader) throws(ProtobufError) -> Double {
      try reader.readDouble()
    }

    @inlinable
    public static func append(_ value: Double, to writer: inout ProtobufWriter) {
      writer.appendFixed64(value.bitPattern)
    }
  }

  /// `bool`.
  public enum BoolField: ProtobufScalar {
    @inlinable
    public static var wireType: ProtobufWireType { .varint }

    @inlinable
    public static func read(from reader: inout ProtobufReader) throws(ProtobufError) -> Bool {
      try reader.readBool()
    }

    @inlinable
    public static func append(_ value: Bool, to writer: inout ProtobufWriter) {
      writer.appendVarint(value ? 1 : 0)
    }
  }

  /// An enum.
  public enum EnumField<Value: ProtobufEnum>: ProtobufScalar {
    @inlinable
    public static var wireType: ProtobufWireType { .varint }

    @inlinable
    public static func read(from reader: inout ProtobufReader) throws(ProtobufError) -> Value {
      try reader.readEnum()
    }

    @inlinable
    public static func append(_ value: Value, to writer: inout ProtobufWriter) {
      writer.appendVarint(UInt64(bitPattern: Int64(value.number)))
    }
  }
}
