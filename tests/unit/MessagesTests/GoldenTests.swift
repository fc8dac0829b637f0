import Protobuf
import SagaMessages
import StandardMessages
import Testing

@testable import TestSupport

/// A message and what Google's protobuf makes of it.
private struct Example: CustomTestStringConvertible {
  let name: String
  let bytes: [UInt8]
  /// Decodes `bytes`, and says whether that and the way back give what they must.
  let check: @Sendable ([UInt8]) throws -> Bool
  let type: any ProtobufNamedMessage.Type

  init<Message: ProtobufNamedMessage>(_ golden: String, _ message: Message) {
    name = Message.protobufName
    bytes = Hex.bytes(golden)
    type = Message.self
    check = { try Message(serialized: $0) == message && message.serialized() == $0 }
  }

  var testDescription: String { name }
}

private let time = GoogleProtobuf.Timestamp(seconds: 1_767_323_045, nanos: 678_901_000)

private let payment = PaymentsV1.Payment(
  id: 7, orderID: 111, status: .completed, reason: "paid by card ✓", version: 2,
  createdAt: GoogleProtobuf.Timestamp(microsecondsSince1970: -1), updatedAt: time,
  expiresAt: GoogleProtobuf.Timestamp(), amountMinor: 1999, currency: "EUR")

private let errorInfo = GoogleRPC.ErrorInfo(
  reason: "PAYMENT_FINAL", domain: "paysaga", metadata: ["order_id": "111", "": ""])

private let violation = GoogleRPC.BadRequest.FieldViolation(
  field: "order_id", description: "must be at least 1", reason: "TOO_SMALL")

private let payments: [Example] = [
  Example(Golden.payment, payment),
  Example(
    Golden.unknownStatus,
    PaymentsV1.Payment(id: -1, orderID: .max, status: .unrecognized(-5), version: .min)),
  Example(
    Golden.createPayment, PaymentsV1.CreatePaymentRequest(orderID: 111, amountMinor: 1999, currency: "EUR")),
  Example(Golden.getPayment, PaymentsV1.GetPaymentRequest(orderID: 300)),
  Example(
    Golden.updatePaymentStatus,
    PaymentsV1.UpdatePaymentStatusRequest(orderID: 111, status: .failed, reason: "no")),
  Example(
    Golden.listPayments, PaymentsV1.ListPaymentsRequest(status: .created, pageSize: -50, pageToken: "next")),
  Example(Golden.listNewest, PaymentsV1.ListPaymentsRequest(newestFirst: true, createdSince: time)),
  Example(
    Golden.listPaymentsResponse,
    PaymentsV1.ListPaymentsResponse(
      payments: [payment, PaymentsV1.Payment(), PaymentsV1.Payment(id: 8)], nextPageToken: "8")),
  Example(Golden.watchPayment, PaymentsV1.WatchPaymentRequest(orderID: 111)),
  Example(Golden.payStatus, PaymentsAPI.PayStatus(orderID: 111, status: true)),
  Example(Golden.payStatusFalse, PaymentsAPI.PayStatus(orderID: 111, status: false)),
  Example(Golden.pong, PaymentsAPI.Pong(pong: true)),
]

private let shared: [Example] = [
  Example(Golden.empty, GoogleProtobuf.Empty()),
  Example(Golden.timestamp, time),
  Example(Golden.duration, GoogleProtobuf.Duration(seconds: -3, nanos: -500_000_000)),
  Example(Golden.any, GoogleProtobuf.AnyMessage(packing: errorInfo)),
  Example(
    Golden.status,
    GoogleRPC.Status(
      code: 9, message: "the payment is final", details: [GoogleProtobuf.AnyMessage(packing: errorInfo)])),
  Example(Golden.errorInfo, errorInfo),
  Example(Golden.retryInfo, GoogleRPC.RetryInfo(retryDelay: GoogleProtobuf.Duration(seconds: 1, nanos: 5))),
  Example(
    Golden.badRequest,
    GoogleRPC.BadRequest(fieldViolations: [violation, GoogleRPC.BadRequest.FieldViolation(field: "reason")])),
  Example(Golden.fieldViolation, violation),
  Example(Golden.healthCheck, GRPCHealthV1.HealthCheckRequest(service: "payments.v1.PaymentService")),
  Example(Golden.healthCheckResponse, GRPCHealthV1.HealthCheckResponse(status: .serving)),
  Example(Golden.healthList, GRPCHealthV1.HealthListRequest()),
  Example(
    Golden.healthListResponse,
    GRPCHealthV1.HealthListResponse(statuses: [
      "": GRPCHealthV1.HealthCheckResponse(status: .serving), "b": GRPCHealthV1.HealthCheckResponse(),
      "payments.v1.PaymentService": GRPCHealthV1.HealthCheckResponse(status: .notServing),
    ])),
]

private typealias Reflection = GRPCReflectionV1

private let question = Reflection.ServerReflectionRequest(
  host: "h",
  question: .fileContainingExtension(Reflection.ExtensionRequest(containingType: "a.B", extensionNumber: -7)))
private let files = Reflection.FileDescriptorResponse(fileDescriptorProto: [[], [0xFF, 0]])
private let numbers = Reflection.ExtensionNumberResponse(baseTypeName: "a.B", extensionNumber: [1, 300, -1])
private let services = Reflection.ListServiceResponse(service: [
  Reflection.ServiceResponse(name: "a.S"), Reflection.ServiceResponse(),
])
private let failure = Reflection.ErrorResponse(errorCode: 5, errorMessage: "no ✗")

private func asks(_ wanted: Reflection.ServerReflectionRequest.Question) -> Reflection.ServerReflectionRequest {
  Reflection.ServerReflectionRequest(question: wanted)
}

private func answers(_ answer: Reflection.ServerReflectionResponse.Answer) -> Reflection.ServerReflectionResponse {
  Reflection.ServerReflectionResponse(validHost: "h", originalRequest: question, answer: answer)
}

private let reflection: [Example] = [
  Example(Golden.reflectionRequest, question),
  Example(Golden.reflectionFileByFilename, asks(.fileByFilename("a.B"))),
  Example(Golden.reflectionFileContainingSymbol, asks(.fileContainingSymbol("a.B"))),
  Example(Golden.reflectionAllExtensionNumbersOfType, asks(.allExtensionNumbersOfType("a.B"))),
  Example(Golden.reflectionListServices, asks(.listServices(""))),
  Example(
    Golden.reflectionExtension, Reflection.ExtensionRequest(containingType: "a.B", extensionNumber: 536_870_911)),
  Example(Golden.reflectionAnswerFiles, answers(.fileDescriptors(files))),
  Example(Golden.reflectionFiles, files),
  Example(Golden.reflectionAnswerNumbers, answers(.allExtensionNumbers(numbers))),
  Example(Golden.reflectionNumbers, numbers),
  Example(Golden.reflectionAnswerServices, answers(.listServices(services))),
  Example(Golden.reflectionServices, services),
  Example(Golden.reflectionAnswerError, answers(.error(failure))),
  Example(Golden.reflectionError, failure),
  Example(Golden.reflectionService, Reflection.ServiceResponse(name: "a.S")),
]

private let allTypes = AllTypes(
  int32Field: -1, int64Field: -2, uint32Field: 3, uint64Field: .max, sint32Field: -5, sint64Field: .min,
  fixed32Field: 7, fixed64Field: 8, sfixed32Field: -9, sfixed64Field: -10, floatField: -0.0, doubleField: 1.5,
  boolField: true, stringField: "é", bytesField: [0, 0xFF], child: AllTypes.Child(value: [AllTypes(last: 5)]),
  packedInt32: [1, -1, 300], packedSint64: [-1, 1], packedFixed32: [9], packedDouble: [0.5],
  packedBool: [true, false], unpackedUint64: [0, 128], strings: ["", "a"], byteStrings: [[], [0x62]],
  children: [AllTypes(), AllTypes(stringField: String(repeating: "x", count: 130))],
  stringMap: ["b": "1", "a": ""], last: 1)

private let examples = payments + shared + reflection + [Example(Golden.allTypes, allTypes)]

@Suite struct GoldenTests {
  @Test(arguments: examples) fileprivate func `reads and writes as Google's protobuf does`(example: Example) throws {
    #expect(try example.check(example.bytes))
  }

  @Test func `every type has an example`() {
    let named = Set(examples.map(\.name))
    for type in MessageTypes.all {
      #expect(named.contains(type.protobufName))
    }
  }

  @Test(arguments: examples) fileprivate func `cut off anywhere it is an error or a shorter message`(
    example: Example
  ) {
    for count in 0..<example.bytes.count {
      let start = [UInt8](example.bytes.prefix(count))
      do throws(ProtobufError) {
        let message: any ProtobufMessage = try example.type.init(serialized: start)
        #expect(message.serialized().count <= count)
      } catch {
        #expect(error.code == .truncated && error.offset <= count)
      }
    }
  }

  @Test(arguments: examples) fileprivate func `unknown fields are dropped`(example: Example) throws {
    let unknown: [UInt8] = [0xA0, 0x06, 0x01, 0xA2, 0x06, 0x01, 0xFF, 0xA3, 0x06, 0x08, 0x01, 0xA4, 0x06]
    let message: any ProtobufMessage = try example.type.init(serialized: unknown + example.bytes + unknown)
    #expect(message.serialized() == example.bytes)
  }

  @Test(arguments: examples) fileprivate func `changed bytes never crash`(example: Example) {
    guard !example.bytes.isEmpty else { return }
    for _ in 0..<2000 {
      var bytes = example.bytes
      for _ in 0...Int.random(in: 0...3) { bytes[bytes.indices.randomElement()!] = .random(in: 0...255) }
      guard let message: any ProtobufMessage = try? example.type.init(serialized: bytes) else { continue }
      let again = message.serialized()
      let second: (any ProtobufMessage)? = try? example.type.init(serialized: again)
      #expect(second?.serialized() == again, "\(Hex.text(bytes))")
    }
  }
}
