/// Appends the protobuf wire format to a byte buffer.
///
/// The typed functions leave out a value that is its type's default, which is what proto3 asks of fields without
/// presence; `evenIfDefault` writes it all the same, for `optional` fields, members of a oneof and map entries.
/// Field numbers are constants of ours, from 1 to 2²⁹−1.
@frozen
public struct ProtobufWriter: ~Copyable {
  /// The bytes written so far.
  public var bytes: [UInt8]

  /// A writer that has written nothing, with room for `capacity` bytes.
  @inlinable
  public init(capacity: Int = 0) {
    bytes = []
    if capacity > 0 { bytes.reserveCapacity(capacity) }
  }

  /// A varint without a tag.
  @inlinable
  public mutating func appendVarint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  /// The tag before a value.
  @inlinable
  public mutating func appendTag(_ field: UInt32, _ wireType: ProtobufWireType) {
    appendVarint(UInt64(field) << 3 | UInt64(wireType.rawValue))
  }

  /// Four bytes, little-endian, without a tag.
  @inlinable
  public mutating func appendFixed32(_ value: UInt32) {
    for shift in stride(from: UInt32(0), to: 32, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: value >> shift))
    }
  }

  /// Eight bytes, little-endian, without a tag.
  @inlinable
  public mutating func appendFixed64(_ value: UInt64) {
    for shift in stride(from: UInt64(0), to: 64, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: value >> shift))
    }
  }

  /// Puts the length of all that was written from `start + 1` into the byte kept free at `start`.
  ///
  /// Nearly all our messages are shorter than 128 bytes and fit; a longer one is moved up once a level.
  @inlinable
  mutating func patchLength(at start: Int) {
    let length = bytes.count - start - 1
    if length < 0x80 {
      bytes[start] = UInt8(truncatingIfNeeded: length)
    } else {
      insertLength(length, at: start)
    }
  }

  @usableFromInline
  mutating func insertLength(_ length: Int, at start: Int) {
    var prefix = ProtobufWriter(capacity: 10)
    prefix.appendVarint(UInt64(length))
    bytes.replaceSubrange(start...start, with: prefix.bytes)
  }
}
