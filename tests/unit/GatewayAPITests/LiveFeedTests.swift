import GatewayDomain
import Metrics
import Runtime
import Testing
import Values

@testable import GatewayAPI
@testable import HTTPServer

/// Streams over HTTP, from payments in memory.
@Suite struct LiveFeedTests {
  private func pay(_ gateway: FakeGateway, key: String = "k") async throws -> String {
    let answer = try await gateway.send("POST", "/v1/payments", FakeGateway.body(), key: key)
    return try #require(answer.text("id"))
  }

  /// The events of a body: id and status.
  private func events(_ body: String) -> [String] {
    body.split(separator: "\n\n").compactMap { block in
      let lines = block.split(separator: "\n")
      guard let data = lines.first(where: { $0.hasPrefix("data: ") }) else { return nil }
      let id = lines.first { $0.hasPrefix("id: ") }.map { $0.dropFirst(4) } ?? "-"
      let status = data.split(separator: "\"status\":\"").dropFirst().first?.prefix { $0 != "\"" } ?? "?"
      return "\(id) \(status)"
    }
  }

  @Test func `a stream tells of each change and ends after the final state`() async throws {
    try await FakeGateway.with { gateway in
      let text = try await pay(gateway)
      let id = try #require(UniqueID(text))
      async let answer = gateway.send("GET", "/v1/payments/\(text)/events", key: nil)
      _ = try await gateway.payments.await { $0.reads == 1 ? true : nil }
      gateway.payments.complete(id)
      gateway.feed.changed([PaymentChange(id, of: FakeGateway.user)])
      let whole = try await answer
      #expect(whole.status == 200 && whole.header("Content-Type") == "text/event-stream")
      #expect(whole.header("Cache-Control") == "no-store")
      #expect(whole.body.hasPrefix("retry: 2000\n\n"))
      #expect(events(whole.body) == ["1 CREATED", "3 COMPLETED"])
      #expect(whole.body.contains("\"id\":\"\(text)\""))

      // A caller that comes back has the end already, and is told not to come again.
      let again = try await gateway.send("GET", "/v1/payments/\(text)/events", key: nil, lastEventID: "3")
      #expect(again.status == 204 && again.body.isEmpty)
      let behind = try await gateway.send("GET", "/v1/payments/\(text)/events?last_event_id=1", key: nil)
      #expect(events(behind.body) == ["3 COMPLETED"])
    }
  }

  @Test func `a user's stream ends with the server, and goes on from its last event`() async throws {
    try await FakeGateway.with { gateway in
      let first = try await pay(gateway)
      async let answer = gateway.send("GET", "/v1/users/\(FakeGateway.user)/events", key: nil)
      _ = try await gateway.payments.await { $0.reads == 1 ? true : nil }
      gateway.payments.complete(try #require(UniqueID(first)))
      gateway.feed.changed([PaymentChange(try #require(UniqueID(first)), of: FakeGateway.user)])
      // The second reading has been shown when a third one has begun.
      _ = try await gateway.payments.await { $0.reads == 2 ? true : nil }
      gateway.feed.changed([PaymentChange(try #require(UniqueID(first)), of: FakeGateway.user)])
      _ = try await gateway.payments.await { $0.reads == 3 ? true : nil }
      gateway.feed.end()
      let body = try await answer.body
      #expect(events(body).map { $0.split(separator: " ").last } == ["CREATED", "COMPLETED"])
      let id = try #require(events(body).last?.split(separator: " ").first)
      #expect(LivePosition(id) != nil)
      let refused = try await gateway.send("GET", "/v1/users/\(FakeGateway.user)/events", key: nil)
      #expect(refused.status == 503 && refused.text("code") == "stopping")
    }
  }

  @Test func `pages that are larger than what may wait for a caller come whole`() async throws {
    // Room for one event.
    try await FakeGateway.with(capacity: 1) { gateway in
      for number in 0..<40 { _ = try await pay(gateway, key: "k\(number)") }
      let all = gateway.payments.state.withLock { Array($0.rows.keys) }
      async let answer = gateway.send("GET", "/v1/users/\(FakeGateway.user)/events", key: nil)
      _ = try await gateway.payments.await { $0.pageReads > 0 ? true : nil }
      while true {
        let before = gateway.payments.state.withLock { $0 }
        // A notice is read after the pages before it were written.
        gateway.feed.changed([PaymentChange(all[0], of: FakeGateway.user)])
        _ = try await gateway.payments.await { $0.reads - $0.pageReads > before.reads - before.pageReads ? true : nil }
        let isDone = gateway.feed.waiting == 0
        if isDone, gateway.payments.state.withLock({ $0.pageReads }) == before.pageReads { break }
      }
      gateway.feed.end()
      let body = try await answer.body
      let ids = body.split(separator: "data: {\"id\":\"").dropFirst().map { String($0.prefix(36)) }
      #expect(ids.count >= 40 && Set(ids) == Set(all.map(\.description)))
      #expect(gateway.payments.state.withLock { $0.pageReads } > 1)
    }
  }

  @Test func `what cannot be followed is answered before a stream begins`() async throws {
    try await FakeGateway.with(maxWaiters: 1) { gateway in
      let unknown = try await gateway.send("GET", "/v1/payments/\(UniqueID.random())/events", key: nil)
      #expect(unknown.status == 404 && unknown.text("code") == "payment_not_found")
      let payment = try await pay(gateway)
      for path in ["/v1/payments/\(payment)/events", "/v1/users/\(FakeGateway.user)/events"] {
        for id in ["x", "-1", "0", "18446744073709551616"] {
          let answer = try await gateway.send("GET", path, key: nil, lastEventID: id)
          #expect(answer.status == 400 && answer.text("field") == "Last-Event-ID")
        }
      }
      for path in ["/v1/payments/x/events", "/v1/users/x/events"] {
        #expect(try await gateway.send("GET", path, key: nil).status == 404)
      }
      let parameter = try await gateway.send("GET", "/v1/payments/\(payment)/events?wait=10s", key: nil)
      #expect(parameter.text("code") == "unknown_parameter")
      gateway.payments.state.update { $0.failure = FakePayments.fault }
      #expect(try await gateway.send("GET", "/v1/payments/\(payment)/events", key: nil).status == 500)
      gateway.payments.state.update { $0.failure = nil }

      // One place: it is taken, then given back, which may be after the answer.
      _ = try await gateway.payments.await { _ in gateway.places.taken == 0 ? true : nil }
      async let stream = gateway.send("GET", "/v1/payments/\(payment)/events", key: nil)
      _ = try await gateway.payments.await { _ in gateway.feed.count == 1 ? true : nil }
      let full = try await gateway.send("GET", "/v1/payments/\(payment)/events", key: nil)
      #expect(full.status == 503 && full.text("code") == "too_many_waiters")
      gateway.payments.complete(try #require(UniqueID(payment)))
      gateway.feed.changedPerhaps()
      #expect(try await events(stream.body).last == "3 COMPLETED")
    }
  }

  @Test func `a stream needs a key that may read, and HEAD has no body`() async throws {
    let keys = FakeKeys()
    let (reader, payer) = (keys.make([.read]).bearer, keys.make([.pay], name: "payer").bearer)
    try await FakeGateway.with(keys: keys) { gateway in
      let answer = try await gateway.send("POST", "/v1/payments", FakeGateway.body(), authorization: [payer])
      let path = "/v1/payments/\(try #require(answer.text("id")))/events"
      #expect(try await gateway.send("GET", path, key: nil).status == 401)
      #expect(try await gateway.send("GET", path, key: nil, authorization: [payer]).status == 403)
      #expect(try await gateway.send("HEAD", path, key: nil, authorization: [reader]).status == 200)
    }
  }

  @Test func `a right that is lost ends a stream at its next sign of life`() async throws {
    let keys = FakeKeys()
    let key = keys.make([.read])
    let access = APIAccess(keys: keys, limiter: FakeLimiter(), metrics: .init())
    let isAllowed = access.right(of: HTTPHeaders(["Authorization": key.bearer]), to: .read)
    #expect(isAllowed())
    #expect(!access.right(of: HTTPHeaders(["Authorization": key.bearer]), to: .pay)())
    keys.state.update { $0.isStale = true }
    #expect(isAllowed())
    keys.state.update { state in
      state.isStale = false
      state.entries = []
    }
    #expect(!isAllowed())
  }
}
