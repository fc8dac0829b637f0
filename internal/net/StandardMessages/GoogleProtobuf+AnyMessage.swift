public import Protobuf

extension GoogleProtobuf {
  /// `google.protobuf.Any`: some message with the name of its type. (`Any` is a keyword of Swift.)
  public struct AnyMessage: ProtobufNamedMessage, Hashable {
    public static let protobufName = "google.protobuf.Any"

    /// The message's full name after the last slash, such as `type.googleapis.com/google.rpc.ErrorInfo`.
    public var typeURL: String
    /// The message in the wire format.
    public var value: [UInt8]

    public init() { self.init(typeURL: "") }

    /// The message with these values, and the default for the rest.
    public init(typeURL: String = "", value: [UInt8] = []) {
      self.typeURL = typeURL
      self.value = value
    }

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .lengthDelimited): typeURL = try reader.readString()
      case (2, .lengthDelimited): value = try reader.readBytes()
      default: try reader.skip(field)
      }
    }

    public func encode(to writer: inout ProtobufWriter) {
      writer.writeString(typeURL, field: 1)
      writer.writeBytes(value, field: 2)
    }
  }
}

extension GoogleProtobuf.AnyMessage {
  /// The message `message` with its name.
  public init(packing message: some ProtobufNamedMessage) {
    self.init(typeURL: "type.googleapis.com/\(type(of: message).protobufName)", value: message.serialized())
  }

  /// The message, when it is of this type; nil when it is of another; throws when its bytes are none.
  public func unpack<Message: ProtobufNamedMessage>(as _: Message.Type) throws(ProtobufError) -> Message? {
    let name = typeURL.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).dropFirst().last
    guard let name, name.elementsEqual(Message.protobufName.utf8) else { return nil }
    return try Message(serialized: value)
  }
}
