import HTTPServer
import Testing
import Values

@testable import GatewayAPI

@Suite struct HeaderAndQueryTests {
  private func headers(_ values: String...) -> HTTPHeaders {
    switch values.count {
    case 0: HTTPHeaders()
    case 1: HTTPHeaders(["Idempotency-Key": values[0]])
    default: HTTPHeaders(["Idempotency-Key": values[0], "idempotency-key": values[1]])
    }
  }

  private func query(_ items: KeyValuePairs<String, String>) -> HTTPQuery {
    HTTPQuery(items.map { HTTPQuery.Item(name: $0.key, value: $0.value) })
  }

  @Test(
    arguments: [
      ("a1", "a1"), ("\"a1\"", "a1"), ("a b", "a b"), ("\"a\\\"b\\\\c\"", "a\"b\\c"), ("a\"b", "a\"b"),
      (String(repeating: "k", count: 255), String(repeating: "k", count: 255)),
    ])
  func `a key is the same bare and quoted`(_ value: String, _ key: String) throws {
    #expect(try IdempotencyKeyHeader.required(headers(value)) == key)
  }

  @Test(
    arguments: [
      "", "\"\"", "\"a", "\"a\"b", "\"a\\", "\"a\\b\"", "é", "a\u{7F}", String(repeating: "k", count: 256),
    ])
  func `what is no key is refused`(_ value: String) {
    let fault = #expect(throws: Fault.self) { try IdempotencyKeyHeader.required(headers(value)) }
    #expect(fault?.problem.code == "idempotency_key_invalid" && fault?.problem.status == 400)
  }

  @Test func `a key is required, once`() {
    let none = #expect(throws: Fault.self) { try IdempotencyKeyHeader.required(headers()) }
    #expect(none?.problem.code == "idempotency_key_required" && none?.problem.field == "Idempotency-Key")
    let two = #expect(throws: Fault.self) { try IdempotencyKeyHeader.required(headers("a", "a")) }
    #expect(two?.problem.code == "idempotency_key_invalid")
  }

  @Test(
    arguments: [("0s", 0), ("500ms", 500), ("10s", 10_000), ("60s", 60_000), ("60000ms", 60_000)])
  func `times to wait`(_ text: String, _ milliseconds: Int) throws {
    #expect(try WaitTime.parse(query(["wait": text])) == .milliseconds(milliseconds))
  }

  @Test(
    arguments: ["", "s", "ms", "10", "61s", "60001ms", "-1s", "+1s", "1.5s", "1m", "1e3ms", "999999ms"])
  func `no times to wait`(_ text: String) {
    let fault = #expect(throws: Fault.self) { try WaitTime.parse(query(["wait": text])) }
    #expect(fault?.problem.code == "invalid_parameter" && fault?.problem.field == "wait")
  }

  @Test func `nobody who does not ask waits`() throws {
    #expect(try WaitTime.parse(query([:])) == .zero)
    #expect(throws: Fault.self) { try WaitTime.parse(query(["wait": "1s", "wait": "2s"])) }
  }

  @Test func `unknown parameters are refused, and shown only where they are words`() throws {
    try query(["wait": "1s"]).requireOnly(["wait"])
    let word = #expect(throws: Fault.self) { try query(["wiat": "1s"]).requireOnly(["wait"]) }
    #expect(word?.problem.code == "unknown_parameter" && word?.problem.field == "wiat")
    let other = #expect(throws: Fault.self) { try query(["4242424242424242": ""]).requireOnly(["wait"]) }
    #expect(other?.problem.field == nil)
  }
}
