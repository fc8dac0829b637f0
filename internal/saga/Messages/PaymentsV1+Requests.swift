public import Protobuf

extension PaymentsV1 {
  /// Asks for the payment of an order to be opened.
  public struct CreatePaymentRequest: ProtobufNamedMessage, Hashable {
    public static let protobufName = "payments.v1.CreatePaymentRequest"

    /// The order's number, from 1.
    public var orderID: Int64
    /// In the smallest unit of the currency.
    public var amountMinor: Int64
    /// ISO 4217, or empty.
    public var currency: String

    public init() { self.init(orderID: 0) }

    /// The message with these values, and the default for the rest.
    public init(orderID: Int64 = 0, amountMinor: Int64 = 0, currency: String = "") {
      self.orderID = orderID
      self.amountMinor = amountMinor
      self.currency = currency
    }

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .varint): orderID = try reader.readInt64()
      case (2, .varint): amountMinor = try reader.readInt64()
      case (3, .lengthDelimited): currency = try reader.readString()
      default: try reader.skip(field)
      }
    }

    public func encode(to writer: inout ProtobufWriter) {
      writer.writeInt64(orderID, field: 1)
      writer.writeInt64(amountMinor, field: 2)
      writer.writeString(currency, field: 3)
    }
  }

  /// Asks for the payment of an order.
  public struct GetPaymentRequest: ProtobufNamedMessage, Hashable {
    public static let protobufName = "payments.v1.GetPaymentRequest"

    /// The order's number, from 1.
    public var orderID: Int64

    public init() { self.init(orderID: 0) }

    /// The message with these values, and the default for the rest.
    public init(orderID: Int64 = 0) {
      self.orderID = orderID
    }

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .varint): orderID = try reader.readInt64()
      default: try reader.skip(field)
      }
    }

    public func encode(to writer: inout ProtobufWriter) {
      writer.writeInt64(orderID, field: 1)
    }
  }

  /// Asks for the payment of an order to be settled.
  public struct UpdatePaymentStatusRequest: ProtobufNamedMessage, Hashable {
    public static let protobufName = "payments.v1.UpdatePaymentStatusRequest"

    /// The order's number, from 1.
    public var orderID: Int64
    /// Where the payment stands or shall stand.
    public var status: PaymentStatus
    /// Why, as the caller said; at most 500 bytes.
    public var reason: String

    public init() { self.init(orderID: 0) }

    /// The message with these values, and the default for the rest.
    public init(orderID: Int64 = 0, status: PaymentStatus = .unspecified, reason: String = "") {
      self.orderID = orderID
      self.status = status
      self.reason = reason
    }

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .varint): orderID = try reader.readInt64()
      case (2, .varint): status = try reader.readEnum()
      case (3, .lengthDelimited): reason = try reader.readString()
      default: try reader.skip(field)
      }
    }

    public func encode(to writer: inout ProtobufWriter) {
      writer.writeInt64(orderID, field: 1)
      writer.writeEnum(status, field: 2)
      writer.writeString(reason, field: 3)
    }
  }

  /// Asks for the payment of an order, now and at every change.
  public struct WatchPaymentRequest: ProtobufNamedMessage, Hashable {
    public static let protobufName = "payments.v1.WatchPaymentRequest"

    /// The order's number, from 1.
    public var orderID: Int64

    public init() { self.init(orderID: 0) }

    /// The message with these values, and the default for the rest.
    public init(orderID: Int64 = 0) {
      self.orderID = orderID
    }

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .varint): orderID = try reader.readInt64()
      default: try reader.skip(field)
      }
    }

    public func encode(to writer: inout ProtobufWriter) {
      writer.writeInt64(orderID, field: 1)
    }
  }
}
