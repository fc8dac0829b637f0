import GatewayDomain
import Runtime
import Testing
import Values

@testable import GatewayAPI
@testable import GatewayStore

@Suite("Users and payment methods") struct CustomerRouteTests {
  @Test func `a user is told of once, and found again`() async throws {
    try await FakeGateway.with { gateway in
      let body = #"{"id":"\#(FakeGateway.user)","name":"Ann","external_id":"a-1"}"#
      let made = try await gateway.send("POST", "/v1/users", body, key: nil)
      #expect(made.status == 201 && made.header("Location") == "/v1/users/\(FakeGateway.user)")
      #expect(
        made.body
          == #"{"id":"\#(FakeGateway.user)","name":"Ann","external_id":"a-1","created_at":"1970-01-01T00:00:00.000000Z"}"#
      )
      let again = try await gateway.send("POST", "/v1/users", body, key: nil)
      #expect(again.status == 201 && again.body == made.body && again.header("Idempotency-Replayed") == "true")
      let other = try await gateway.send("POST", "/v1/users", #"{"id":"\#(FakeGateway.user)"}"#, key: nil)
      #expect(other.status == 409 && other.text("code") == "user_exists")
      #expect(try await gateway.send("GET", "/v1/users/\(FakeGateway.user)").body == made.body)
      #expect(try await gateway.send("GET", "/v1/users/\(UniqueID.random())").text("code") == "user_not_found")
      #expect(try await gateway.send("GET", "/v1/users?external_id=a-1").body.contains(made.body))
      #expect(try await !gateway.send("GET", "/v1/users?external_id=a-2").body.contains(made.body))
      let both = try await gateway.send("POST", "/v1/users", body)
      #expect(both.status == 422 && both.text("field") == "id")
      // Without an id the idempotency key names the user.
      let named = try await gateway.send("POST", "/v1/users", #"{"name":"Bob"}"#)
      #expect(try await gateway.send("POST", "/v1/users", #"{"name":"Bob"}"#).body == named.body)
      let reused = try await gateway.send("POST", "/v1/users", #"{"name":"Eve"}"#)
      #expect(reused.status == 422 && reused.text("code") == "idempotency_key_reused")
      for _ in 1...2 { #expect(try await gateway.send("POST", "/v1/users", "{}", key: nil).status == 201) }
      #expect(gateway.customers.state.withLock { $0.users.count } == 4)
      let page = try await gateway.send("GET", "/v1/users?limit=3")
      let rest = try await gateway.send("GET", "/v1/users?limit=3&after=\(page.text("next") ?? "")")
      #expect(page.body.contains("\"has_more\":true") && rest.body.contains("\"has_more\":false"))
      #expect(rest.body.split(separator: "created_at").count == 2)
    }
  }

  @Test func `a payment method pays for its user, also again after it was deleted`() async throws {
    try await FakeGateway.with { gateway in
      let body = #"{"user_id":"\#(FakeGateway.user)","type":"token","token":"tok_12345678"}"#
      let made = try await gateway.send("POST", "/v1/payment_methods", body)
      #expect(made.status == 201 && made.text("token") == "****5678" && made.text("type") == "token")
      #expect(try await gateway.send("POST", "/v1/payment_methods", body).header("Idempotency-Replayed") == "true")
      let id = try #require(made.text("id"))
      for path in ["/\(id)", "?user_id=\(FakeGateway.user)"] {
        let found = try await gateway.send("GET", "/v1/payment_methods\(path)")
        #expect(found.body.contains(made.body) && !found.body.contains("tok_"))
      }
      let payment = FakeGateway.body(#"{"type":"saved","payment_method_id":"\#(id)"}"#)
      let paid = try await gateway.send("POST", "/v1/payments", payment)
      #expect(paid.status == 201 && paid.body.contains(#""method":{"type":"token","token":"****5678"}"#))
      #expect(try await gateway.send("DELETE", "/v1/payment_methods/\(id)").status == 204)
      let gone = try await gateway.send("DELETE", "/v1/payment_methods/\(id)")
      #expect(gone.status == 404 && gone.text("code") == "payment_method_not_found")
      let again = try await gateway.send("POST", "/v1/payments", payment)
      #expect(again.status == 201 && again.body == paid.body)
      let other = try await gateway.send("POST", "/v1/payments", payment, key: "other")
      #expect(other.status == 422 && other.text("code") == "unknown_payment_method")
      #expect(other.text("field") == "method.payment_method_id")
    }
  }

  @Test func `somebody else's payment method is as unknown as none`() async throws {
    try await FakeGateway.with { gateway in
      let body = #"{"user_id":"\#(UniqueID.random())","type":"account","number":"12345678"}"#
      let made = try await gateway.send("POST", "/v1/payment_methods", body)
      let payment = FakeGateway.body(#"{"type":"saved","payment_method_id":"\#(made.text("id") ?? "")"}"#)
      #expect(try await gateway.send("POST", "/v1/payments", payment).text("code") == "unknown_payment_method")
    }
  }

  @Test(arguments: [
    (#"{"type":"account","number":"1"}"#, "missing_field", "user_id"),
    (#"{"user_id":"USER"}"#, "missing_field", "type"),
    (#"{"user_id":"USER","type":"card","number":"4242424242424242"}"#, "unknown_method", "type"),
    (#"{"user_id":"USER","type":"account","number":"4242424242424242"}"#, "card_number_in_text", "number"),
    (#"{"user_id":"USER","type":"account","token":"t"}"#, "unknown_field", "token"),
    (#"{"user_id":"USER","type":"token"}"#, "missing_field", "token"),
    (#"{"user_id":"USER","type":"token","token":""}"#, "invalid_text", "token"),
  ])
  func `what is no payment method is refused by its field`(body: String, code: String, field: String) async throws {
    try await FakeGateway.with { gateway in
      let text = body.replacing("USER", with: FakeGateway.user.description)
      let answer = try await gateway.send("POST", "/v1/payment_methods", text)
      #expect(answer.status == 422 && answer.text("code") == code && answer.text("field") == field)
      #expect(!answer.body.contains("4242"))
    }
  }
}
