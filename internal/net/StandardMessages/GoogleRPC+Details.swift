public import Protobuf

extension GoogleRPC {
  /// How long to wait before the next try.
  public struct RetryInfo: ProtobufNamedMessage, Hashable {
    public static let protobufName = "google.rpc.RetryInfo"

    /// At least this long.
    public var retryDelay: GoogleProtobuf.Duration?

    public init() { self.init(retryDelay: nil) }

    /// The message with these values, and the default for the rest.
    public init(retryDelay: GoogleProtobuf.Duration? = nil) {
      self.retryDelay = retryDelay
    }

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .lengthDelimited): try reader.readMessage(into: &retryDelay)
      default: try reader.skip(field)
      }
    }

    public func encode(to writer: inout ProtobufWriter) {
      writer.writeMessage(retryDelay, field: 1)
    }
  }

  /// The cause of an error, for programs.
  public struct ErrorInfo: ProtobufNamedMessage, Hashable {
    public static let protobufName = "google.rpc.ErrorInfo"

    /// UPPER_SNAKE_CASE, at most 63 characters, unique within the domain.
    public var reason: String
    /// Who defines the reason.
    public var domain: String
    /// What else there is to know.
    public var metadata: [String: String]

    public init() { self.init(reason: "") }

    /// The message with these values, and the default for the rest.
    public init(reason: String = "", domain: String = "", metadata: [String: String] = [:]) {
      self.reason = reason
      self.domain = domain
      self.metadata = metadata
    }

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .lengthDelimited): reason = try reader.readString()
      case (2, .lengthDelimited): domain = try reader.readString()
      case (3, .lengthDelimited): try reader.readEntry(ProtobufStringEntry.self, into: &metadata)
      default: try reader.skip(field)
      }
    }

    public func encode(to writer: inout ProtobufWriter) {
      writer.writeString(reason, field: 1)
      writer.writeString(domain, field: 2)
      writer.writeMap(metadata, as: ProtobufStringEntry.self, field: 3)
    }
  }

  /// What is wrong with a request.
  public struct BadRequest: ProtobufNamedMessage, Hashable {
    public static let protobufName = "google.rpc.BadRequest"

    /// A violation a field.
    public var fieldViolations: [FieldViolation]

    public init() { self.init(fieldViolations: []) }

    /// The message with these values, and the default for the rest.
    public init(fieldViolations: [FieldViolation] = []) {
      self.fieldViolations = fieldViolations
    }

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .lengthDelimited): try reader.appendMessage(to: &fieldViolations)
      default: try reader.skip(field)
      }
    }

    public func encode(to writer: inout ProtobufWriter) {
      writer.writeMessages(fieldViolations, field: 1)
    }
  }
}

extension GoogleRPC.BadRequest {
  /// What is wrong with one field.
  public struct FieldViolation: ProtobufNamedMessage, Hashable {
    public static let protobufName = "google.rpc.BadRequest.FieldViolation"

    /// The path of the field, such as `order_id`.
    public var field: String
    /// What is wrong with it, for people.
    public var description: String
    /// UPPER_SNAKE_CASE, for programs.
    public var reason: String

    public init() { self.init(field: "") }

    /// The message with these values, and the default for the rest.
    public init(field: String = "", description: String = "", reason: String = "") {
      self.field = field
      self.description = description
      self.reason = reason
    }

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .lengthDelimited): self.field = try reader.readString()
      case (2, .lengthDelimited): description = try reader.readString()
      case (3, .lengthDelimited): reason = try reader.readString()
      default: try reader.skip(field)
      }
    }

    public func encode(to writer: inout ProtobufWriter) {
      writer.writeString(field, field: 1)
      writer.writeString(description, field: 2)
      writer.writeString(reason, field: 3)
    }
  }
}
