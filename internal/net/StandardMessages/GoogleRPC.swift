public import Protobuf

/// The error model of gRPC: `api/google/rpc/status.proto` and `error_details.proto`.
public enum GoogleRPC {}

extension GoogleRPC {
  /// What the `grpc-status-details-bin` trailer holds.
  public struct Status: ProtobufNamedMessage, Hashable {
    public static let protobufName = "google.rpc.Status"

    /// The gRPC status code, the same as in `grpc-status`.
    public var code: Int32
    /// For developers, in English; the same as in `grpc-message`.
    public var message: String
    /// ``ErrorInfo``, ``BadRequest``, ``RetryInfo``.
    public var details: [GoogleProtobuf.AnyMessage]

    public init() { self.init(code: 0) }

    /// The message with these values, and the default for the rest.
    public init(code: Int32 = 0, message: String = "", details: [GoogleProtobuf.AnyMessage] = []) {
      self.code = code
      self.message = message
      self.details = details
    }

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .varint): code = try reader.readInt32()
      case (2, .lengthDelimited): message = try reader.readString()
      case (3, .lengthDelimited): try reader.appendMessage(to: &details)
      default: try reader.skip(field)
      }
    }

    public func encode(to writer: inout ProtobufWriter) {
      writer.writeInt32(code, field: 1)
      writer.writeString(message, field: 2)
      writer.writeMessages(details, field: 3)
    }
  }
}
