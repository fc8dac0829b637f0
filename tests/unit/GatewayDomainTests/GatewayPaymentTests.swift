import DirectDomain
import Testing
import Values

@testable import GatewayDomain

@Suite("Payments as they are shown")
struct GatewayPaymentTests {
  @Test func `every field is there, in one order`() throws {
    let request = try Body(["order_id": "7", "metadata": #"{"b":"2","a":"1"}"#, "description": #""ö""#]).read()
    let payment = GatewayPayment(
      request, apiKeyID: UniqueID(high: 0, low: 7), at: Timestamp("2026-11-26T12:00:00.123456Z")!)
    #expect(payment.createdAt == Timestamp("2026-11-26T12:00:00.123000Z"))
    #expect(
      String(decoding: payment.json(), as: UTF8.self)
        == #"{"id":"\#(payment.id)","status":"CREATED","reason":null,"version":1,"#
        + #""user_id":"11111111-1111-4111-8111-111111111111","payee_id":"22222222-2222-4222-8222-222222222222","#
        + #""method":{"type":"account","number":"****4312"},"amount":1999,"currency":"EUR","order_id":7,"#
        + #""external_id":null,"description":"ö","metadata":{"a":"1","b":"2"},"#
        + #""api_key_id":"00000000-0000-0000-0000-000000000007","bank_token":null,"#
        + #""created_at":"2026-11-26T12:00:00.123000Z","updated_at":"2026-11-26T12:00:00.123000Z"}"#)
  }

  @Test(arguments: [
    (#"{"type":"account","number":"1234567"}"#, #"{"type":"account","number":"****"}"#),
    (#"{"type":"account","number":"12345678"}"#, #"{"type":"account","number":"****5678"}"#),
    (#"{"type":"token","token":"tok_abcdefgh"}"#, #"{"type":"token","token":"****efgh"}"#),
    (
      #"{"type":"balance","account_id":"33333333-3333-4333-8333-333333333333"}"#,
      #"{"type":"balance","account_id":"33333333-3333-4333-8333-333333333333"}"#
    ),
    (
      #"{"type":"card","card":{"number":"4242424242424242","exp_month":1,"exp_year":2030,"cvv":"123"}}"#,
      #"{"type":"card","brand":"visa","last4":"4242"}"#
    ),
  ])
  func `a source shows little`(method: String, shown: String) throws {
    let payment = GatewayPayment(try Body(["method": method]).read(), apiKeyID: nil, at: noon)
    #expect(String(decoding: payment.json(), as: UTF8.self).contains("\"method\":\(shown),"))
  }

  @Test func `it was not changed before it was there`() throws {
    var payment = GatewayPayment(try Body().read(), apiKeyID: nil, at: noon)
    payment.standing = PaymentStanding(
      state: .rejected, reason: .bankDeclined, version: 3, since: noon + .seconds(-5))
    let text = String(decoding: payment.json(), as: UTF8.self)
    #expect(text.contains(#""status":"REJECTED","reason":"bank_declined","version":3"#))
    #expect(text.contains(#""updated_at":"2026-11-26T12:00:00.000000Z""#))
  }
}

@Suite("Results and payments")
struct PaymentStandingTests {
  private func result(_ version: Int64, _ state: PaymentState) -> PaymentResult {
    PaymentResult(
      paymentID: UniqueID(high: 1, low: 1), version: version, state: state, reason: nil, occurredAt: noon)
  }

  @Test func `a higher version replaces, and a final state stays`() {
    var standing = PaymentStanding(createdAt: noon)
    #expect(standing.apply(result(3, .unknown)) == .applied)
    #expect(standing.apply(result(2, .processing)) == .late)
    #expect(standing.apply(result(3, .unknown)) == .late)
    #expect(standing.state == .unknown)
    #expect(standing.apply(result(4, .completed)) == .applied)
    #expect(standing.apply(result(4, .rejected)) == .late)
    #expect(standing.apply(result(5, .rejected)) == .contradicted)
    #expect(standing.state == .completed && standing.version == 4)
  }
}
