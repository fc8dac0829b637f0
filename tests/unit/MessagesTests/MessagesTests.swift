import Protobuf
import SagaMessages
import StandardMessages
import Testing

@Suite struct TimestampTests {
  @Test(
    arguments: [
      (0, 0, 0), (1, 0, 1000), (-1, -1, 999_999_000), (1_000_000, 1, 0), (-1_000_000, -1, 0),
      (Int64.max, 9_223_372_036_854, 775_807_000),
    ] as [(Int64, Int64, Int32)])
  func `microseconds there and back`(microseconds: Int64, seconds: Int64, nanos: Int32) {
    let time = GoogleProtobuf.Timestamp(microsecondsSince1970: microseconds)
    #expect(time == GoogleProtobuf.Timestamp(seconds: seconds, nanos: nanos))
    #expect(time.microsecondsSince1970 == microseconds)
  }

  @Test func `what does not fit is nil`() {
    #expect(GoogleProtobuf.Timestamp(seconds: .max).microsecondsSince1970 == nil)
    #expect(GoogleProtobuf.Timestamp(seconds: .min).microsecondsSince1970 == nil)
    #expect(GoogleProtobuf.Timestamp(seconds: 9_223_372_036_854, nanos: 775_808_000).microsecondsSince1970 == nil)
    #expect(GoogleProtobuf.Timestamp(nanos: -1).microsecondsSince1970 == nil)
    #expect(GoogleProtobuf.Timestamp(nanos: 1_000_000_000).microsecondsSince1970 == nil)
    #expect(GoogleProtobuf.Timestamp(nanos: 1999).microsecondsSince1970 == 1)
  }
}

@Suite struct AnyMessageTests {
  private let info = GoogleRPC.ErrorInfo(reason: "R", domain: "d")

  @Test func `comes out as it went in`() throws {
    let packed = GoogleProtobuf.AnyMessage(packing: info)
    #expect(packed.typeURL == "type.googleapis.com/google.rpc.ErrorInfo")
    #expect(try packed.unpack(as: GoogleRPC.ErrorInfo.self) == info)
    #expect(try packed.unpack(as: GoogleRPC.RetryInfo.self) == nil)
  }

  @Test(arguments: ["google.rpc.ErrorInfo", "", "x/google.rpc.ErrorInfo/", "/google.rpc.errorinfo"])
  func `another name is another type`(typeURL: String) throws {
    let message = GoogleProtobuf.AnyMessage(typeURL: typeURL, value: info.serialized())
    #expect(try message.unpack(as: GoogleRPC.ErrorInfo.self) == nil)
  }

  @Test func `bytes that are no message throw`() {
    let message = GoogleProtobuf.AnyMessage(typeURL: "/google.rpc.ErrorInfo", value: [0x0A])
    #expect(throws: ProtobufError.self) { try message.unpack(as: GoogleRPC.ErrorInfo.self) }
  }
}

@Suite struct EnumTests {
  @Test func `equal numbers are equal values`() {
    #expect(PaymentsV1.PaymentStatus.unrecognized(2) == .completed)
    #expect(Set([PaymentsV1.PaymentStatus.unrecognized(2), .completed]).count == 1)
    for number in Int32(-1)...5 {
      #expect(PaymentsV1.PaymentStatus(number: number).number == number)
      #expect(GRPCHealthV1.ServingStatus(number: number).number == number)
    }
    #expect(PaymentsV1.PaymentStatus(number: 4) == .unrecognized(4))
  }

  @Test func `an omitted status of the small API reads as false`() throws {
    #expect(try PaymentsAPI.PayStatus(serialized: [0x08, 0x6F]) == PaymentsAPI.PayStatus(orderID: 111, status: false))
  }
}
