/// Reads the protobuf wire format from borrowed bytes; allocates only for strings and byte fields.
///
/// Malformed bytes are an error with a code, never a crash. After an error the position is undefined: do not use the
/// reader again. Where the public specification is silent it follows Google's parsers: bits of a varint above the width
/// of its field are dropped, and padded varints of up to ten bytes are read.
@frozen
public struct ProtobufReader: ~Escapable {
  @usableFromInline let bytes: Span<UInt8>
  /// The next byte to read; never above `end`.
  @usableFromInline var offset: Int
  /// Where the message that is being read ends; never above `bytes.count`.
  @usableFromInline var end: Int
  /// Number of levels of messages and groups that may still be opened.
  @usableFromInline var depthLeft: Int
  /// Number of elements of repeated fields that may still be read.
  @usableFromInline var elementsLeft: Int

  /// A reader of one message that fills `bytes`; throws `tooLarge`.
  @inlinable
  @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>, limits: ProtobufLimits = .standard) throws(ProtobufError) {
    guard bytes.count <= limits.size else { throw ProtobufError(.tooLarge, at: limits.size) }
    self.bytes = bytes
    self.offset = 0
    self.end = bytes.count
    self.depthLeft = limits.depth
    self.elementsLeft = limits.elements
  }

  // MARK: Tags

  /// The next tag, or nil at the end of the message; the value must then be read or skipped.
  ///
  /// The end of a group is an error here: only `skip(_:)` opens groups, and it closes them itself.
  @inlinable
  public mutating func nextField() throws(ProtobufError) -> ProtobufField? {
    if offset == end { return nil }
    let field = try readTag()
    if field.wireType == .endGroup { throw failure(.unbalancedGroup) }
    return field
  }

  @inlinable
  mutating func readTag() throws(ProtobufError) -> ProtobufField {
    let start = offset
    let tag = try readVarint()
    guard offset - start <= 5, let tag = UInt32(exactly: tag), tag >> 3 != 0,
      let wireType = ProtobufWireType(rawValue: UInt8(truncatingIfNeeded: tag & 7))
    else { throw failure(.invalidTag) }
    return ProtobufField(number: tag >> 3, wireType: wireType)
  }

  // MARK: Wire values

  /// A varint of one to ten bytes.
  @inlinable
  public mutating func readVarint() throws(ProtobufError) -> UInt64 {
    if offset < end {
      let byte = bytes[offset]
      if byte < 0x80 {
        offset += 1
        return UInt64(byte)
      }
    }
    return try readLongVarint()
  }

  @usableFromInline
  mutating func readLongVarint() throws(ProtobufError) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while shift < 70 {
      guard offset < end else { throw failure(.truncated) }
      let byte = bytes[offset]
      offset += 1
      value |= UInt64(byte & 0x7F) &<< shift
      if byte < 0x80 { return value }
      shift += 7
    }
    throw failure(.malformedVarint)
  }

  /// Four bytes, little-endian.
  @inlinable
  public mutating func readFixed32() throws(ProtobufError) -> UInt32 {
    UInt32(truncatingIfNeeded: try readLittleEndian(4))
  }

  /// Eight bytes, little-endian.
  @inlinable
  public mutating func readFixed64() throws(ProtobufError) -> UInt64 {
    try readLittleEndian(8)
  }

  @inlinable
  mutating func readLittleEndian(_ count: Int) throws(ProtobufError) -> UInt64 {
    guard end - offset >= count else { throw failure(.truncated) }
    var value: UInt64 = 0
    for index in 0..<count {
      value |= UInt64(bytes[offset + index]) &<< UInt64(8 * index)
    }
    offset += count
    return value
  }

  /// The length before a string, a byte field, a message or a packed field; it lies within the message.
  @inlinable
  mutating func readLength() throws(ProtobufError) -> Int {
    let length = try readVarint()
    guard length <= UInt64(end - offset) else { throw failure(.truncated) }
    return Int(length)
  }

  // MARK: Limits

  /// An error of this kind at the place reached.
  @inlinable
  func failure(_ code: ProtobufError.Code) -> ProtobufError { ProtobufError(code, at: offset) }

  /// Counts one element of a repeated field.
  @inlinable
  mutating func takeElement() throws(ProtobufError) {
    guard elementsLeft > 0 else { throw failure(.tooManyElements) }
    elementsLeft -= 1
  }

  /// Counts one level of messages or groups; whoever enters adds it back on leaving.
  @inlinable
  mutating func enterLevel() throws(ProtobufError) {
    guard depthLeft > 0 else { throw failure(.tooDeep) }
    depthLeft -= 1
  }
}
