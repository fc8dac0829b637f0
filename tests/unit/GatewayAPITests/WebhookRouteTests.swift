import DirectDomain
import GatewayDomain
import Runtime
import Testing
import Values

@testable import GatewayAPI
@testable import GatewayStore

@Suite("Webhooks over HTTP") struct WebhookRouteTests {
  private static let body = #"{"url":"https://shop.example/hook","events":["payment.*"],"description":"shop"}"#
  private static let path = "/v1/webhook_endpoints"

  @Test func `an endpoint is made, shown without its secret, changed and deleted`() async throws {
    try await FakeGateway.with { gateway in
      let made = try await gateway.send("POST", Self.path, Self.body)
      let id = try #require(made.text("id"))
      #expect(made.status == 201 && made.header("Location") == "\(Self.path)/\(id)")
      let secret = try #require(made.text("secret"))
      #expect(secret.hasPrefix("whsec_") && secret.utf8.count == 50)
      let again = try await gateway.send("POST", Self.path, Self.body)
      #expect(again.header("Idempotency-Replayed") == "true" && again.body == made.body)
      let reused = try await gateway.send("POST", Self.path, #"{"url":"https://other.example/"}"#)
      #expect(reused.status == 422 && reused.text("code") == "idempotency_key_reused")
      let shown =
        #"{"id":"\#(id)","url":"https://shop.example/hook","events":["payment.*"],"description":"shop","#
        + #""enabled":true,"disabled_reason":null,"disabled_at":null,"failing_since":null,"#
        + #""created_at":"1970-01-01T00:00:00.000000Z"}"#
      #expect(try await gateway.send("GET", "\(Self.path)/\(id)").body == shown)
      #expect(try await gateway.send("GET", Self.path).body == #"{"data":[\#(shown)]}"#)
      let changed = try await gateway.send("PATCH", "\(Self.path)/\(id)", #"{"enabled":false}"#)
      #expect(changed.status == 200 && changed.body.contains(#""enabled":false,"disabled_reason":"asked""#))
      let rotated = try await gateway.send("POST", "\(Self.path)/\(id)/rotate", #"{"grace_seconds":60}"#)
      #expect(rotated.status == 200 && rotated.text("secret") != secret)
      #expect(rotated.text("previous_secret_until") == "1970-01-01T00:01:00.000000Z")
      let retried = try await gateway.send("POST", "\(Self.path)/\(id)/rotate", #"{"grace_seconds":60}"#)
      #expect(retried.status == 200 && retried.body == rotated.body)
      let another = try await gateway.send("POST", "\(Self.path)/\(id)/rotate", key: "another")
      #expect(another.status == 200 && another.text("secret") != rotated.text("secret"))
      #expect(try await gateway.send("DELETE", "\(Self.path)/\(id)").status == 204)
      for (method, path, body) in [
        ("GET", "", nil), ("PATCH", "", "{}"), ("DELETE", "", nil), ("POST", "/rotate", nil),
        ("GET", "/deliveries", nil),
        ("POST", "/redeliver", nil),
      ] {
        let missing = try await gateway.send(method, "\(Self.path)/\(id)\(path)", body)
        #expect(missing.status == 404 && missing.text("code") == "webhook_endpoint_not_found", "\(method) \(path)")
      }
    }
  }

  @Test func `what is no endpoint is refused`() async throws {
    try await FakeGateway.with { gateway in
      let clear = try await gateway.send("POST", Self.path, #"{"url":"http://shop.example/"}"#)
      #expect(clear.status == 422 && clear.text("field") == "url")
      for number in 1...3 {
        #expect(try await gateway.send("POST", Self.path, Self.body, key: "k-\(number)").status == 201)
      }
      let more = try await gateway.send("POST", Self.path, Self.body, key: "k-4")
      #expect(more.status == 409 && more.text("code") == "too_many_webhook_endpoints")
    }
    try await FakeGateway.with(hasWebhooks: false) { gateway in
      let refused = try await gateway.send("POST", Self.path, Self.body)
      #expect(refused.status == 422 && refused.text("code") == "webhooks_not_supported")
    }
  }

  @Test func `deliveries are listed by pages, looked at, and sent again`() async throws {
    try await FakeGateway.with { gateway in
      let made = try await gateway.send("POST", Self.path, Self.body)
      let id = try #require(made.text("id"))
      let endpoint = try #require(UniqueID(id))
      let payment = UniqueID.random()
      gateway.webhooks.state.update { state in
        state.deliveries = (1...3).map { number in
          WebhookDelivery(
            id: UniqueID(high: 1, low: UInt64(number)), endpointID: endpoint,
            event: WebhookEvent(
              paymentID: payment, refundID: nil,
              standing: PaymentStanding(
                state: .completed, reason: nil, version: 3, since: FakeWebhooks.moment)),
            createdAt: FakeWebhooks.moment, attempts: 1,
            outcome: number == 1 ? .failed(.exhausted, at: FakeWebhooks.moment) : .delivered(at: FakeWebhooks.moment))
        }
        state.attempts = [
          WebhookAttempt(
            number: 1, at: FakeWebhooks.moment, endedAt: FakeWebhooks.moment, status: 500, error: nil,
            answer: [0x6E, 0x6F, 0xFF])
        ]
      }
      let page = try await gateway.send("GET", "\(Self.path)/\(id)/deliveries?limit=2")
      #expect(page.body.contains("\"has_more\":true"))
      let next = try #require(page.text("next"))
      let rest = try await gateway.send("GET", "\(Self.path)/\(id)/deliveries?limit=2&after=\(next)")
      #expect(rest.body.contains("\"has_more\":false") && rest.body.contains(#""failure":"attempts_exhausted""#))
      let failed = try await gateway.send("GET", "\(Self.path)/\(id)/deliveries?status=failed")
      #expect(failed.body.split(separator: "\"type\"").count == 2)
      let wrong = try await gateway.send("GET", "\(Self.path)/\(id)/deliveries?status=lost")
      #expect(wrong.status == 400 && wrong.text("code") == "invalid_parameter")
      let delivery = UniqueID(high: 1, low: 1)
      let one = try await gateway.send("GET", "/v1/webhook_deliveries/\(delivery)")
      #expect(one.body.contains(#""type":"payment.completed","payment_id":"\#(payment)","refund_id":null"#))
      // An answer need not be text.
      #expect(one.body.contains(#""status":500,"error":null,"answer":"no\#u{FFFD}""#))
      let again = try await gateway.send("POST", "/v1/webhook_deliveries/\(delivery)/redeliver")
      // The scope pay is enough here, which does not let in to what receivers have answered.
      #expect(again.status == 202 && again.text("id") == "\(delivery)" && !again.body.contains("attempt_list"))
      let all = try await gateway.send("POST", "\(Self.path)/\(id)/redeliver", "{}")
      #expect(all.status == 202 && all.body == #"{"redelivered":3,"has_more":false}"#)
      _ = try await gateway.send("PATCH", "\(Self.path)/\(id)", #"{"enabled":false}"#)
      for path in ["/v1/webhook_deliveries/\(delivery)/redeliver", "\(Self.path)/\(id)/redeliver"] {
        let refused = try await gateway.send("POST", path)
        #expect(refused.status == 409 && refused.text("code") == "webhook_endpoint_disabled")
      }
      let missing = try await gateway.send("GET", "/v1/webhook_deliveries/\(UniqueID.random())")
      #expect(missing.status == 404 && missing.text("code") == "webhook_delivery_not_found")
    }
  }
}
