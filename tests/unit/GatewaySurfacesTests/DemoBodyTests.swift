import DirectDomain
import GatewayDomain
import HTTPServer
import Money
import Testing
import Values

@testable import GatewaySurfaces

/// What FastAPI answered with pydantic 1.10, byte for byte where nothing of a caller is in it.
@Suite struct DemoBodyTests {
  static let user = "0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e11"

  static let noDict = #"{"detail":[{"loc":["body"],"msg":"value is not a valid dict","type":"type_error.dict"}]}"#

  private func text(_ fault: DemoFault) -> String { String(decoding: fault.response.body, as: UTF8.self) }

  private func body(_ text: String, type: String? = "application/json") throws(DemoFault) -> DemoBody {
    try DemoBody(Array(text.utf8), type: type)
  }

  /// What is refused of the field `x` of a body, read in one way.
  private func refusal(_ json: String, _ read: (inout DemoBody) -> Void) -> String? {
    do throws(DemoFault) {
      var body = try body("{\"x\":\(json)}")
      read(&body)
      try body.check()
      return nil
    } catch {
      return text(error)
    }
  }

  @Test(arguments: [
    ("", "application/json", #"{"detail":[{"loc":["body"],"msg":"field required","type":"value_error.missing"}]}"#),
    ("[]", "application/json", noDict),
    ("{}", "text/plain", noDict),
    (
      "{", "application/json",
      #"{"detail":[{"loc":["body",1],"#
        + #""msg":"Expecting property name enclosed in double quotes: line 1 column 2 (char 1)","#
        + #""type":"value_error.jsondecode","ctx":{"msg":"Expecting property name enclosed in double quotes","#
        + #""pos":1,"lineno":1,"colno":2}}]}"#
    ),
    (
      "{}\nx", "application/json",
      #"{"detail":[{"loc":["body",3],"msg":"Extra data: line 2 column 1 (char 3)","#
        + #""type":"value_error.jsondecode","ctx":{"msg":"Extra data","pos":3,"lineno":2,"colno":1}}]}"#
    ),
  ])
  func `a body that is no object is refused`(json: String, type: String, expected: String) {
    do throws(DemoFault) {
      _ = try body(json, type: type)
      Issue.record("it was read")
    } catch {
      #expect(error.response.status == 422)
      #expect(text(error) == expected)
    }
  }

  @Test(arguments: ["application/json; charset=utf-8", "APPLICATION/JSON", "application/ld+json"])
  func `a body of JSON is read by any of its names`(type: String) throws { _ = try body("{}", type: type) }

  @Test func `without a type a body is read`() throws { _ = try body("{}", type: nil) }

  @Test func `absent fields are told in the order in which they are asked for`() throws {
    var body = try body(#"{"payee_id":null,"other":{"a":[1]}}"#)
    #expect(body.uniqueID("user_id") == nil)
    #expect(body.uniqueID("payee_id") == nil)
    #expect(body.amount("amount") == nil)
    do throws(DemoFault) {
      try body.check()
      Issue.record("it was taken")
    } catch {
      #expect(
        text(error) == #"{"detail":[{"loc":["body","user_id"],"msg":"field required","type":"value_error.missing"},"#
          + #"{"loc":["body","payee_id"],"msg":"none is not an allowed value","type":"type_error.none.not_allowed"},"#
          + #"{"loc":["body","amount"],"msg":"field required","type":"value_error.missing"}]}"#)
    }
  }

  @Test(arguments: [
    user, "0198C5B26C1E7D558A1B3F2F0A9C7E11", "{\(user)}", "urn:uuid:\(user)",
  ])
  func `an id is read as Python reads it`(text: String) throws {
    var body = try body("{\"x\":\"\(text)\"}")
    #expect(body.uniqueID("x") == UniqueID(Self.user))
    try body.check()
  }

  @Test(arguments: ["7", "\"7\"", "[]", "true", "\"0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e1g\""])
  func `what is no id is refused`(json: String) {
    #expect(
      refusal(json) { _ = $0.uniqueID("x") }
        == #"{"detail":[{"loc":["body","x"],"msg":"value is not a valid uuid","type":"type_error.uuid"}]}"#)
  }

  @Test(arguments: [
    ("12.5", "12.5"), ("\"12.50\"", "12.5"), ("10", "10"), ("\" 10 \"", "10"), ("1e2", "100"), ("0.000001", "0.000001"),
  ])
  func `an amount is a number or a string`(json: String, expected: String) throws {
    var body = try body("{\"x\":\(json)}")
    #expect(body.amount("x")?.text == expected)
    try body.check()
  }

  @Test(arguments: [
    ("\"x\"", "type_error.decimal"), ("true", "type_error.decimal"), ("{}", "type_error.decimal"),
    ("\"inf\"", "value_error.decimal.not_finite"), ("\"NaN\"", "value_error.decimal.not_finite"),
    ("0", "value_error.number.not_gt"), ("-1", "value_error.number.not_gt"),
    ("1.0000001", "value_error.decimal.max_places"), ("100000000000000", "value_error.decimal.whole_digits"),
  ])
  func `what is no amount is refused`(json: String, type: String) throws {
    let answer = try #require(refusal(json) { _ = $0.amount("x") })
    #expect(answer.contains("\"type\":\"\(type)\""))
  }

  @Test func `a limit is told`() {
    #expect(
      refusal("0") { _ = $0.amount("x") }
        == #"{"detail":[{"loc":["body","x"],"msg":"ensure this value is greater than 0","#
        + #""type":"value_error.number.not_gt","ctx":{"limit_value":0}}]}"#)
  }

  @Test func `a text is a string, or the digits of a number`() throws {
    var body = try body(#"{"a":"Ann\u00e9","b":7,"c":null}"#)
    #expect(body.prose("a") == "Anné")
    #expect(body.prose("b") == "7")
    #expect(body.prose("c") == nil)
    #expect(body.prose("d") == nil)
    try body.check()
    for (json, type) in [
      ("[]", "type_error.str"), ("\"a\\u0000\"", "value_error"), ("\"4242 4242 4242 4242\"", "value_error"),
      ("\"\(String(repeating: "x", count: 256))\"", "value_error.any_str.max_length"),
    ] {
      let answer = try #require(refusal(json) { _ = $0.prose("x") })
      #expect(answer.contains("\"type\":\"\(type)\""))
      #expect(!answer.contains("4242"))
    }
  }

  @Test(arguments: ["\"usd\"", "\"EURO\"", "7", "\"XXX\""])
  func `what is no currency is refused`(json: String) { #expect(refusal(json) { _ = $0.currency("x") } != nil) }

  @Test func `moments are written as Python writes them`() {
    #expect(Timestamp("2026-01-31T08:15:00.000250Z")?.isoFormat == "2026-01-31T08:15:00.000250+00:00")
    #expect(Timestamp("2026-01-31T08:15:00Z")?.isoFormat == "2026-01-31T08:15:00+00:00")
  }

  @Test func `a cursor reads as it was written, and nothing else does`() {
    let cursor = DemoCursor(createdAt: Timestamp(microseconds: 1_795_708_240_180_230), id: UniqueID(Self.user)!)
    #expect(DemoCursor(cursor.text) == cursor)
    let user = Self.user
    let others = ["", ".", "1.x", "x.\(user)", "01.\(user)", "1.\(user).", "9223372036854775807.\(user)"]
    for text in others { #expect(DemoCursor(text) == nil) }
  }

  @Test func `the server's own answers have this surface's words`() {
    let missing = DemoFault.response(.unknownPath)
    #expect(missing.status == 404 && String(decoding: missing.body, as: UTF8.self) == #"{"detail":"Not Found"}"#)
    let refused = DemoFault.response(.methodNotAllowed(allow: ["GET", "POST"]))
    #expect(String(decoding: refused.body, as: UTF8.self) == #"{"detail":"Method Not Allowed"}"#)
    #expect(refused.fields.contains { $0.name == "Allow" && $0.value == "GET, POST" })
  }
}
