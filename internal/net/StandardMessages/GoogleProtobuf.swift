public import Protobuf

/// The well-known types of protobuf that our messages use.
public enum GoogleProtobuf {}

extension GoogleProtobuf {
  /// Nothing.
  public struct Empty: ProtobufNamedMessage, Hashable {
    public static let protobufName = "google.protobuf.Empty"

    public init() {}

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      try reader.skip(field)
    }

    public func encode(to writer: inout ProtobufWriter) {}
  }

  /// A span of time; seconds and nanoseconds have the same sign.
  public struct Duration: ProtobufNamedMessage, Hashable {
    public static let protobufName = "google.protobuf.Duration"

    /// Whole seconds.
    public var seconds: Int64
    /// Between −999,999,999 and 999,999,999.
    public var nanos: Int32

    public init() { self.init(seconds: 0) }

    /// The message with these values, and the default for the rest.
    public init(seconds: Int64 = 0, nanos: Int32 = 0) {
      self.seconds = seconds
      self.nanos = nanos
    }

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .varint): seconds = try reader.readInt64()
      case (2, .varint): nanos = try reader.readInt32()
      default: try reader.skip(field)
      }
    }

    public func encode(to writer: inout ProtobufWriter) {
      writer.writeInt64(seconds, field: 1)
      writer.writeInt32(nanos, field: 2)
    }
  }
}

extension GoogleProtobuf.Duration {
  /// A span of time; what is shorter than a nanosecond is dropped.
  public init(_ duration: Swift.Duration) {
    let (seconds, attoseconds) = duration.components
    self.init(seconds: seconds, nanos: Int32(attoseconds / 1_000_000_000))
  }
}
