public import Protobuf
public import StandardMessages

extension PaymentsV1 {
  /// Asks for a page of payments.
  public struct ListPaymentsRequest: ProtobufNamedMessage, Hashable {
    public static let protobufName = "payments.v1.ListPaymentsRequest"

    /// `unspecified` lists all.
    public var status: PaymentStatus
    /// How many payments at most; 0 leaves it to the server.
    public var pageSize: Int32
    /// The `nextPageToken` of the page before; empty for the first.
    public var pageToken: String
    /// The newest first, rather than in the order in which they were opened.
    public var newestFirst: Bool
    /// Only those opened then or later; needs `newestFirst`.
    public var createdSince: GoogleProtobuf.Timestamp?

    public init() { self.init(status: .unspecified) }

    /// The message with these values, and the default for the rest.
    public init(
      status: PaymentStatus = .unspecified, pageSize: Int32 = 0, pageToken: String = "", newestFirst: Bool = false,
      createdSince: GoogleProtobuf.Timestamp? = nil
    ) {
      self.status = status
      self.pageSize = pageSize
      self.pageToken = pageToken
      self.newestFirst = newestFirst
      self.createdSince = createdSince
    }

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .varint): status = try reader.readEnum()
      case (2, .varint): pageSize = try reader.readInt32()
      case (3, .lengthDelimited): pageToken = try reader.readString()
      case (4, .varint): newestFirst = try reader.readBool()
      case (5, .lengthDelimited): try reader.readMessage(into: &createdSince)
      default: try reader.skip(field)
      }
    }

    public func encode(to writer: inout ProtobufWriter) {
      writer.writeEnum(status, field: 1)
      writer.writeInt32(pageSize, field: 2)
      writer.writeString(pageToken, field: 3)
      writer.writeBool(newestFirst, field: 4)
      writer.writeMessage(createdSince, field: 5)
    }
  }

  /// A page of payments.
  public struct ListPaymentsResponse: ProtobufNamedMessage, Hashable {
    public static let protobufName = "payments.v1.ListPaymentsResponse"

    /// In the order they were opened.
    public var payments: [Payment]
    /// Empty on the last page.
    public var nextPageToken: String

    public init() { self.init(payments: []) }

    /// The message with these values, and the default for the rest.
    public init(payments: [Payment] = [], nextPageToken: String = "") {
      self.payments = payments
      self.nextPageToken = nextPageToken
    }

    public mutating func decodeField(
      _ field: ProtobufField, from reader: inout ProtobufReader
    ) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .lengthDelimited): try reader.appendMessage(to: &payments)
      case (2, .lengthDelimited): nextPageToken = try reader.readString()
      default: try reader.skip(field)
      }
    }

    public func encode(to writer: inout ProtobufWriter) {
      writer.writeMessages(payments, field: 1)
      writer.writeString(nextPageToken, field: 2)
    }
  }
}
