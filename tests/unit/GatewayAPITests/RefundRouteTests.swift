import DirectDomain
import GatewayDomain
import ProcessingDomain
import Runtime
import Testing
import Values

@testable import GatewayAPI
@testable import Processor

@Suite struct RefundRouteTests {
  private func pay(_ gateway: FakeGateway) async throws -> String {
    try #require(try await gateway.send("POST", "/v1/payments", FakeGateway.body(), key: "pay").text("id"))
  }

  @Test func `a refund is opened once under its key, and the answer comes again byte for byte`() async throws {
    try await FakeGateway.with { gateway in
      let path = "/v1/payments/\(try await pay(gateway))/refunds"
      let body = #"{"amount":500,"reason":"one book was torn"}"#
      let first = try await gateway.send("POST", path, body)
      #expect(first.status == 201 && first.header("Idempotency-Replayed") == nil)
      #expect(first.text("status") == "PROCESSING" && first.text("reason") == "one book was torn")
      #expect(first.body.contains(#""amount":500,"currency":"EUR","cause":"caller""#))
      try gateway.refunds.complete(#require(first.text("id").flatMap { UniqueID($0) }))
      let again = try await gateway.send("POST", path, body)
      #expect(again.status == 201 && again.body == first.body && again.header("Idempotency-Replayed") == "true")
      let waited = try await gateway.send("POST", "\(path)?wait=1s", body)
      #expect(waited.text("status") == "COMPLETED" && waited.header("Idempotency-Replayed") == "true")
      let other = try await gateway.send("POST", path, #"{"amount":500}"#)
      #expect(other.status == 422 && other.text("code") == "idempotency_key_reused")
      let list = try await gateway.send("GET", path)
      #expect(list.status == 200 && list.text("status") == "COMPLETED")
    }
  }

  @Test func `a call waits for the end of its refund`() async throws {
    try await FakeGateway.with { gateway in
      let path = "/v1/payments/\(try await pay(gateway))/refunds?wait=60s"
      async let answer = gateway.send("POST", path, "{}")
      let deadline = Instant.now() + .seconds(55)
      while gateway.refunds.state.withLock({ $0.rows.isEmpty }), Instant.now() < deadline {
        try await Task.sleep(for: .milliseconds(1))
      }
      let id = try #require(gateway.refunds.state.withLock { $0.rows.keys.first })
      gateway.refunds.complete(id)
      gateway.refundWaiters.changed([id])
      #expect(try await answer.text("status") == "COMPLETED")
    }
  }

  @Test func `webhooks tell a refund that is nowhere from one that cannot be read`() async throws {
    try await FakeGateway.with { gateway in
      let path = "/v1/payments/\(try await pay(gateway))/refunds"
      let opened = try await gateway.send("POST", path, #"{"amount":500}"#)
      let id = try #require(opened.text("id").flatMap { UniqueID($0) })
      let row = try #require(gateway.refunds.state.withLock { $0.rows[id] })
      let bad = UniqueID.random()
      let standing = PaymentStanding(state: .completed, reason: nil, version: 3, since: Timestamp(microseconds: 0))
      let shown = await RefundsOfEvents.show([(id, standing), (.random(), standing), (bad, standing)]) { _ in
        .success([id: .success(row), bad: .failure(.faulty("currency is ZZZ"))])
      }
      guard let shown, case .json(let json) = shown[0], case .unreadable = shown[2] else {
        Issue.record("\(String(describing: shown))")
        return
      }
      #expect(String(decoding: json, as: UTF8.self).contains(#""status":"COMPLETED""#) && shown[1] == .missing)
      let away = await RefundsOfEvents.show([(id, standing)]) { _ in .failure(.unavailable) }
      #expect(away == nil)
    }
  }

  @Test func `each refusal has its status and code`() async throws {
    try await FakeGateway.with { gateway in
      let path = "/v1/payments/\(try await pay(gateway))/refunds"
      func refused(_ answer: RefundAnswer) async throws -> String {
        gateway.refunds.state.update { $0.answer = answer }
        let answer = try await gateway.send("POST", path, "{}")
        return "\(answer.status) \(answer.text("code") ?? "")"
      }
      #expect(try await refused(.refused(.notRefundable)) == "409 not_refundable")
      #expect(try await refused(.refused(.exceedsPayment)) == "409 refund_exceeds_payment")
      #expect(try await refused(.refused(.insufficientFunds)) == "409 insufficient_funds")
      #expect(try await refused(.refused(.tooMany)) == "409 too_many_refunds")
      #expect(try await refused(.refused(.ledgerRefused)) == "500 internal_error")
      #expect(try await refused(.missing) == "409 not_refundable")
      #expect(try await refused(.differs) == "422 idempotency_key_reused")
      #expect(try await refused(.faulty("a row")) == "500 internal_error")
      #expect(try await refused(.unavailable(mayHaveHappened: false)) == "503 database_unavailable")
      #expect(try await refused(.unavailable(mayHaveHappened: true)) == "503 outcome_unknown")
      let nowhere = "/v1/payments/\(UniqueID(high: 1, low: 1))/refunds"
      gateway.refunds.state.update { $0.answer = .missing }
      #expect(try await gateway.send("POST", nowhere, "{}").text("code") == "payment_not_found")
      #expect(try await gateway.send("GET", nowhere).text("code") == "payment_not_found")
    }
  }

  @Test(arguments: [
    ("{\"amount\":0}", "422 amount_not_positive"), ("{\"amount\":-5}", "422 amount_not_positive"),
    ("{\"amount\":1.5}", "422 invalid_amount"), ("{\"amount\":1000000000000001}", "422 amount_too_large"),
    ("{\"currency\":\"EUR\"}", "422 unknown_field"), ("", "400 invalid_json"),
    ("{\"reason\":\"4242424242424242\"}", "422 card_number_in_text"),
  ])
  func `a wish is read strictly`(body: String, refusal: String) async throws {
    try await FakeGateway.with { gateway in
      let path = "/v1/payments/\(try await pay(gateway))/refunds"
      let answer = try await gateway.send("POST", path, body)
      #expect("\(answer.status) \(answer.text("code") ?? "")" == refusal)
      #expect(try await gateway.send("POST", path, "{}", key: nil).text("code") == "idempotency_key_required")
      #expect(gateway.refunds.state.withLock { $0.rows.isEmpty })
    }
  }
}
