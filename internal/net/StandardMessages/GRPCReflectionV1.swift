public import Protobuf

/// The messages of gRPC's server reflection, `api/grpc/reflection/v1/reflection.proto`; v1alpha has the same under
/// another package name.
public enum GRPCReflectionV1 {}

extension GRPCReflectionV1 {
  /// One question.
  public struct ServerReflectionRequest: ProtobufNamedMessage, Hashable {
    public static let protobufName = "grpc.reflection.v1.ServerReflectionRequest"

    /// What is asked; at most one of these is on the wire.
    public enum Question: Sendable, Hashable {
      /// The file of this name.
      case fileByFilename(String)
      /// The file that declares this full name.
      case fileContainingSymbol(String)
      case fileContainingExtension(ExtensionRequest)
      /// The numbers of all extensions of the message of this full name.
      case allExtensionNumbersOfType(String)
      /// All services; the text means nothing.
      case listServices(String)
    }

    /// Comes back in the answer.
    public var host: String
    /// The question; nil for one that is not among the kinds known here.
    public var question: Question?

    public init() { self.init(host: "") }

    /// The message with these values, and the default for the rest.
    public init(host: String = "", question: Question? = nil) {
      self.host = host
      self.question = question
    }

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .lengthDelimited): host = try reader.readString()
      case (3, .lengthDelimited): question = .fileByFilename(try reader.readString())
      case (4, .lengthDelimited): question = .fileContainingSymbol(try reader.readString())
      case (5, .lengthDelimited):
        // The same member again merges, as messages do; another one replaces.
        var value = ExtensionRequest()
        if case .fileContainingExtension(let held) = question { value = held }
        try reader.readMessage(into: &value)
        question = .fileContainingExtension(value)
      case (6, .lengthDelimited): question = .allExtensionNumbersOfType(try reader.readString())
      case (7, .lengthDelimited): question = .listServices(try reader.readString())
      default: try reader.skip(field)
      }
    }

    public func encode(to writer: inout ProtobufWriter) {
      writer.writeString(host, field: 1)
      switch question {
      case nil: break
      case .fileByFilename(let name): writer.writeString(name, field: 3, evenIfDefault: true)
      case .fileContainingSymbol(let name): writer.writeString(name, field: 4, evenIfDefault: true)
      case .fileContainingExtension(let request): writer.writeMessage(request, field: 5)
      case .allExtensionNumbersOfType(let name): writer.writeString(name, field: 6, evenIfDefault: true)
      case .listServices(let text): writer.writeString(text, field: 7, evenIfDefault: true)
      }
    }
  }

  /// An extension, by what it extends and its number.
  public struct ExtensionRequest: ProtobufNamedMessage, Hashable {
    public static let protobufName = "grpc.reflection.v1.ExtensionRequest"

    /// The full name of the message that is extended.
    public var containingType: String
    /// The field number of the extension.
    public var extensionNumber: Int32

    public init() { self.init(containingType: "") }

    /// The message with these values, and the default for the rest.
    public init(containingType: String = "", extensionNumber: Int32 = 0) {
      self.containingType = containingType
      self.extensionNumber = extensionNumber
    }

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .lengthDelimited): containingType = try reader.readString()
      case (2, .varint): extensionNumber = try reader.readInt32()
      default: try reader.skip(field)
      }
    }

    public func encode(to writer: inout ProtobufWriter) {
      writer.writeString(containingType, field: 1)
      writer.writeInt32(extensionNumber, field: 2)
    }
  }
}
