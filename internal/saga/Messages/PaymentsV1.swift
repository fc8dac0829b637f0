public import Protobuf
public import StandardMessages

/// The messages of `api/payments/v1/payments.proto`; their names and meaning are documented there.
public enum PaymentsV1 {}

extension PaymentsV1 {
  /// Where a payment stands.
  public enum PaymentStatus: ProtobufEnum {
    case unspecified
    case created
    case completed
    case failed
    /// A number that this version does not know; compares by the number, as all values do.
    case unrecognized(Int32)

    public init(number: Int32) {
      switch number {
      case 0: self = .unspecified
      case 1: self = .created
      case 2: self = .completed
      case 3: self = .failed
      default: self = .unrecognized(number)
      }
    }

    public var number: Int32 {
      switch self {
      case .unspecified: 0
      case .created: 1
      case .completed: 2
      case .failed: 3
      case .unrecognized(let number): number
      }
    }
  }

  /// The payment of one order.
  public struct Payment: ProtobufNamedMessage, Hashable {
    public static let protobufName = "payments.v1.Payment"

    /// The payment's number.
    public var id: Int64
    /// The order's number, from 1.
    public var orderID: Int64
    /// Where the payment stands or shall stand.
    public var status: PaymentStatus
    /// Why, as the caller said; at most 500 bytes.
    public var reason: String
    /// Counts the payment's changes from 1.
    public var version: Int64
    /// When it was opened.
    public var createdAt: GoogleProtobuf.Timestamp?
    /// When it last changed.
    public var updatedAt: GoogleProtobuf.Timestamp?
    /// When the expiry job may fail it.
    public var expiresAt: GoogleProtobuf.Timestamp?
    /// In the smallest unit of the currency.
    public var amountMinor: Int64
    /// ISO 4217, or empty.
    public var currency: String

    public init() { self.init(id: 0) }

    /// The message with these values, and the default for the rest.
    public init(
      id: Int64 = 0, orderID: Int64 = 0, status: PaymentStatus = .unspecified, reason: String = "", version: Int64 = 0,
      createdAt: GoogleProtobuf.Timestamp? = nil, updatedAt: GoogleProtobuf.Timestamp? = nil,
      expiresAt: GoogleProtobuf.Timestamp? = nil, amountMinor: Int64 = 0, currency: String = ""
    ) {
      self.id = id
      self.orderID = orderID
      self.status = status
      self.reason = reason
      self.version = version
      self.createdAt = createdAt
      self.updatedAt = updatedAt
      self.expiresAt = expiresAt
      self.amountMinor = amountMinor
      self.currency = currency
    }

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .varint): id = try reader.readInt64()
      case (2, .varint): orderID = try reader.readInt64()
      case (3, .varint): status = try reader.readEnum()
      case (4, .lengthDelimited): reason = try reader.readString()
      case (5, .varint): version = try reader.readInt64()
      case (6, .lengthDelimited): try reader.readMessage(into: &createdAt)
      case (7, .lengthDelimited): try reader.readMessage(into: &updatedAt)
      case (8, .lengthDelimited): try reader.readMessage(into: &expiresAt)
      case (9, .varint): amountMinor = try reader.readInt64()
      case (10, .lengthDelimited): currency = try reader.readString()
      default: try reader.skip(field)
      }
    }

    public func encode(to writer: inout ProtobufWriter) {
      writer.writeInt64(id, field: 1)
      writer.writeInt64(orderID, field: 2)
      writer.writeEnum(status, field: 3)
      writer.writeString(reason, field: 4)
      writer.writeInt64(version, field: 5)
      writer.writeMessage(createdAt, field: 6)
      writer.writeMessage(updatedAt, field: 7)
      writer.writeMessage(expiresAt, field: 8)
      writer.writeInt64(amountMinor, field: 9)
      writer.writeString(currency, field: 10)
    }
  }
}
