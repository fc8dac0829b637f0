import Cards
import DirectDomain
import Money
import Testing
import Values

@testable import GatewayDomain

@Suite("Payment requests")
struct PaymentRequestTests {
  @Test func `everything is read`() throws {
    let body = Body([
      "external_id": #""shop-7""#, "description": #""Two books""#, "order_id": "111",
      "metadata": #"{"b":"2","a":"ä"}"#,
    ])
    let request = try body.read()
    #expect(request.userID == UniqueID("11111111-1111-4111-8111-111111111111"))
    #expect(request.payeeID == UniqueID("22222222-2222-4222-8222-222222222222"))
    #expect(request.amount == Money(minorUnits: 1_999, Currency("EUR")!))
    #expect(request.externalID == "shop-7" && request.description == "Two books" && request.orderID == 111)
    guard case .account(let number) = request.source else { throw Unexpected() }
    #expect(number == "40817810099910004312")
    #expect(request.card == nil)
  }

  struct Unexpected: Error {}

  @Test func `what may be left out may be null`() throws {
    let request = try Body([
      "payee_id": "null", "external_id": "null", "description": "null", "order_id": "null", "metadata": "null",
      "method": #"{"type":"balance","account_id":"33333333-3333-4333-8333-333333333333","card":null}"#,
    ]).read()
    #expect(request.payeeID == merchant)
    #expect(request.metadata.isEmpty && request.orderID == nil)
    #expect(GatewayPayment.Source(request.source).method == .balance)
    #expect(try Body(["payee_id": nil]).read().payeeID == merchant)
  }

  @Test func `an amount is a number or a text`() throws {
    #expect(try Body(["amount": #""1999""#]).read().amount.minorUnits == 1_999)
    #expect(try Body(["amount": "999999999999999"]).read().amount.minorUnits == PaymentRequest.maximumAmount)
    #expect(try Body(["amount": "5", "currency": #""JPY""#]).read().amount.description == "5 JPY")
  }

  @Test func `a card lies beside the fields`() throws {
    let request = try Body.card().read()
    let card = try #require(request.card)
    #expect(card.last4 == "4242" && card.brand == .visa)
    #expect(!"\(request)".contains("424242"))
  }

  /// Each bad input with its status, code and field.
  @Test(
    arguments: [
      ("", 400, "invalid_json", nil), ("{", 400, "invalid_json", nil), ("[]", 422, "invalid_type", nil),
      ("null", 422, "invalid_type", nil), ("{} x", 400, "invalid_json", nil), ("\u{FEFF}{}", 400, "invalid_json", nil),
      ("{\"user_id\":}", 400, "invalid_json", "user_id"), ("{'user_id':1}", 400, "invalid_json", nil),
      (#"{"amount":1,"amount":1}"#, 400, "duplicate_field", "amount"),
      (#"{"method":{"type":"card","type":"card"}}"#, 400, "duplicate_field", "method.type"),
      (#"{"method":{"card":{"cvv":"123","cvv":"123"}}}"#, 400, "duplicate_field", "method.card.cvv"),
      (#"{"metadata":{"a":"1","a":"1"}}"#, 400, "duplicate_field", "metadata"),
      (String(repeating: "[", count: 1_000), 422, "invalid_type", nil),
      (#"{"metadata":{"a":{"b":1}}}"#, 422, "invalid_type", "metadata"),
      (#"{"colour":"red"}"#, 422, "unknown_field", "colour"),
      (#"{"4242424242424242":1}"#, 422, "unknown_field", nil),
      (#"{"method":{"kind":"card"}}"#, 422, "unknown_field", "method.kind"),
      (#"{"method":"card"}"#, 422, "invalid_type", "method"), (#"{"amount":true}"#, 422, "invalid_type", "amount"),
      (#"{"user_id":7}"#, 422, "invalid_type", "user_id"), (#"{"user_id":"7"}"#, 422, "invalid_id", "user_id"),
      ("{}", 422, "missing_field", "user_id"),
    ] as [(String, Int, String, String?)])
  func `a bad text is refused`(text: String, status: Int, code: String, field: String?) {
    let fault = refusal(of: text)
    #expect(fault?.status == status)
    #expect(fault?.code.rawValue == code)
    #expect(fault?.field == field)
  }

  /// A part of an otherwise good request, and what is told about it.
  @Test(
    arguments: [
      ("user_id", nil, "missing_field", "user_id"), ("user_id", "null", "missing_field", "user_id"),
      ("amount", nil, "missing_field", "amount"), ("currency", nil, "missing_field", "currency"),
      ("method", nil, "missing_field", "method"), ("method", "{}", "missing_field", "method.type"),
      ("amount", "19.99", "invalid_amount", "amount"), ("amount", #""19.99""#, "invalid_amount", "amount"),
      ("amount", "19.0", "invalid_amount", "amount"), ("amount", "1e3", "invalid_amount", "amount"),
      ("amount", #""1e3""#, "invalid_amount", "amount"), ("amount", #""inf""#, "invalid_amount", "amount"),
      ("amount", #""NaN""#, "invalid_amount", "amount"), ("amount", #""""#, "invalid_amount", "amount"),
      ("amount", #"" 5""#, "invalid_amount", "amount"), ("amount", #""05""#, "invalid_amount", "amount"),
      ("amount", #""1,000""#, "invalid_amount", "amount"), ("amount", #""٣""#, "invalid_amount", "amount"),
      ("amount", "-5", "amount_not_positive", "amount"), ("amount", #""+5""#, "amount_not_positive", "amount"),
      ("amount", "0", "amount_not_positive", "amount"), ("amount", #""0""#, "amount_not_positive", "amount"),
      ("amount", "1000000000000000", "amount_too_large", "amount"),
      ("amount", "9223372036854775808", "amount_too_large", "amount"),
      ("amount", "\"\(String(repeating: "9", count: 400))\"", "amount_too_large", "amount"),
      ("currency", #""EURO""#, "unknown_currency", "currency"), ("currency", #""eur""#, "unknown_currency", "currency"),
      ("currency", #""XXX""#, "unknown_currency", "currency"),
      ("payee_id", #""11111111-1111-4111-8111-111111111111""#, "payer_is_payee", "payee_id"),
      ("user_id", "\"\(merchant)\"", "", ""),
      ("order_id", "0", "invalid_order_id", "order_id"), ("order_id", "-1", "invalid_order_id", "order_id"),
      ("order_id", "1.5", "invalid_type", "order_id"), ("order_id", #""7""#, "invalid_type", "order_id"),
      ("order_id", "9223372036854775808", "invalid_type", "order_id"),
      ("external_id", #""""#, "invalid_text", "external_id"),
      ("external_id", #""a\u0000""#, "invalid_text", "external_id"),
      ("external_id", "\"\(String(repeating: "x", count: 256))\"", "text_too_long", "external_id"),
      ("description", "\"\(String(repeating: "x", count: 501))\"", "text_too_long", "description"),
      ("description", #""a\u0000b""#, "invalid_text", "description"),
      ("description", #""paid with 4242 4242 4242 4242""#, "card_number_in_text", "description"),
      ("description", #""4242-4242-4242-4242""#, "card_number_in_text", "description"),
      ("metadata", #"{"card":"4242424242424242"}"#, "card_number_in_text", "metadata"),
      ("metadata", #"{"4242424242424242":"card"}"#, "card_number_in_text", "metadata"),
      ("metadata", #"{"a":1}"#, "invalid_type", "metadata"), ("metadata", #"["a"]"#, "invalid_type", "metadata"),
      ("metadata", #"{"":"1"}"#, "metadata_too_large", "metadata"),
      ("metadata", "{\"\(String(repeating: "k", count: 41))\":\"\"}", "metadata_too_large", "metadata"),
      ("metadata", "{\"a\":\"\(String(repeating: "v", count: 501))\"}", "metadata_too_large", "metadata"),
      ("metadata", "{\((0...50).map { "\"k\($0)\":\"\"" }.joined(separator: ","))}", "metadata_too_large", "metadata"),
      ("metadata", "{\((0...300).map { "\"k\($0)\":\"\"" }.joined(separator: ","))}", "metadata_too_large", "metadata"),
      ("metadata", #"{"a":"\u0007"}"#, "invalid_text", "metadata"),
      ("method", #"{"type":"cash"}"#, "unknown_method", "method.type"),
      ("method", #"{"type":"account"}"#, "missing_field", "method.number"),
      ("method", #"{"type":"account","number":""}"#, "invalid_text", "method.number"),
      ("method", #"{"type":"account","number":"4242 4242 4242 4242"}"#, "card_number_in_text", "method.number"),
      ("method", #"{"type":"account","number":"1","token":"t"}"#, "unknown_field", "method.token"),
      ("method", #"{"type":"token"}"#, "missing_field", "method.token"),
      ("method", #"{"type":"balance"}"#, "missing_field", "method.account_id"),
      ("method", #"{"type":"balance","account_id":"x"}"#, "invalid_id", "method.account_id"),
      ("method", #"{"type":"card"}"#, "missing_field", "method.card"),
      ("method", #"{"type":"card","card":7}"#, "invalid_type", "method.card"),
      ("method", #"{"type":"card","card":{}}"#, "missing_field", "method.card.number"),
    ] as [(String, String?, String, String)])
  func `a bad part is refused by its field`(name: String, value: String?, code: String, field: String) throws {
    let body = Body([name: value])
    // With another payee the merchant is a payer like any other.
    if code.isEmpty {
      _ = try body.read()
      return
    }
    let fault = try #require(refusal(of: body.text))
    #expect(fault.status == (code == "duplicate_field" ? 400 : 422))
    #expect(fault.code.rawValue == code)
    #expect(fault.field == field)
  }

  @Test(
    arguments: [
      ("cvc", #""123""#, "unknown_field", "cvc"),
      ("number", #""4242424242424241""#, "invalid_card_number", "number"),
      ("number", #""424242424242""#, "invalid_card_number", "number"),
      ("number", #""4242 4242 4242 4242""#, "invalid_card_number", "number"),
      ("number", "4242424242424242", "invalid_type", "number"), ("number", nil, "missing_field", "number"),
      ("cvv", #""12""#, "invalid_cvv", "cvv"), ("cvv", #""1234""#, "invalid_cvv", "cvv"),
      ("cvv", #""12a""#, "invalid_cvv", "cvv"), ("cvv", nil, "missing_field", "cvv"),
      ("exp_month", "13", "invalid_expiry", "exp_month"), ("exp_month", "0", "invalid_expiry", "exp_month"),
      ("exp_month", #""12""#, "invalid_type", "exp_month"), ("exp_month", "1.5", "invalid_type", "exp_month"),
      ("exp_year", "2020", "card_expired", "exp_year"), ("exp_year", "9999", "invalid_expiry", "exp_year"),
      ("exp_year", "9223372036854775807", "invalid_expiry", "exp_year"),
      ("holder", "\"\(String(repeating: "x", count: 256))\"", "invalid_text", "holder"),
      ("holder", #""4242424242424242""#, "card_number_in_text", "holder"),
    ] as [(String, String?, String, String)])
  func `a bad card is refused by its field`(name: String, value: String?, code: String, field: String) throws {
    let fault = try #require(refusal(of: Body.card([name: value]).text))
    #expect(fault.status == 422)
    #expect(fault.code.rawValue == code)
    #expect(fault.field == "method.card.\(field)")
    #expect(!"\(fault) \(fault.detail)".contains("4242"), "no value of a card field is shown")
  }

  @Test func `payer and payee differ also where the merchant is paid`() throws {
    let fault = try #require(refusal(of: Body(["payee_id": nil, "user_id": "\"\(merchant)\""]).text))
    #expect(fault.code == .payerIsPayee)
  }

  @Test func `a body has an end`() throws {
    let blank = String(repeating: " ", count: PaymentRequest.maximumBytes - Body().text.utf8.count)
    _ = try Body.read(Body().text + blank)
    let fault = try #require(refusal(of: Body().text + blank + " "))
    #expect(fault.status == 400 && fault.code == .bodyTooLarge)
  }

  /// Whatever is cut off, it is a fault with a status, and never a payment.
  @Test func `a text that ends anywhere is refused`() throws {
    let bytes = Array(Body.card().text.utf8)
    for length in 0..<bytes.count {
      #expect(throws: RequestFault.self) {
        try PaymentRequest(
          Array(bytes[..<length]), rules: PaymentRequest.Rules(merchant: merchant), now: noon)
      }
    }
  }
}
