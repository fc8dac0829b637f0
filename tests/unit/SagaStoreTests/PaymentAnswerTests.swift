import SagaDomain
import Testing
import Values

@testable import SagaStore

@Suite struct PaymentAnswerTests {
  private func payment(
    reason: String = "", currency: String = "", key: UniqueID? = nil, created: Int64 = 1_000_000, expires: Int64? = nil
  ) -> Payment {
    Payment(
      id: 7, orderID: 111, status: .failed, reason: reason, version: 2, amountMinor: 1_299, currency: currency,
      idempotentKey: key, createdAt: Timestamp(microseconds: created), updatedAt: Timestamp(microseconds: 2_000_001),
      expiresAt: expires.map(Timestamp.init(microseconds:)))
  }

  @Test func peopleCanReadIt() {
    let id = UniqueID("d978c560-fdba-4e84-b3f1-b570d8d95e4c")
    #expect(
      String(decoding: PaymentAnswer.write(payment(reason: "no \"cover\"", currency: "EUR", key: id)), as: UTF8.self)
        == #"{"payment_id":7,"order_id":111,"status":"FAILED","reason":"no \"cover\"","version":2,"amount_minor":1299,"#
        + #""currency":"EUR","idempotent_key":"d978c560-fdba-4e84-b3f1-b570d8d95e4c","#
        + #""created_at":"1970-01-01T00:00:01.000000Z","updated_at":"1970-01-01T00:00:02.000001Z","expires_at":null}"#)
  }

  @Test func whatIsWrittenReadsBack() throws {
    for payment in [
      payment(), payment(reason: "\u{1}\"\\\n🙂\u{202e}", currency: "EUR", key: .random(), expires: 0),
      payment(reason: String(repeating: "\u{1}", count: 500), created: .min, expires: .max),
    ] {
      #expect(try PaymentAnswer.read(PaymentAnswer.write(payment)) == payment)
    }
  }

  @Test func anUnknownFieldIsPassedOver() throws {
    let text = PaymentAnswer.write(payment()).dropLast() + ",\"later\":{\"a\":[1]}}".utf8
    #expect(try PaymentAnswer.read(Array(text)) == payment())
  }

  @Test(arguments: [
    ("null", "an object"), ("{}", "missing"), (#""status":"FAILED""#, "REFUNDED"), (#""version":2"#, "version is 0"),
    (#""amount_minor":1299"#, "integer"), (#""created_at":"1970-01-01T00:00:01.000000Z""#, "created_at"),
    (#""idempotent_key":null"#, "UUID"),
  ])
  func anythingElseIsRefusedWithItsReason(part: String, reason: String) {
    let replacements = [
      #""status":"FAILED""#: #""status":"REFUNDED""#, #""version":2"#: #""version":0"#,
      #""amount_minor":1299"#: #""amount_minor":12.99"#,
      #""created_at":"1970-01-01T00:00:01.000000Z""#: #""created_at":"1970-02-30T00:00:01.000000Z""#,
      #""idempotent_key":null"#: #""idempotent_key":"x""#,
    ]
    let whole = String(decoding: PaymentAnswer.write(payment()), as: UTF8.self)
    let text = replacements[part].map {
      whole.split(separator: part, omittingEmptySubsequences: false).joined(separator: $0)
    }
    let error = #expect(throws: PaymentError.self) { try PaymentAnswer.read(Array((text ?? part).utf8)) }
    #expect(error?.code == .internal && error?.message.contains(reason) == true, "\(error?.message ?? "")")
  }
}
