public import Protobuf

extension GoogleProtobuf {
  /// A point in time in UTC.
  public struct Timestamp: ProtobufNamedMessage, Hashable {
    public static let protobufName = "google.protobuf.Timestamp"

    /// Since 1970-01-01T00:00:00Z.
    public var seconds: Int64
    /// From 0 to 999,999,999, counting forward also before 1970.
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

extension GoogleProtobuf.Timestamp {
  /// The time this many microseconds after 1970-01-01T00:00:00Z, or before it when negative.
  public init(microsecondsSince1970 microseconds: Int64) {
    var (seconds, rest) = microseconds.quotientAndRemainder(dividingBy: 1_000_000)
    if rest < 0 {
      seconds -= 1
      rest += 1_000_000
    }
    self.init(seconds: seconds, nanos: Int32(rest * 1000))
  }

  /// Microseconds since 1970-01-01T00:00:00Z, rounded down; nil when they do not fit or `nanos` is out of its range.
  public var microsecondsSince1970: Int64? {
    guard (0..<1_000_000_000).contains(nanos) else { return nil }
    let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
    let (sum, carry) = whole.addingReportingOverflow(Int64(nanos) / 1000)
    return overflow || carry ? nil : sum
  }
}
