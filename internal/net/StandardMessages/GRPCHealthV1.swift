public import Protobuf

/// The messages of gRPC's health checking protocol, `api/grpc/health/v1/health.proto`.
public enum GRPCHealthV1 {}

extension GRPCHealthV1 {
  /// Whether a service can be called.
  public enum ServingStatus: ProtobufEnum {
    case unknown
    case serving
    case notServing
    /// Only in the answers of Watch.
    case serviceUnknown
    /// A number that this version does not know; compares by the number, as all values do.
    case unrecognized(Int32)

    public init(number: Int32) {
      switch number {
      case 0: self = .unknown
      case 1: self = .serving
      case 2: self = .notServing
      case 3: self = .serviceUnknown
      default: self = .unrecognized(number)
      }
    }

    public var number: Int32 {
      switch self {
      case .unknown: 0
      case .serving: 1
      case .notServing: 2
      case .serviceUnknown: 3
      case .unrecognized(let number): number
      }
    }
  }

  /// Asks for the status of one service.
  public struct HealthCheckRequest: ProtobufNamedMessage, Hashable {
    public static let protobufName = "grpc.health.v1.HealthCheckRequest"

    /// A full name; empty is the whole server.
    public var service: String

    public init() { self.init(service: "") }

    /// The message with these values, and the default for the rest.
    public init(service: String = "") {
      self.service = service
    }

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .lengthDelimited): service = try reader.readString()
      default: try reader.skip(field)
      }
    }

    public func encode(to writer: inout ProtobufWriter) {
      writer.writeString(service, field: 1)
    }
  }

  /// The status of one service.
  public struct HealthCheckResponse: ProtobufNamedMessage, Hashable {
    public static let protobufName = "grpc.health.v1.HealthCheckResponse"

    /// Whether the service can be called.
    public var status: ServingStatus

    public init() { self.init(status: .unknown) }

    /// The message with these values, and the default for the rest.
    public init(status: ServingStatus = .unknown) {
      self.status = status
    }

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .varint): status = try reader.readEnum()
      default: try reader.skip(field)
      }
    }

    public func encode(to writer: inout ProtobufWriter) {
      writer.writeEnum(status, field: 1)
    }
  }

  /// Asks for the status of all services.
  public struct HealthListRequest: ProtobufNamedMessage, Hashable {
    public static let protobufName = "grpc.health.v1.HealthListRequest"

    public init() {}

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      try reader.skip(field)
    }

    public func encode(to writer: inout ProtobufWriter) {}
  }

  /// The status of all services.
  public struct HealthListResponse: ProtobufNamedMessage, Hashable {
    public static let protobufName = "grpc.health.v1.HealthListResponse"

    /// By full name; the empty name is the whole server.
    public var statuses: [String: HealthCheckResponse]

    public init() { self.init(statuses: [:]) }

    /// The message with these values, and the default for the rest.
    public init(statuses: [String: HealthCheckResponse] = [:]) {
      self.statuses = statuses
    }

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .lengthDelimited): try reader.readEntry(ProtobufMessageEntry<HealthCheckResponse>.self, into: &statuses)
      default: try reader.skip(field)
      }
    }

    public func encode(to writer: inout ProtobufWriter) {
      writer.writeMap(statuses, as: ProtobufMessageEntry<HealthCheckResponse>.self, field: 1)
    }
  }
}
