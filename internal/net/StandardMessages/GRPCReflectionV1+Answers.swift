public import Protobuf

extension GRPCReflectionV1 {
  /// One answer, with its question.
  public struct ServerReflectionResponse: ProtobufNamedMessage, Hashable {
    public static let protobufName = "grpc.reflection.v1.ServerReflectionResponse"

    /// What is answered; at most one of these is on the wire.
    public enum Answer: Sendable, Hashable {
      case fileDescriptors(FileDescriptorResponse)
      case allExtensionNumbers(ExtensionNumberResponse)
      case listServices(ListServiceResponse)
      case error(ErrorResponse)
    }

    /// The question's host.
    public var validHost: String
    /// The request that is answered.
    public var originalRequest: ServerReflectionRequest?
    /// The answer or an error; nil for a message that has none of the kinds known here.
    public var answer: Answer?

    public init() { self.init(validHost: "") }

    /// The message with these values, and the default for the rest.
    public init(validHost: String = "", originalRequest: ServerReflectionRequest? = nil, answer: Answer? = nil) {
      self.validHost = validHost
      self.originalRequest = originalRequest
      self.answer = answer
    }

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .lengthDelimited): validHost = try reader.readString()
      case (2, .lengthDelimited): try reader.readMessage(into: &originalRequest)
      case (4...7, .lengthDelimited): try decodeAnswer(field.number, from: &reader)
      default: try reader.skip(field)
      }
    }

    /// The same member again merges, as messages do; another one replaces.
    private mutating func decodeAnswer(_ number: UInt32, from reader: inout ProtobufReader) throws(ProtobufError) {
      switch number {
      case 4:
        var value = FileDescriptorResponse()
        if case .fileDescriptors(let held) = answer { value = held }
        try reader.readMessage(into: &value)
        answer = .fileDescriptors(value)
      case 5:
        var value = ExtensionNumberResponse()
        if case .allExtensionNumbers(let held) = answer { value = held }
        try reader.readMessage(into: &value)
        answer = .allExtensionNumbers(value)
      case 6:
        var value = ListServiceResponse()
        if case .listServices(let held) = answer { value = held }
        try reader.readMessage(into: &value)
        answer = .listServices(value)
      default:
        var value = ErrorResponse()
        if case .error(let held) = answer { value = held }
        try reader.readMessage(into: &value)
        answer = .error(value)
      }
    }

    public func encode(to writer: inout ProtobufWriter) {
      writer.writeString(validHost, field: 1)
      writer.writeMessage(originalRequest, field: 2)
      switch answer {
      case nil: break
      case .fileDescriptors(let files): writer.writeMessage(files, field: 4)
      case .allExtensionNumbers(let numbers): writer.writeMessage(numbers, field: 5)
      case .listServices(let services): writer.writeMessage(services, field: 6)
      case .error(let error): writer.writeMessage(error, field: 7)
      }
    }
  }

  /// The file that was asked for, then all that it imports.
  public struct FileDescriptorResponse: ProtobufNamedMessage, Hashable {
    public static let protobufName = "grpc.reflection.v1.FileDescriptorResponse"

    /// Each a serialised `google.protobuf.FileDescriptorProto`.
    public var fileDescriptorProto: [[UInt8]]

    public init() { self.init(fileDescriptorProto: []) }

    /// The message with these values, and the default for the rest.
    public init(fileDescriptorProto: [[UInt8]] = []) {
      self.fileDescriptorProto = fileDescriptorProto
    }

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .lengthDelimited): try reader.appendBytes(to: &fileDescriptorProto)
      default: try reader.skip(field)
      }
    }

    public func encode(to writer: inout ProtobufWriter) {
      writer.writeByteStrings(fileDescriptorProto, field: 1)
    }
  }

  /// The numbers of a message's extensions.
  public struct ExtensionNumberResponse: ProtobufNamedMessage, Hashable {
    public static let protobufName = "grpc.reflection.v1.ExtensionNumberResponse"

    /// The full name of the message that is extended.
    public var baseTypeName: String
    /// The numbers of its extensions, in no order.
    public var extensionNumber: [Int32]

    public init() { self.init(baseTypeName: "") }

    /// The message with these values, and the default for the rest.
    public init(baseTypeName: String = "", extensionNumber: [Int32] = []) {
      self.baseTypeName = baseTypeName
      self.extensionNumber = extensionNumber
    }

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .lengthDelimited): baseTypeName = try reader.readString()
      case (2, _): try reader.appendScalars(ProtobufScalars.Int32Field.self, of: field, to: &extensionNumber)
      default: try reader.skip(field)
      }
    }

    public func encode(to writer: inout ProtobufWriter) {
      writer.writeString(baseTypeName, field: 1)
      writer.writePacked(ProtobufScalars.Int32Field.self, extensionNumber, field: 2)
    }
  }
}
