import DirectDomain
import Testing
import Values

@testable import GatewayDomain

@Suite("Requests about webhooks") struct WebhookRequestTests {
  private static let (open, strict) = (WebhookRules(allowsPrivate: true), WebhookRules(allowsPrivate: false))

  private func fault(_ body: String, _ rules: WebhookRules = open) -> RequestFault? {
    do throws(RequestFault) {
      _ = try WebhookEndpointRequest(Array(body.utf8), rules: rules)
      return nil
    } catch {
      return error
    }
  }

  @Test(arguments: [
    "https://a.example", "https://a.example/", "https://a.example:8443/hook?key=x%20y", "https://127.0.0.1/x",
    "https://[2001:db8::1]:444/x", "https://xn--nxasmq6b.example/x", "https://a_b.example?x=/",
  ])
  func `a receiver's URL is taken`(url: String) throws {
    let request = try WebhookEndpointRequest(Array(#"{"url":"\#(url)"}"#.utf8), rules: Self.strict)
    #expect(request.url == url && request.events == ["*"] && request.description == nil)
  }

  @Test(arguments: [
    "", "a.example", "ftp://a.example", "http://a.example/x", "HTTPS://a.example", "https://", "https:///x",
    "https://u:p@a.example/", "https://a.example/#x", "https://a.example:0/", "https://a.example:65536/",
    "https://a.example:+1/", "https://a.example:x/", "https://a b.example/", "https://ä.example/", "https://[::1",
    "https://[]/", "https://a.example/\\\\x", "https://a,b/",
  ])
  func `another URL is refused, and not shown`(url: String) {
    let fault = fault(#"{"url":"\#(url)"}"#, Self.strict)
    #expect(fault?.code == .invalidText && fault?.field == "url")
    #expect(fault?.detail.contains("a.example") == false)
    let long = "https://a.example/" + String(repeating: "x", count: 2_048)
    #expect(self.fault(#"{"url":"\#(long)"}"#)?.field == "url")
  }

  @Test func `in clear only where that is allowed`() {
    #expect(fault(#"{"url":"http://127.0.0.1:9/"}"#) == nil)
    #expect(fault(#"{"url":"http://127.0.0.1:9/"}"#, Self.strict)?.field == "url")
  }

  @Test func `types are known, and each comes once`() throws {
    let types = WebhookPattern.all.filter { $0 != "*" }
    #expect(types.contains("payment.created") && types.contains("refund.*") && !types.contains("refund.created"))
    for state in PaymentState.allCases {
      let standing = PaymentStanding(state: state, reason: nil, version: 1, since: .now())
      let payment = WebhookEvent(paymentID: .random(), refundID: nil, standing: standing)
      #expect(types.contains(payment.type))
    }
    #expect(fault(#"{"url":"https://a.b","events":["payment.completed","refund.*"]}"#) == nil)
    for wrong in [#"[]"#, #"["payment"]"#, #"["payment.*","payment.*"]"#, #"["PAYMENT.*"]"#, #"["payment.done"]"#] {
      #expect(fault(#"{"url":"https://a.b","events":\#(wrong)}"#)?.field == "events", "\(wrong)")
    }
    #expect(fault(#"{"url":"https://a.b","events":"*"}"#)?.code == .invalidType)
    #expect(fault(#"{"url":"https://a.b","event":["*"]}"#)?.code == .unknownField)
    #expect(fault(#"{"url":"https://a.b","description":"4242424242424242"}"#)?.code == .cardNumberInText)
    #expect(fault("{}")?.code == .missingField)
  }

  @Test func `a change names what changes`() throws {
    let change = try WebhookEndpointChange(Array(#"{"enabled":false,"description":""}"#.utf8), rules: Self.open)
    #expect(change.isEnabled == false && change.description == .some(nil) && change.url == nil && change.events == nil)
    let nothing = try WebhookEndpointChange(Array("{}".utf8), rules: Self.open)
    #expect(nothing.description == nil && nothing.isEnabled == nil)
  }

  @Test func `a rotation and a redelivery may say nothing`() throws {
    #expect(try WebhookRotation([]).grace == .seconds(86_400))
    #expect(try WebhookRotation(Array(#"{"grace_seconds":0}"#.utf8)).grace == .zero)
    #expect(throws: RequestFault.self) { try WebhookRotation(Array(#"{"grace_seconds":-1}"#.utf8)) }
    #expect(throws: RequestFault.self) { try WebhookRotation(Array(#"{"grace_seconds":2592001}"#.utf8)) }
    #expect(try WebhookRedelivery([]).since == nil)
    let since = try WebhookRedelivery(Array(#"{"since":"2026-01-31T08:15:00Z"}"#.utf8)).since
    #expect(since == Timestamp("2026-01-31T08:15:00Z"))
    #expect(throws: RequestFault.self) { try WebhookRedelivery(Array(#"{"since":"yesterday"}"#.utf8)) }
  }
}

@Suite("Schedule of webhooks") struct WebhookScheduleTests {
  private var random = SystemRandomNumberGenerator()

  @Test mutating func `attempts are made for three days, with jitter, then no more`() {
    let expected = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]
    for (tries, seconds) in expected.enumerated() {
      for _ in 1...50 {
        guard case .retry(let pause) = WebhookSchedule.next(after: .none, tries: Int64(tries) + 1, using: &random)
        else {
          Issue.record("there is no attempt \(tries + 2)")
          return
        }
        #expect(pause >= .milliseconds(seconds * 900) && pause <= .milliseconds(seconds * 1_100))
      }
    }
    #expect(WebhookSchedule.next(after: .none, tries: 10, using: &random) == .exhausted)
    #expect(WebhookSchedule.next(after: .none, tries: .max, using: &random) == .exhausted)
  }

  @Test(arguments: [200, 201, 204, 299]) func `a status of success delivers`(status: Int) {
    var random = SystemRandomNumberGenerator()
    #expect(
      WebhookSchedule.next(after: .status(status, retryAfter: .seconds(9)), tries: 10, using: &random) == .delivered)
  }

  @Test(arguments: [301, 302, 307, 400, 401, 404, 408, 410, 429, 500, 503])
  func `any other status does not, redirects included`(status: Int) {
    var random = SystemRandomNumberGenerator()
    let next = WebhookSchedule.next(after: .status(status, retryAfter: nil), tries: 1, using: &random)
    guard case .retry = next else {
      Issue.record("\(next)")
      return
    }
  }

  @Test mutating func `a receiver is left alone for as long as it asks, up to a day`() {
    let next = { (wait: Duration, random: inout SystemRandomNumberGenerator) in
      WebhookSchedule.next(after: .status(503, retryAfter: wait), tries: 1, using: &random)
    }
    #expect(next(.seconds(600), &random) == .retry(after: .seconds(600)))
    #expect(next(.seconds(1_000_000), &random) == .retry(after: .seconds(86_400)))
    #expect(next(.seconds(-5), &random) != .retry(after: .seconds(-5)))
  }
}
