import GatewayDomain
import HTTPServer
import ProcessingDomain
import Runtime
import Testing
import Values

@testable import GatewayAPI
@testable import GatewayStore
@testable import Processor

@Suite("Who may call") struct APIAccessTests {
  private static let id = "00000000-0000-0003-0000-000000000003"

  /// Every route with the scopes that it needs.
  private static let routes: [(method: String, path: String, scopes: Set<APIKeyScope>)] = [
    ("POST", "/v1/payments", [.pay]), ("GET", "/v1/payments", [.read]), ("GET", "/v1/payments/\(id)", [.read]),
    ("GET", "/v1/payments/\(id)/history", [.read]), ("GET", "/v1/payments/\(id)/events", [.read]),
    ("GET", "/v1/users/\(id)/events?last_event_id=x", [.read]), ("POST", "/v1/payments/\(id)/cancel", [.pay]),
    ("POST", "/v1/payments/\(id)/review", [.review]), ("POST", "/v1/accounts", [.ledger]),
    ("POST", "/v1/payments/\(id)/refunds", [.refund]), ("GET", "/v1/payments/\(id)/refunds", [.read]),
    ("GET", "/v1/accounts?user_id=\(id)", [.read]), ("GET", "/v1/accounts/\(id)", [.read]),
    ("GET", "/v1/accounts/\(id)/entries", [.read]), ("POST", "/v1/accounts/\(id)/topups", [.ledger]),
    ("POST", "/v1/accounts/\(id)/spends", [.ledger]), ("POST", "/v1/users", [.pay]), ("GET", "/v1/users", [.read]),
    ("GET", "/v1/users/\(id)", [.read]), ("POST", "/v1/payment_methods", [.pay]),
    ("GET", "/v1/payment_methods?user_id=\(id)", [.read]), ("GET", "/v1/payment_methods/\(id)", [.read]),
    ("DELETE", "/v1/payment_methods/\(id)", [.pay]), ("POST", "/v1/webhook_endpoints", [.pay, .read]),
    ("GET", "/v1/webhook_endpoints", [.read]), ("GET", "/v1/webhook_endpoints/\(id)", [.read]),
    ("PATCH", "/v1/webhook_endpoints/\(id)", [.pay, .read]), ("DELETE", "/v1/webhook_endpoints/\(id)", [.pay]),
    ("POST", "/v1/webhook_endpoints/\(id)/rotate", [.pay, .read]),
    ("GET", "/v1/webhook_endpoints/\(id)/deliveries", [.read]),
    ("POST", "/v1/webhook_endpoints/\(id)/redeliver", [.pay]), ("GET", "/v1/webhook_deliveries/\(id)", [.read]),
    ("POST", "/v1/webhook_deliveries/\(id)/redeliver", [.pay]),
  ]

  @Test func `each route lets in the keys with its scope, and nobody else`() async throws {
    let keys = FakeKeys()
    let poor = Dictionary(
      uniqueKeysWithValues: APIKeyScope.allCases.map { scope in
        (scope, keys.make(Set(APIKeyScope.allCases).subtracting([scope])).bearer)
      })
    try await FakeGateway.with(keys: keys) { gateway in
      for (method, path, scopes) in Self.routes {
        let body = ["POST", "PATCH"].contains(method) && !path.hasSuffix("cancel") ? "{}" : nil
        let call = { (authorization: [String]) in
          try await gateway.send(method, path, body, authorization: authorization)
        }
        let none = try await call([])
        #expect(none.status == 401 && none.text("code") == "api_key_required", "\(method) \(path)")
        #expect(none.header("WWW-Authenticate") == "Bearer realm=\"paysaga\"")
        for scope in scopes {
          let lacks = try await call([poor[scope]!])
          #expect(lacks.status == 403 && lacks.text("code") == "scope_missing", "\(method) \(path)")
          #expect(
            lacks.header("WWW-Authenticate")?.hasSuffix("error=\"insufficient_scope\", scope=\"\(scope.rawValue)\"")
              == true)
        }
        let known = try await call([keys.make(scopes).bearer])
        #expect(known.status != 401 && known.status != 403, "\(method) \(path)")
      }
      // A route that is not in the list above lets in whoever it likes.
      #expect(gateway.routeCount == Self.routes.count)
    }
  }

  @Test func `what is no secret of a key is refused, and shown to nobody`() async throws {
    let keys = FakeKeys()
    let (_, bearer) = keys.make([.read])
    let secret = String(bearer.dropFirst("Bearer ".count))
    try await FakeGateway.with(keys: keys) { gateway in
      let call = { try await gateway.send("GET", "/v1/payments", authorization: $0) }
      for right in [bearer, "bearer \(secret)", "BEARER  \(secret)"] { #expect(try await call([right]).status == 200) }
      for wrong in [
        [secret], ["Bearer"], ["Bearer \(secret)0"], ["Bearer \(secret.uppercased())"], ["Basic \(secret)"],
        ["Bearer \(secret) x"], [bearer, bearer], ["Bearer psk_"], [""], ["Bearer \(APIKeySecret.random().text)"],
      ] {
        let answer = try await call(wrong)
        #expect(answer.status == 401 && answer.text("code") == "api_key_invalid", "\(wrong.count)")
        #expect(answer.header("WWW-Authenticate") == "Bearer realm=\"paysaga\", error=\"invalid_token\"")
        #expect(!answer.body.contains(secret.dropFirst(8)))
      }
      keys.state.update { $0.isStale = true }
      let stale = try await call([bearer])
      #expect(stale.status == 503 && stale.text("code") == "database_unavailable")
    }
    #expect("\(APIKeySecret.random())" == "psk_…")
  }

  @Test func `a key that calls too often is told when to come back`() async throws {
    let keys = FakeKeys()
    let (limited, slow) = keys.make([.read], name: "slow", rate: 20)
    let (_, free) = keys.make([.read], name: "free")
    try await FakeGateway.with(keys: keys) { gateway in
      let call = { try await gateway.send("GET", "/v1/payments", authorization: [$0]) }
      for key in [slow, free] { #expect(try await call(key).status == 200) }
      gateway.limiter.state.update { $0.grant = RateGrant(granted: 0, remaining: 0, wait: .milliseconds(1_001)) }
      let answer = try await call(slow)
      #expect(answer.status == 429 && answer.text("code") == "rate_limited" && answer.header("Retry-After") == "2")
      #expect(answer.header("RateLimit-Policy") == "\"key\";q=20;w=1")
      #expect(answer.header("RateLimit") == "\"key\";r=0;t=2")
      #expect(try await call(free).status == 200)
      // Nobody without a key costs a question.
      _ = try await call("Bearer psk_none")
      #expect(gateway.limiter.state.withLock { $0.asked } == [limited.id, limited.id])
    }
  }

  @Test func `a key is the payment's, the idempotency key's and the reviewer's`() async throws {
    let keys = FakeKeys()
    let (shop, one) = keys.make([.pay, .review, .ledger], name: "shop")
    let (_, two) = keys.make([.pay, .ledger], name: "other")
    try await FakeGateway.with(keys: keys) { gateway in
      let send = { (path: String, body: String, key: String) in
        try await gateway.send("POST", path, body, authorization: [key])
      }
      let first = try await send("/v1/payments", FakeGateway.body(), one)
      #expect(first.status == 201 && first.text("api_key_id") == shop.id.description)
      #expect(try await send("/v1/payments", FakeGateway.body(), one).header("Idempotency-Replayed") == "true")
      #expect(try await send("/v1/payments", FakeGateway.body(), two).header("Idempotency-Replayed") == nil)
      let topup = ("/v1/accounts/\(Self.id)/topups", #"{"amount":5,"currency":"EUR"}"#)
      for key in [one, two, one] { #expect(try await send(topup.0, topup.1, key).status == 201) }
      #expect(gateway.accounts.moved.withLock { $0.count } == 2)
      let id = try #require(first.text("id"))
      _ = try await send("/v1/payments/\(id)/review", #"{"decision":"approve"}"#, one)
      #expect(gateway.processor.state.withLock { $0.reviewers } == ["shop"])
      _ = try await send("/v1/payments/\(id)/cancel", "", one)
      let named = try await gateway.send(
        "POST", "/v1/payments/\(id)/cancel", authorization: [one], operatorName: "ann@desk")
      #expect(named.status == 503)
      #expect(gateway.processor.state.withLock { $0.cancellers } == ["shop", "shop (ann@desk)"])
    }
  }

  @Test func `an external id that is taken names the payment that has it`() async throws {
    try await FakeGateway.with { gateway in
      let owner = UniqueID.random()
      gateway.payments.state.update { $0.failure = .externalIDExists(owner) }
      let answer = try await gateway.send("POST", "/v1/payments", FakeGateway.body())
      #expect(
        answer.status == 409 && answer.text("code") == "external_id_exists" && answer.text("field") == "external_id")
      #expect(answer.text("payment_id") == owner.description)
    }
  }
}
