import Testing
import Values

@testable import HTTPServer

@Suite struct ProblemDetailsTests {
  @Test func problemsAreWrittenAsRFC9457HasThem() {
    let problem = ProblemDetails(422, code: "invalid_amount", detail: "expected \"digits\"", field: "amount")
    let response = problem.response { $0.add("limit", 7) }
    #expect(
      response.status == 422 && response.fields == [.init(name: "Content-Type", value: "application/problem+json")])
    let expected =
      #"{"type":"about:blank","title":"Unprocessable Content","status":422,"code":"invalid_amount","#
      + #""detail":"expected \"digits\"","field":"amount","limit":7}"#
    #expect(String(decoding: response.body, as: UTF8.self) == expected)
  }

  @Test func refusalsCarryTheFieldsThatBelongToThem() {
    let allow = HTTPRefusal.methodNotAllowed(allow: ["GET", "HEAD"]).response
    #expect(allow.fields.contains(.init(name: "Allow", value: "GET, HEAD")) && allow.status == 405)
    #expect(HTTPRefusal.overloaded.response.fields.contains(.init(name: "Retry-After", value: "1")))
    let own = HTTPRefusal.stopping.completed(.text(503, "later"))
    #expect(own.fields.contains(.init(name: "Retry-After", value: "1")) && own.body == Array("later".utf8))
  }
}
