public import Protobuf

extension GRPCReflectionV1 {
  /// All services.
  public struct ListServiceResponse: ProtobufNamedMessage, Hashable {
    public static let protobufName = "grpc.reflection.v1.ListServiceResponse"

    /// Every service, in no order.
    public var service: [ServiceResponse]

    public init() { self.init(service: []) }

    /// The message with these values, and the default for the rest.
    public init(service: [ServiceResponse] = []) {
      self.service = service
    }

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .lengthDelimited): try reader.appendMessage(to: &service)
      default: try reader.skip(field)
      }
    }

    public func encode(to writer: inout ProtobufWriter) {
      writer.writeMessages(service, field: 1)
    }
  }

  /// One service.
  public struct ServiceResponse: ProtobufNamedMessage, Hashable {
    public static let protobufName = "grpc.reflection.v1.ServiceResponse"

    /// `package.Service`.
    public var name: String

    public init() { self.init(name: "") }

    /// The message with these values, and the default for the rest.
    public init(name: String = "") {
      self.name = name
    }

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .lengthDelimited): name = try reader.readString()
      default: try reader.skip(field)
      }
    }

    public func encode(to writer: inout ProtobufWriter) {
      writer.writeString(name, field: 1)
    }
  }

  /// Why a question has no answer.
  public struct ErrorResponse: ProtobufNamedMessage, Hashable {
    public static let protobufName = "grpc.reflection.v1.ErrorResponse"

    /// A status code of gRPC.
    public var errorCode: Int32
    /// Words for people.
    public var errorMessage: String

    public init() { self.init(errorCode: 0) }

    /// The message with these values, and the default for the rest.
    public init(errorCode: Int32 = 0, errorMessage: String = "") {
      self.errorCode = errorCode
      self.errorMessage = errorMessage
    }

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .varint): errorCode = try reader.readInt32()
      case (2, .lengthDelimited): errorMessage = try reader.readString()
      default: try reader.skip(field)
      }
    }

    public func encode(to writer: inout ProtobufWriter) {
      writer.writeInt32(errorCode, field: 1)
      writer.writeString(errorMessage, field: 2)
    }
  }
}
