/// A message that reads and writes the protobuf wire format.
///
/// Unknown fields are dropped, not kept: our messages end here and are never passed on.
public protocol ProtobufMessage: Sendable, Equatable {
  /// The message with every field at its default.
  init()

  /// Reads the value of `field`, whose tag has been read, or skips it.
  ///
  /// Switch over number and wire type together and skip in `default`: that makes a known number of another wire type an
  /// unknown field, as Google's parsers have it.
  mutating func decodeField(_ field: ProtobufField, from reader: inout ProtobufReader) throws(ProtobufError)

  /// Writes every field that is not at its default, by ascending number, so equal messages give equal bytes.
  func encode(to writer: inout ProtobufWriter)
}

/// A message that can travel in a `google.protobuf.Any`.
public protocol ProtobufNamedMessage: ProtobufMessage {
  /// The full name, such as `google.protobuf.Timestamp`.
  static var protobufName: String { get }
}

extension ProtobufMessage {
  /// Reads fields up to the end of the message: scalars replace, repeated fields append, sub-messages merge.
  @inlinable
  public mutating func merge(from reader: inout ProtobufReader) throws(ProtobufError) {
    while let field = try reader.nextField() {
      try decodeField(field, from: &reader)
    }
  }

  /// Reads one whole message.
  @inlinable
  public init(serialized bytes: Span<UInt8>, limits: ProtobufLimits = .standard) throws(ProtobufError) {
    self.init()
    var reader = try ProtobufReader(bytes, limits: limits)
    try merge(from: &reader)
  }

  /// Reads one whole message.
  @inlinable
  public init(serialized bytes: [UInt8], limits: ProtobufLimits = .standard) throws(ProtobufError) {
    try self.init(serialized: bytes.span, limits: limits)
  }

  /// Appends the message to `bytes` without copying what is there.
  @inlinable
  public func append(to bytes: inout [UInt8]) {
    var writer = ProtobufWriter()
    swap(&writer.bytes, &bytes)
    encode(to: &writer)
    swap(&writer.bytes, &bytes)
  }

  /// The message in the wire format.
  @inlinable
  public func serialized() -> [UInt8] {
    var bytes: [UInt8] = []
    append(to: &bytes)
    return bytes
  }
}
