import Foundation
import SagaDomain
import Testing
import Values

@Suite struct PaymentEventTests {
  @Test func thePayloadIsTheContractsJSON() throws {
    let id = try #require(UniqueID("d978c560-fdba-4e84-b3f1-b570d8d95e4c"))
    var payment = Samples.payment(order: 111, status: .failed, reason: "no \"money\"\n\u{1}ü", version: 2)
    payment.updatedAt = Timestamp(microseconds: 1_767_254_400_000_250)
    (payment.amountMinor, payment.currency) = (1_999, "EUR")
    let event = PaymentEvent(eventID: id, payment: payment)
    let object = try JSONSerialization.jsonObject(with: Data(event.payload())) as? [String: Any]
    let fields = try #require(object)
    #expect(
      Set(fields.keys) == [
        "idempotent_key", "order_id", "status", "payment_id", "version", "reason", "amount_minor", "currency",
        "occurred_at",
      ])
    #expect(fields["amount_minor"] as? Int == 1_999 && fields["currency"] as? String == "EUR")
    #expect(fields["idempotent_key"] as? String == "d978c560-fdba-4e84-b3f1-b570d8d95e4c")
    #expect(fields["order_id"] as? Int == 111)
    #expect(fields["status"] as? String == "FAILED")
    #expect(fields["payment_id"] as? Int == 1_111)
    #expect(fields["version"] as? Int == 2)
    #expect(fields["reason"] as? String == "no \"money\"\n\u{1}ü")
    #expect(fields["occurred_at"] as? String == "2026-01-01T08:00:00.000250Z")
    #expect(event.key == "111")
    #expect(event.sequence == 2)
    #expect(event.type == "paysaga.payment.failed")
  }

  @Test func `the payload's bytes are these`() throws {
    let id = try #require(UniqueID("d978c560-fdba-4e84-b3f1-b570d8d95e4c"))
    var payment = Samples.payment(order: 111, status: .failed, reason: "no \"money\"", version: 2)
    payment.updatedAt = Timestamp(microseconds: 1_767_254_400_000_250)
    (payment.amountMinor, payment.currency) = (1_999, "EUR")
    let expected =
      #"{"idempotent_key":"d978c560-fdba-4e84-b3f1-b570d8d95e4c","order_id":111,"status":"FAILED","#
      + #""payment_id":1111,"version":2,"reason":"no \"money\"","amount_minor":1999,"currency":"EUR","#
      + #""occurred_at":"2026-01-01T08:00:00.000250Z"}"#
    #expect(String(decoding: PaymentEvent(eventID: id, payment: payment).payload(), as: UTF8.self) == expected)
  }

  @Test func numbersKeepAll64Bits() {
    let event = PaymentEvent(eventID: UniqueID(high: 0, low: 0), payment: Samples.payment(order: .max - 1_000))
    let text = String(decoding: event.payload(), as: UTF8.self)
    #expect(text.contains("\"order_id\":9223372036854774807,"))
    #expect(text.contains("\"payment_id\":9223372036854775807,"))
  }
}
