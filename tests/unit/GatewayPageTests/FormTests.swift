import Cards
import GatewayDomain
import Money
import Testing
import Values

@testable import GatewayPage

@Suite struct FormBodyTests {
  @Test func fieldsAreDecoded() throws {
    let form = try FormBody(Array("a=1+2%2B3&b=%D0%9F&empty=&blank=+%20+&last".utf8))
    #expect(form.text("a") == "1 2+3" && form.text("b") == "П")
    #expect(form.text("empty") == nil && form.text("blank") == nil && form.text("last") == nil && form.text("c") == nil)
    #expect(form.has("a") && !form.has("empty") && !form.has("c"))
  }

  @Test(arguments: ["a=%", "a=%4", "a=%4G", "a=1&a=2", String(repeating: "a=1&", count: 2)])
  func whatIsNoFormIsRefused(_ text: String) {
    #expect(throws: FormBody.Fault.malformed) { try FormBody(Array(text.utf8)) }
  }

  @Test func aFormHasFewFields() {
    let text = (0..<65).map { "f\($0)=1" }.joined(separator: "&")
    #expect(throws: FormBody.Fault.malformed) { try FormBody(Array(text.utf8)) }
  }

  /// The bytes go straight into the request, and its array does not move while they do.
  @Test func aSecretFieldIsWrittenAsJSON() throws {
    let form = try FormBody(Array("number=4242+4242-4242%204242&odd=%22%5C%0A%01".utf8))
    var target: [UInt8] = []
    target.reserveCapacity(256)
    let before = target.withUnsafeBufferPointer { $0.baseAddress }
    form.appendJSONString(of: "number", dropsSeparators: true, to: &target)
    form.appendJSONString(of: "odd", dropsSeparators: false, to: &target)
    #expect(String(decoding: target, as: UTF8.self) == #""4242424242424242""\"\\\u000a\u0001""#)
    #expect(target.withUnsafeBufferPointer { $0.baseAddress } == before)
  }
}

@Suite struct PaymentFormTests {
  private static let user = UniqueID(high: 0x1111_1111_1111_4111, low: 0x8111_1111_1111_1111)
  private static let rules = PaymentRequest.Rules(merchant: UniqueID(high: 1, low: 1))

  private func request(_ fields: String) throws -> PaymentRequest {
    let body = try PaymentForm(try FormBody(Array(fields.utf8))).request(payer: Self.user)
    return try PaymentRequest(body, rules: Self.rules, now: Timestamp("2026-11-26T12:00:00Z")!)
  }

  @Test func aCardIsReadAsV1ReadsIt() throws {
    let request = try request(
      "method=card&number=4242+4242+4242+4242&expiry=12+%2F+40&cvv=123&holder=A+B&amount=19,99&currency=EUR&order_id=7"
        + "&description=Two+%22books%22&account=ignored&account_id=ignored&user_id=&payee_id=")
    #expect(request.userID == Self.user && request.payeeID == Self.rules.merchant)
    #expect(request.amount.minorUnits == 1_999 && request.orderID == 7 && request.description == "Two \"books\"")
    let card = try #require(request.card)
    #expect(card.last4 == "4242" && card.expMonth == 12 && card.expYear == 2_040 && card.holder == "A B")
  }

  @Test func otherMethodsHaveTheirFieldsOnly() throws {
    guard case .account(let number) = try request("method=account&account=123&number=4&amount=1&currency=JPY").source
    else { return #expect(Bool(false)) }
    #expect(number == "123")
    let id = "15372ca6-c416-45bd-bda6-8c7257390787"
    guard case .balance(let account) = try request("method=balance&account_id=\(id)&amount=1&currency=JPY").source
    else { return #expect(Bool(false)) }
    #expect(account == UniqueID(id))
  }

  @Test(arguments: [
    ("method=card&amount=1&currency=EUR", "number"),
    ("method=card&number=4242424242424242&cvv=123&amount=1&currency=EUR", "expiry"),
    ("method=card&number=1&expiry=1240&cvv=1&amount=1&currency=EUR", "number"),
    ("method=card&number=4242424242424242&expiry=1220&cvv=123&amount=1&currency=EUR", "expiry"),
    ("method=account&amount=1&currency=EUR", "account"), ("amount=1&currency=EUR", "method"),
    ("method=balance&account_id=x&amount=1&currency=EUR", "account_id"),
    ("method=account&account=1&amount=1", "currency"),
    ("method=account&account=1&amount=1&currency=EUR&user_id=x", "user_id"),
  ])
  func aFaultNamesTheFormsField(_ fields: String, _ field: String) throws {
    do {
      _ = try request(fields)
      Issue.record("it was taken")
    } catch let fault as RequestFault {
      let shown = try #require(throws: PageFault.self) {
        try PageFault.reading { () throws(RequestFault) in throw fault }
      }
      // Without a currency no amount can be read: either may be named first.
      #expect(shown.field == field || (field == "currency" && shown.field == "amount"))
    }
  }

  @Test(arguments: [
    ("19.99", "EUR", 1_999), ("19,99", "EUR", 1_999), ("1 999", "JPY", 1_999), ("1\u{A0}000,5", "EUR", 100_050),
    ("0.001", "KWD", 1),
  ])
  func amountsAreInMajorUnits(_ text: String, _ currency: String, _ expected: Int64) throws {
    #expect(try PaymentForm.minorUnits(text, currency) == expected)
  }

  @Test(arguments: [
    ("19.999", "EUR", "invalid_decimal"), ("-1", "EUR", "amount_not_positive"), ("1e3", "EUR", "invalid_decimal"),
    ("99999999999999999999", "EUR", "amount_too_large"), ("1.000,00", "EUR", "invalid_decimal"),
    ("inf", "EUR", "invalid_decimal"),
  ])
  func otherAmountsAreRefused(_ text: String, _ currency: String, _ code: String) {
    #expect(throws: PaymentForm.Fault(code: code, field: "amount")) { try PaymentForm.minorUnits(text, currency) }
  }

  @Test(arguments: [
    ("12/40", 12, 2_040), ("1240", 12, 2_040), ("01 / 2031", 1, 2_031), ("99/40", 99, 2_040),
  ])
  func expiries(_ text: String, _ month: Int, _ year: Int) throws {
    let read = try #require(PaymentForm.expiry(text))
    #expect(read.month == month && read.year == year)
  }

  @Test(arguments: ["", "1/40", "12/2", "ab/cd", "12/40/1"])
  func noExpiries(_ text: String) { #expect(PaymentForm.expiry(text) == nil) }
}
