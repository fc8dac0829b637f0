extension ProtobufWriter {
  /// An `int32`; a negative one takes ten bytes.
  @inlinable
  public mutating func writeInt32(_ value: Int32, field: UInt32, evenIfDefault: Bool = false) {
    writeUInt64(UInt64(bitPattern: Int64(value)), field: field, evenIfDefault: evenIfDefault)
  }

  /// An `int64`; a negative one takes ten bytes.
  @inlinable
  public mutating func writeInt64(_ value: Int64, field: UInt32, evenIfDefault: Bool = false) {
    writeUInt64(UInt64(bitPattern: value), field: field, evenIfDefault: evenIfDefault)
  }

  /// A `uint32`.
  @inlinable
  public mutating func writeUInt32(_ value: UInt32, field: UInt32, evenIfDefault: Bool = false) {
    writeUInt64(UInt64(value), field: field, evenIfDefault: evenIfDefault)
  }

  /// A `uint64`.
  @inlinable
  public mutating func writeUInt64(_ value: UInt64, field: UInt32, evenIfDefault: Bool = false) {
    guard value != 0 || evenIfDefault else { return }
    appendTag(field, .varint)
    appendVarint(value)
  }

  /// An `sint32`: zigzag.
  @inlinable
  public mutating func writeSInt32(_ value: Int32, field: UInt32, evenIfDefault: Bool = false) {
    writeUInt32(UInt32(bitPattern: value << 1 ^ value >> 31), field: field, evenIfDefault: evenIfDefault)
  }

  /// An `sint64`: zigzag.
  @inlinable
  public mutating func writeSInt64(_ value: Int64, field: UInt32, evenIfDefault: Bool = false) {
    writeUInt64(UInt64(bitPattern: value << 1 ^ value >> 63), field: field, evenIfDefault: evenIfDefault)
  }

  /// A `fixed32`.
  @inlinable
  public mutating func writeFixed32(_ value: UInt32, field: UInt32, evenIfDefault: Bool = false) {
    guard value != 0 || evenIfDefault else { return }
    appendTag(field, .fixed32)
    appendFixed32(value)
  }

  /// A `fixed64`.
  @inlinable
  public mutating func writeFixed64(_ value: UInt64, field: UInt32, evenIfDefault: Bool = false) {
    guard value != 0 || evenIfDefault else { return }
    appendTag(field, .fixed64)
    appendFixed64(value)
  }

  /// An `sfixed32`.
  @inlinable
  public mutating func writeSFixed32(_ value: Int32, field: UInt32, evenIfDefault: Bool = false) {
    writeFixed32(UInt32(bitPattern: value), field: field, evenIfDefault: evenIfDefault)
  }

  /// An `sfixed64`.
  @inlinable
  public mutating func writeSFixed64(_ value: Int64, field: UInt32, evenIfDefault: Bool = false) {
    writeFixed64(UInt64(bitPattern: value), field: field, evenIfDefault: evenIfDefault)
  }

  /// A `float`; minus zero is not the default and is written.
  @inlinable
  public mutating func writeFloat(_ value: Float, field: UInt32, evenIfDefault: Bool = false) {
    writeFixed32(value.bitPattern, field: field, evenIfDefault: evenIfDefault)
  }

  /// A `double`; minus zero is not the default and is written.
  @inlinable
  public mutating func writeDouble(_ value: Double, field: UInt32, evenIfDefault: Bool = false) {
    writeFixed64(value.bitPattern, field: field, evenIfDefault: evenIfDefault)
  }

  /// A `bool`.
  @inlinable
  public mutating func writeBool(_ value: Bool, field: UInt32, evenIfDefault: Bool = false) {
    writeUInt64(value ? 1 : 0, field: field, evenIfDefault: evenIfDefault)
  }

  /// An enum.
  @inlinable
  public mutating func writeEnum(_ value: some ProtobufEnum, field: UInt32, evenIfDefault: Bool = false) {
    writeInt32(value.number, field: field, evenIfDefault: evenIfDefault)
  }

  /// A `string`.
  @inlinable
  public mutating func writeString(_ value: String, field: UInt32, evenIfDefault: Bool = false) {
    let text = value.utf8
    guard !text.isEmpty || evenIfDefault else { return }
    appendTag(field, .lengthDelimited)
    appendVarint(UInt64(text.count))
    bytes.append(contentsOf: text)
  }

  /// A `bytes` field.
  @inlinable
  public mutating func writeBytes(_ value: [UInt8], field: UInt32, evenIfDefault: Bool = false) {
    guard !value.isEmpty || evenIfDefault else { return }
    appendTag(field, .lengthDelimited)
    appendVarint(UInt64(value.count))
    bytes.append(contentsOf: value)
  }
}
