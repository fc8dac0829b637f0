import DirectDomain
import GatewayDomain
import HTTPServer
import LedgerStore
import Money
import ProcessingDomain
import Runtime
import SagaClient
import Testing
import Values

@testable import GatewayAPI
@testable import GatewayStore
@testable import Processor

@Suite struct RouteTests {
  @Test func `a payment is taken in once under its key, and the answer comes again byte for byte`() async throws {
    try await FakeGateway.with { gateway in
      let first = try await gateway.send("POST", "/v1/payments", FakeGateway.body())
      #expect(first.status == 201 && first.header("Idempotency-Replayed") == nil)
      #expect(first.header("Location") == "/v1/payments/\(first.text("id") ?? "")")
      let again = try await gateway.send("POST", "/v1/payments", FakeGateway.body())
      #expect(again.status == 201 && again.body == first.body && again.header("Idempotency-Replayed") == "true")
      let quoted = try await gateway.send("POST", "/v1/payments", FakeGateway.body(), key: "\"k\"")
      #expect(quoted.body == first.body)
    }
  }

  @Test func `a card goes to the processor once; without room for it nothing is taken in`() async throws {
    try await FakeGateway.with { gateway in
      let body = FakeGateway.body(FakeGateway.cardMethod)
      for _ in 1...2 { #expect(try await gateway.send("POST", "/v1/payments", body).status == 201) }
      #expect(gateway.processor.state.withLock { $0.cards.count } == 1)
      gateway.processor.state.update { $0.room = 0 }
      let full = try await gateway.send("POST", "/v1/payments", body, key: "other")
      #expect(full.status == 503 && full.text("code") == "card_queue_full" && full.header("Retry-After") != nil)
      #expect(gateway.payments.state.withLock { $0.rows.count } == 1)
    }
  }

  @Test func `a card whose intake has no known outcome is kept until it has one, and submitted once`() async throws {
    try await FakeGateway.with { gateway in
      gateway.payments.state.update {
        $0.losesAnswers = true
        $0.blindLooks = 2
      }
      let body = FakeGateway.body(FakeGateway.cardMethod)
      let unknown = try await gateway.send("POST", "/v1/payments", body)
      #expect(unknown.status == 503 && unknown.text("code") == "outcome_unknown")
      let id = try #require(gateway.payments.state.withLock { $0.rows.keys.first })
      let deadline = Instant.now() + .seconds(10)
      while gateway.processor.state.withLock({ $0.cards.isEmpty }), Instant.now() < deadline {
        // The place stays taken for as long as the card is kept.
        #expect(gateway.processor.state.withLock { $0.room == 0 || !$0.cards.isEmpty })
        try await Task.sleep(for: .milliseconds(1))
      }
      #expect(gateway.processor.state.withLock { $0.cards.map(\.terms.paymentID) } == [id])
      let again = try await gateway.send("POST", "/v1/payments", body)
      #expect(again.status == 201 && again.text("id") == id.description)
      #expect(gateway.processor.state.withLock { $0.cards.count } == 1)
    }
  }

  @Test func `what is in the way of a new payment is in the way of no repetition`() async throws {
    try await FakeGateway.with { gateway in
      let card = FakeGateway.body(FakeGateway.cardMethod)
      let balance = FakeGateway.body(#"{"type":"balance","account_id":"\#(gateway.accounts.account.id)"}"#)
      let expired = FakeGateway.body(FakeGateway.cardMethod.replacing("2030", with: "2020"))
      let first = try await gateway.send("POST", "/v1/payments", card, key: "card")
      let second = try await gateway.send("POST", "/v1/payments", balance, key: "balance")
      #expect(first.status == 201 && second.status == 201)
      // As if it had been taken in before the card expired.
      gateway.payments.state.update { $0.kept[FakeGateway.key("old")] = $0.kept[FakeGateway.key("card")] }
      gateway.processor.state.update { $0.room = 0 }
      gateway.accounts.isAway.update { $0 = true }
      for (body, key, answer) in [(card, "card", first), (balance, "balance", second), (expired, "old", first)] {
        let again = try await gateway.send("POST", "/v1/payments", body, key: key)
        #expect(again.status == 201 && again.body == answer.body && again.header("Idempotency-Replayed") == "true")
        let new = try await gateway.send("POST", "/v1/payments", body, key: "new")
        #expect(new.status == (key == "old" ? 422 : 503))
      }
      #expect(gateway.payments.state.withLock { $0.rows.count } == 2)
    }
  }

  @Test func `only calls that are refused have their key looked up`() async throws {
    try await FakeGateway.with { gateway in
      let card = try await gateway.send("POST", "/v1/payments", FakeGateway.body(FakeGateway.cardMethod), key: "a")
      let account = try await gateway.send("POST", "/v1/payments", FakeGateway.body(), key: "b")
      #expect(card.status == 201 && account.status == 201)
      #expect(gateway.payments.state.withLock { $0.looks } == 0)
    }
  }

  @Test func `a call that waits is answered as soon as its payment is final`() async throws {
    try await FakeGateway.with { gateway in
      async let posted = gateway.send("POST", "/v1/payments?wait=60s", FakeGateway.body())
      let id = try #require(try await gateway.payments.await { $0.rows.keys.first })
      async let asked = gateway.send("GET", "/v1/payments/\(id)?wait=60s")
      gateway.payments.complete(id)
      // Both may not be waiting yet: their first reading then finds it.
      gateway.waiters.changed([id])
      let answers = try await (posted, asked)
      #expect(answers.0.status == 201 && answers.0.text("status") == "COMPLETED")
      #expect(answers.1.status == 200 && answers.1.body == answers.0.body)
      let missing = try await gateway.send("GET", "/v1/payments/\(UniqueID.random())?wait=60s")
      #expect(missing.status == 404 && missing.text("code") == "payment_not_found")
    }
  }

  @Test func `a row that cannot be read fails the calls that wait for it, and no others`() async throws {
    try await FakeGateway.with { gateway in
      let bad = try #require(try await gateway.send("POST", "/v1/payments", FakeGateway.body(), key: "a").text("id"))
      let good = try #require(try await gateway.send("POST", "/v1/payments", FakeGateway.body(), key: "b").text("id"))
      let badID = try #require(UniqueID(bad))
      gateway.payments.state.update { $0.unreadable = [badID] }
      gateway.payments.complete(try #require(UniqueID(good)))
      async let one = gateway.send("GET", "/v1/payments/\(bad)?wait=60s")
      async let other = gateway.send("GET", "/v1/payments/\(good)?wait=60s")
      let answers = try await (one, other)
      #expect(answers.0.status == 500 && answers.1.status == 200)
    }
  }

  @Test func `cancelling takes no body, or an empty object`() async throws {
    try await FakeGateway.with { gateway in
      let id = try #require(try await gateway.send("POST", "/v1/payments", FakeGateway.body()).text("id"))
      gateway.processor.state.update { $0.answer = .refused(.alreadyFinal) }
      for body in [nil, "{}", " { } "] {
        let answer = try await gateway.send("POST", "/v1/payments/\(id)/cancel", body, key: nil)
        #expect(answer.status == 409 && answer.text("code") == "already_final")
      }
      let other = try await gateway.send("POST", "/v1/payments/\(id)/cancel", #"{"reason":"x"}"#, key: nil)
      #expect(other.status == 422 && other.text("code") == "unknown_field")
    }
  }

  @Test func `a call whose time is up is answered with the payment as it is`() async throws {
    try await FakeGateway.with { gateway in
      let answer = try await gateway.send("POST", "/v1/payments?wait=50ms", FakeGateway.body())
      #expect(answer.status == 201 && answer.text("status") == "CREATED")
    }
  }

  @Test func `without a place to wait nothing is taken in`() async throws {
    try await FakeGateway.with(maxWaiters: 0) { gateway in
      let answer = try await gateway.send("POST", "/v1/payments?wait=1s", FakeGateway.body())
      #expect(answer.status == 503 && answer.text("code") == "too_many_waiters" && answer.header("Retry-After") == "1")
      #expect(gateway.payments.state.withLock { $0.rows.isEmpty })
      #expect(try await gateway.send("POST", "/v1/payments", FakeGateway.body()).status == 201)
    }
  }

  @Test func `a caller that has as many calls waiting as it may waits no more, and may call`() async throws {
    try await FakeGateway.with(maxPeerWaiters: 0) { gateway in
      for answer in [
        try await gateway.send("POST", "/v1/payments?wait=1s", FakeGateway.body()),
        try await gateway.send("GET", "/v1/payments/\(UniqueID.random())?wait=1s", key: nil),
      ] {
        #expect(answer.status == 503 && answer.text("code") == "too_many_waiters")
        #expect(answer.header("Retry-After") == "1" && answer.text("detail")?.contains("of this caller") == true)
      }
      #expect(try await gateway.send("POST", "/v1/payments", FakeGateway.body()).status == 201)
    }
  }

  @Test func `a server that stops answers those that wait with what is known`() async throws {
    try await FakeGateway.with { gateway in
      async let posted = gateway.send("POST", "/v1/payments?wait=60s", FakeGateway.body())
      // One reading may serve both, so that the second is asked after the first.
      let id = try #require(try await gateway.payments.await { $0.reads >= 1 ? $0.rows.keys.first : nil })
      async let asked = gateway.send("GET", "/v1/payments/\(id)?wait=60s")
      // Both wait once their first reading is done.
      #expect(try await gateway.payments.await { $0.reads >= 2 ? true : nil } == true)
      let began = Instant.now()
      gateway.server.stop(until: .now() + .seconds(10))
      let answers = try await (posted, asked)
      #expect(answers.0.status == 201 && answers.1.status == 200 && Instant.now() - began < .seconds(5))
    }
  }

  @Test func `a database that is away is 503; an outcome that is not known says so`() async throws {
    try await FakeGateway.with { gateway in
      for (code, name) in [
        (GatewayStoreError.Code.unavailable, "database_unavailable"), (.overloaded, "database_busy"),
        (.outcomeUnknown, "outcome_unknown"),
      ] {
        gateway.payments.state.update { $0.failure = GatewayStoreError(code, "") }
        for answer in [
          try await gateway.send("POST", "/v1/payments", FakeGateway.body()),
          try await gateway.send("GET", "/v1/payments/\(UniqueID.random())"),
          try await gateway.send("GET", "/v1/payments/\(UniqueID.random())?wait=5s"),
        ] {
          #expect(answer.status == 503 && answer.text("code") == name && answer.header("Retry-After") == "1")
        }
      }
    }
  }

  @Test func `who comes while nothing is read, after a reading that failed, is seen when that is over`() async throws {
    try await FakeGateway.with { gateway in
      gateway.payments.state.update { $0.failure = GatewayStoreError(.unavailable, "") }
      let began = Instant.now()
      for _ in 1...2 {
        let answer = try await gateway.send("GET", "/v1/payments/\(UniqueID.random())?wait=60s")
        #expect(answer.status == 503)
      }
      #expect(Instant.now() - began < .seconds(55))
    }
  }

  @Test func `refusals of the store have codes of their own`() async throws {
    try await FakeGateway.with { gateway in
      for (code, status, name) in [
        (GatewayStoreError.Code.keyReused, 422, "idempotency_key_reused"),
        (.keyInFlight, 409, "idempotency_key_in_flight"), (.orderPaymentExists, 409, "order_payment_exists"),
        (.internal, 500, "internal_error"),
      ] {
        gateway.payments.state.update { $0.failure = GatewayStoreError(code, "words") }
        let answer = try await gateway.send("POST", "/v1/payments", FakeGateway.body())
        #expect(answer.status == status && answer.text("code") == name)
      }
    }
  }

  @Test func `the saga is asked about an order before its payment is taken in, and not about a repetition`()
    async throws
  {
    try await FakeGateway.with { gateway in
      let body = FakeGateway.body(order: 5)
      gateway.saga.answer.update { $0 = .failure(SagaFailure("away")) }
      let away = try await gateway.send("POST", "/v1/payments", body)
      #expect(away.status == 503 && away.text("code") == "saga_unavailable")
      gateway.saga.answer.update { $0 = .success(SagaPayment(orderID: 5, status: .created)) }
      #expect(try await gateway.send("POST", "/v1/payments", body).status == 201)
      gateway.saga.answer.update { $0 = .success(SagaPayment(orderID: 5, status: .completed)) }
      #expect(try await gateway.send("POST", "/v1/payments", body).header("Idempotency-Replayed") == "true")
      let other = try await gateway.send("POST", "/v1/payments", body, key: "other")
      #expect(other.status == 409 && other.text("code") == "order_not_payable" && other.text("field") == "order_id")
    }
    try await FakeGateway.with(hasSaga: false) { gateway in
      let answer = try await gateway.send("POST", "/v1/payments", FakeGateway.body(order: 5))
      #expect(answer.status == 422 && answer.text("code") == "orders_not_supported")
    }
  }

  @Test func `what is said of orders`() throws {
    let amount = Money(minorUnits: 1999, try #require(Currency("EUR")))
    let now = Timestamp(microseconds: 1_000_000_000_000)
    let judge = { (payment: SagaPayment?) in OrderCheck.judge(payment, amount, now: now)?.problem.code }
    let payment = { (minor: Int64, currency: String, left: Duration?) in
      SagaPayment(
        orderID: 1, status: .created, amountMinor: minor, currency: currency, expiresAt: left.map { now + $0 })
    }
    #expect(judge(payment(1999, "EUR", .seconds(300))) == nil)
    #expect(judge(payment(0, "", nil)) == nil)
    #expect(judge(payment(1999, "EUR", .seconds(299))) == "order_not_payable")
    #expect(judge(payment(2000, "EUR", nil)) == "amount_differs")
    #expect(judge(payment(1999, "USD", nil)) == "amount_differs")
    #expect(judge(SagaPayment(orderID: 1, status: .failed)) == "order_not_payable")
    #expect(judge(nil) == "order_not_payable")
  }

  @Test func `a cancelled payment is shown as the processor left it; refusals and missing payments have codes`()
    async throws
  {
    try await FakeGateway.with { gateway in
      let made = try await gateway.send("POST", "/v1/payments", FakeGateway.body())
      let id = try #require(made.text("id").flatMap { UniqueID($0) })
      let path = "/v1/payments/\(id)/cancel"
      let ended = ProcessedPayment(
        unclaimed: id, method: .account, amount: Money(minorUnits: 1999, Currency("EUR")!), debit: id, credit: id,
        ends: .cancelled, at: .now())
      gateway.processor.state.update { $0.answer = .done(ended) }
      let done = try await gateway.send("POST", path)
      #expect(done.status == 200 && done.text("status") == "REJECTED" && done.text("reason") == "cancelled")
      gateway.processor.state.update { $0.answer = .refused(.bankAlreadyAsked) }
      let late = try await gateway.send("POST", path)
      #expect(late.status == 409 && late.text("code") == "bank_already_asked")
      gateway.processor.state.update { $0.answer = .unavailable(mayHaveHappened: true) }
      #expect(try await gateway.send("POST", path).text("code") == "outcome_unknown")
      #expect(try await gateway.send("POST", "/v1/payments/\(UniqueID.random())/cancel").status == 404)
      let review = "/v1/payments/\(id)/review"
      gateway.processor.state.update { $0.answer = .refused(.notInReview) }
      #expect(try await gateway.send("POST", review, #"{"decision":"approve"}"#).text("code") == "not_in_review")
      #expect(try await gateway.send("POST", review, #"{"decision":"no"}"#).status == 422)
      #expect(try await gateway.send("POST", review, "{}").text("code") == "missing_field")
    }
  }

  @Test func `a list goes on by its cursor, and a history has every state`() async throws {
    try await FakeGateway.with { gateway in
      for key in ["a", "b", "c"] { _ = try await gateway.send("POST", "/v1/payments", FakeGateway.body(), key: key) }
      let page = try await gateway.send("GET", "/v1/payments?limit=2")
      #expect(page.status == 200 && page.body.contains(#""has_more":true,"next":""#))
      let all = try await gateway.send("GET", "/v1/payments")
      #expect(all.body.hasSuffix(#""has_more":false,"next":null}"#))
      let id = try #require(all.text("id"))
      let history = try await gateway.send("GET", "/v1/payments/\(id)/history")
      #expect(history.body.hasPrefix(#"{"data":[{"version":1,"status":"CREATED","reason":null,"at":""#))
    }
  }

  /// What the bank and the saga said in words is for operators.
  @Test func `a history has attempts, refunds, exceptions and who has reviewed`() async throws {
    try await FakeGateway.with { gateway in
      let made = try await gateway.send("POST", "/v1/payments", FakeGateway.body())
      let path = "/v1/payments/\(try #require(made.text("id")))/history"
      let history = try await gateway.send("GET", path)
      let (moment, refund) = (Timestamp(microseconds: 0).description, UniqueID(high: 5, low: 5).description)
      #expect(
        history.body.hasSuffix(
          #"],"reviewed_by":"anna","attempts":[{"call":"charge","refund_id":null,"asked_at":"\#(moment)","answered_at":"\#(moment)","answer":"approved"},{"call":"refund","refund_id":"\#(refund)","asked_at":"\#(moment)","answered_at":null,"answer":null}],"refunds":[{"id":"\#(refund)","status":"UNKNOWN","reason":null,"amount":5,"currency":"EUR","cause":"caller","requested_by":"shop","created_at":"\#(moment)","updated_at":"\#(moment)"}],"exceptions":[{"kind":"order_dead","refund_id":null,"opened_at":"\#(moment)","closed_at":"\#(moment)","closed_by":"bert","note":"paid twice"}],"webhooks":[]}"#
        ), "\(history.body)")
      #expect(try await gateway.send("GET", "/v1/payments/\(UniqueID.random())/history").status == 404)
      gateway.accounts.isAway.update { $0 = true }
      #expect(try await gateway.send("GET", path).status == 503)
    }
  }

  @Test func `a page of large payments ends early, and its cursor goes on behind the last one`() async throws {
    try await FakeGateway.with { gateway in
      let metadata = (1...50).map { "\"n\($0)\":\"\(String(repeating: "v", count: 500))\"" }.joined(separator: ",")
      let body = FakeGateway.body().dropLast() + ",\"metadata\":{\(metadata)}}"
      for key in 1...10 {
        let made = try await gateway.send("POST", "/v1/payments", String(body), key: "\(key)")
        #expect(made.status == 201)
      }
      let page = try await gateway.send("GET", "/v1/payments?limit=10")
      #expect(page.status == 200 && page.body.utf8.count < 200_000)
      let shown = page.body.split(separator: "\"status\":").count - 1
      #expect((1..<10).contains(shown))
      let rows = gateway.payments.state.withLock { $0.rows.keys.sorted { $1 < $0 } }
      #expect(page.body.hasSuffix(#""has_more":true,"next":"\#(PaymentCursor(rows[shown - 1]).text)"}"#))
    }
  }

  @Test func `a movement has one effect under its key, whose id the ledger keeps`() async throws {
    try await FakeGateway.with { gateway in
      let path = "/v1/accounts/\(gateway.accounts.account.id)"
      let body = #"{"amount":50,"currency":"EUR"}"#
      let first = try await gateway.send("POST", "\(path)/topups", body)
      #expect(first.status == 201 && first.text("type") == "topup")
      let again = try await gateway.send("POST", "\(path)/topups", body)
      #expect(again.body == first.body && again.header("Idempotency-Replayed") == "true")
      let other = try await gateway.send("POST", "\(path)/topups", #"{"amount":51,"currency":"EUR"}"#)
      #expect(other.status == 422 && other.text("code") == "idempotency_key_reused")
      // The same key for another route is another key.
      #expect(try await gateway.send("POST", "\(path)/spends", body).status == 201)
      let poor = try await gateway.send("POST", "\(path)/spends", #"{"amount":500,"currency":"EUR"}"#, key: "x")
      #expect(poor.status == 409 && poor.text("code") == "insufficient_funds")
      #expect(gateway.accounts.moved.withLock { $0.count } == 2)
      // It must not change: a repeated call would be carried out again.
      let key = RequestKey(apiKeyID: nil, route: "POST /v1/accounts/{id}/topups", text: "k")
      #expect(AccountRoutes.id(of: key).description == "8a852e83-a2f8-8ed4-b5cd-244a9d785b09")
    }
  }

  @Test func `a balance is asked for as it was at a moment`() async throws {
    try await FakeGateway.with { gateway in
      let path = "/v1/accounts/\(gateway.accounts.account.id)"
      let now = try await gateway.send("GET", path)
      #expect(now.status == 200 && now.body.contains(#""posted":100"#) && !now.body.contains(#""at""#))
      let then = try await gateway.send("GET", "\(path)?at=2026-03-01T00:00:00Z")
      #expect(then.status == 200 && then.body.contains(#""posted":7"#))
      #expect(then.body.contains(#""at":"2026-03-01T00:00:00.000000Z""#))
      for query in [
        "at=yesterday", "at=", "when=2026-03-01T00:00:00Z", "at=2026-03-01T00:00:00Z&at=2026-03-01T00:00:00Z",
      ] {
        #expect(try await gateway.send("GET", "\(path)?\(query)").status == 400, "\(query)")
      }
    }
  }

  @Test func `a balance is of the user and of the currency`() async throws {
    try await FakeGateway.with { gateway in
      let method = { (id: UniqueID) in #"{"type":"balance","account_id":"\#(id)"}"# }
      let own = FakeGateway.body(method(gateway.accounts.account.id))
      #expect(try await gateway.send("POST", "/v1/payments", own).status == 201)
      let unknown = try await gateway.send(
        "POST", "/v1/payments", FakeGateway.body(method(UniqueID.random())), key: "x")
      #expect(unknown.status == 422 && unknown.text("field") == "method.account_id")
    }
  }
}
