public import Protobuf

/// The messages of `api/paymentsapi/paymentsapi.proto`, the small API of the saga's existing callers.
public enum PaymentsAPI {}

extension PaymentsAPI {
  /// Settles the payment of an order.
  public struct PayStatus: ProtobufNamedMessage, Hashable {
    public static let protobufName = "paymentsapi.PayStatus"

    /// The order's number, from 1.
    public var orderID: Int64
    /// true is COMPLETED, false is FAILED; a caller that leaves it out cannot be told from one that says false.
    public var status: Bool

    public init() { self.init(orderID: 0) }

    /// The message with these values, and the default for the rest.
    public init(orderID: Int64 = 0, status: Bool = false) {
      self.orderID = orderID
      self.status = status
    }

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .varint): orderID = try reader.readInt64()
      case (2, .varint): status = try reader.readBool()
      default: try reader.skip(field)
      }
    }

    public func encode(to writer: inout ProtobufWriter) {
      writer.writeInt64(orderID, field: 1)
      writer.writeBool(status, field: 2)
    }
  }

  /// The answer to a ping.
  public struct Pong: ProtobufNamedMessage, Hashable {
    public static let protobufName = "paymentsapi.Pong"

    /// Always true.
    public var pong: Bool

    public init() { self.init(pong: false) }

    /// The message with these values, and the default for the rest.
    public init(pong: Bool = false) {
      self.pong = pong
    }

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .varint): pong = try reader.readBool()
      default: try reader.skip(field)
      }
    }

    public func encode(to writer: inout ProtobufWriter) {
      writer.writeBool(pong, field: 1)
    }
  }
}
