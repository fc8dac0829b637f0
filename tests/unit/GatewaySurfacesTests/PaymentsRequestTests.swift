import GatewayDomain
import Money
import Testing
import UserNames
import Values

@testable import GatewaySurfaces

/// The expected texts were written by pydantic 2 for a model of the same fields.
@Suite struct PaymentsRequestTests {
  private let reader = PaymentsRequest(merchant: UniqueID(high: 7, low: 7), currency: Currency("USD")!)

  private func answer(_ body: String) -> String {
    do throws(FieldErrors) {
      let request = try reader.read(Array(body.utf8))
      return "\(request.userID) \(request.amount)"
    } catch {
      return String(decoding: error.body, as: UTF8.self)
    }
  }

  private func detail(_ items: String...) -> String { #"{"detail":[\#(items.joined(separator: ","))]}"# }

  @Test func `numbers and texts of numbers are taken`() {
    let user = "0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e11"
    #expect(answer(#"{"userId":"\#(user)","accountNumber":"1","amount":100.5}"#) == "\(user) 100.50 USD")
    #expect(
      answer(#"{"userId":"\#(user)","accountNumber":"1","amount":"1e2","state":"completed"}"#) == "\(user) 100.00 USD")
    // A user may have any name, and has always the same id.
    #expect(
      answer(#"{"userId":"ann","accountNumber":"1","amount":1}"#) == "\(NamedUser.id(named: "ann")) 1.00 USD")
  }

  @Test func `missing fields show the body`() {
    let body = #"{"note":[1,"a b"],"x":null}"#
    let missing = { (name: String) in
      #"{"type":"missing","loc":["body","\#(name)"],"msg":"Field required","input":\#(body)}"#
    }
    let spaced = #" { "note" : [ 1 , "a b" ] , "x" : null } "#
    #expect(answer(spaced) == detail(missing("userId"), missing("accountNumber"), missing("amount")))
  }

  @Test func `each field is wrong in a way of its own`() {
    let body = #"{"userId":5,"state":"done","accountNumber":17,"amount":"ten","description":{},"extPaymentDetails":1}"#
    #expect(
      answer(body)
        == detail(
          #"{"type":"string_type","loc":["body","userId"],"msg":"Input should be a valid string","input":5}"#,
          #"{"type":"enum","loc":["body","state"],"msg":"Input should be 'pending', 'completed' or 'rejected'","#
            + #""input":"done","ctx":{"expected":"'pending', 'completed' or 'rejected'"}}"#,
          #"{"type":"string_type","loc":["body","accountNumber"],"msg":"Input should be a valid string","input":17}"#,
          #"{"type":"float_parsing","loc":["body","amount"],"msg":"Input should be a valid number, unable to parse"#
            + #" string as a number","input":"ten"}"#,
          #"{"type":"string_type","loc":["body","description"],"msg":"Input should be a valid string","input":{}}"#,
          #"{"type":"string_type","loc":["body","extPaymentDetails"],"msg":"Input should be a valid string","input":1}"#
        ))
  }

  @Test(arguments: [
    ("null", "float_type"), ("[]", "float_type"), ("\"inf\"", "finite_number"), ("\"NaN\"", "finite_number"),
    ("0", "greater_than"), ("-1", "greater_than"), ("1.999", "decimal_max_places"), ("1e20", "less_than_equal"),
  ]) func `an amount must be one`(_ amount: String, _ type: String) {
    let text = answer(#"{"userId":"u","accountNumber":"1","amount":\#(amount)}"#)
    #expect(text.hasPrefix(#"{"detail":[{"type":"\#(type)","loc":["body","amount"],"#), "\(text)")
    #expect(text.contains(#""input":\#(amount)"#), "\(text)")
  }

  @Test func `what is no JSON object is told in Python's words`() {
    #expect(answer("") == detail(#"{"type":"missing","loc":["body"],"msg":"Field required","input":null}"#))
    #expect(
      answer("{")
        == detail(
          #"{"type":"json_invalid","loc":["body",1],"msg":"JSON decode error","input":{},"#
            + #""ctx":{"error":"Expecting property name enclosed in double quotes"}}"#))
    #expect(answer("{} x").contains(#""ctx":{"error":"Extra data"}"#))
    #expect(
      answer("[1, 2]")
        == detail(
          #"{"type":"model_attributes_type","loc":["body"],"msg":"Input should be a valid dictionary or object to"#
            + #" extract fields from","input":[1,2]}"#))
  }

  @Test func `a card number is refused without being shown`() {
    let text = answer(#"{"userId":"u","accountNumber":"1","amount":1,"description":"of 4242424242424242"}"#)
    #expect(text.contains(#""type":"value_error""#) && !text.contains("4242"), "\(text)")
  }

  @Test(arguments: [
    ("4242424242424242", "1"), ("ann 4242 4242 4242 4242", "1"), ("u", "4242424242424242"), ("u", "4242-4242 42424242"),
    ("u", "378282246310005"), ("u", #"\u0034242424242424242"#),
  ]) func `a card number is neither a user nor an account`(_ user: String, _ account: String) {
    let text = answer(#"{"userId":"\#(user)","accountNumber":"\#(account)","amount":1}"#)
    let field = account == "1" ? "userId" : "accountNumber"
    #expect(
      text
        == detail(
          #"{"type":"value_error","loc":["body","\#(field)"],"msg":"Value error, expected text without card numbers","#
            + #""input":null,"ctx":{"error":{}}}"#))
  }

  @Test(arguments: [
    "40817810099910004311", "DE89370400440532013000", "4242424242424241", "1234567812345670", "4222222222222",
  ]) func `an account may have any other number`(_ account: String) {
    #expect(answer(#"{"userId":"ann","accountNumber":"\#(account)","amount":1}"#).hasSuffix(" 1.00 USD"))
  }

  @Test(arguments: [
    #"{"userId":"4242424242424242"}"#, #"{"x":4242424242424242}"#, #"["4242 4242 4242 4242"]"#,
    #"{"amount":4242424242424242,"userId":{"a":"4242424242424242"}}"#, #"{"x":"424242424242424\u0032"}"#,
    #"{"x":"\u0034\u003242424242424242\\"}"#,
  ]) func `what is shown of a body has no card number`(_ body: String) {
    let text = answer(body)
    #expect(text.contains(#""input":null"#) && !text.contains("4242"), "\(text)")
  }

  @Test func `truncation at every place is refused`() {
    let body = Array(#"{"userId":"ué","accountNumber":"1","amount":"100.5","description":"a\"b"}"#.utf8)
    #expect((try? reader.read(body)) != nil)
    for count in body.indices { #expect((try? reader.read(Array(body[..<count]))) == nil) }
  }
}
