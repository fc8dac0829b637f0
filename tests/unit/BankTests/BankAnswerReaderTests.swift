import Money
import ProcessingDomain
import Testing
import Values

@testable import Bank

let operation = UniqueID(high: 5, low: 1)
let user = UniqueID(high: 2, low: 2)
let other = UniqueID(high: 9, low: 9)
let price = Money(minorUnits: 1_999, Currency("EUR")!)

@Suite struct BankAnswerReaderTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var call = BankCall.charge
    var status = 200
    var type: String? = "application/json"
    var body: String
    let answer: BankAnswer
    var isFromBank = true
    var detail = ""
    var testDescription: String { "\(call) \(status) \(type ?? "none") \(body)" }
  }

  static func answer(
    _ status: String = #""succeed""#, id: String = "\(operation)", user: String = "\(user)", amount: String = "19.99",
    currency: String = "EUR", error: String = "", more: String = ""
  ) -> String {
    #"{"operation_id":"\#(id)","user_id":"\#(user)","status":\#(status),"error":"\#(error)","amount":\#(amount),"#
      + #""currency":"\#(currency)"\#(more)}"#
  }

  static let short = #"{"operation_id":"\#(operation)","status":"reversed"}"#
  static let notFound = #"{"operation_id":"\#(operation)","error":"no such payment"}"#

  static let cases: [Case] = [
    Case(body: answer(), answer: .approved),
    Case(type: "Application/JSON ; charset=utf-8", body: answer(), answer: .approved),
    Case(body: answer(amount: #""19.99""#), answer: .approved),
    Case(body: answer(more: #","new":[{"x":1}],"card_token":null"#), answer: .approved),
    Case(body: answer(#""error""#, error: "insufficient funds"), answer: .declined, detail: "insufficient funds"),
    Case(body: answer(#""reversed""#), answer: .reversed),
    Case(call: .reverse, body: short, answer: .reversed),
    Case(call: .inquire, body: short, answer: .reversed),
    Case(call: .inquire, body: answer(), answer: .approved),
    Case(call: .inquire, status: 404, body: notFound, answer: .noSuchPayment, detail: "no such payment"),
    Case(call: .reverse, status: 404, body: notFound, answer: .noSuchPayment, detail: "no such payment"),
    Case(
      body: answer(#""processing""#), answer: .unclear, detail: "the bank is still processing the payment"),
    Case(
      body: answer(#""paid""#), answer: .unclear, detail: "the bank's status is none that is known: paid"),
    // What only looks like an answer.
    Case(body: answer("null"), answer: .unclear, isFromBank: false, detail: "the answer has no status"),
    Case(
      body: answer(id: "\(other)"), answer: .unclear, isFromBank: false, detail: "the answer is about another operation"
    ),
    Case(
      body: answer(user: "\(other)"), answer: .unclear, isFromBank: false, detail: "the answer is about another user"),
    Case(body: answer(amount: "19.98"), answer: .unclear, isFromBank: false, detail: "the answer has another amount"),
    Case(
      body: answer(#""error""#, amount: "1"), answer: .unclear, isFromBank: false,
      detail: "the answer has another amount"),
    Case(
      body: answer(#""reversed""#, amount: "1"), answer: .unclear, isFromBank: false,
      detail: "the answer has another amount"),
    Case(body: answer(amount: "null"), answer: .unclear, isFromBank: false, detail: "the answer has no amount"),
    Case(
      body: answer(currency: "USD"), answer: .unclear, isFromBank: false, detail: "the answer has another currency"),
    Case(
      body: answer(currency: "eur"), answer: .unclear, isFromBank: false, detail: "the answer has another currency"),
    Case(
      body: #"{"operation_id":"\#(operation)","status":"succeed","amount":19.99}"#, answer: .unclear, isFromBank: false,
      detail: "the answer has no currency"),
    Case(
      body: #"{"status":"succeed","amount":19.99,"currency":"EUR"}"#, answer: .unclear, isFromBank: false,
      detail: "the answer has no operation_id"),
    Case(body: short, answer: .reversed),
    Case(body: answer(amount: "19.990"), answer: .unclear, isFromBank: false, detail: "*more decimals"),
    Case(body: answer(amount: "1.999e1"), answer: .unclear, isFromBank: false, detail: "*"),
    Case(body: answer(amount: "-19.99"), answer: .unclear, isFromBank: false, detail: "*"),
    Case(body: answer(amount: "99999999999999999999"), answer: .unclear, isFromBank: false, detail: "*"),
    Case(body: answer("true"), answer: .unclear, isFromBank: false, detail: "*expected a string"),
    Case(body: answer(more: #","status":"error""#), answer: .unclear, isFromBank: false, detail: "*twice"),
    Case(body: "", answer: .unclear, isFromBank: false, detail: "*"),
    Case(body: "[]", answer: .unclear, isFromBank: false, detail: "*"),
    Case(body: String(answer().dropLast()), answer: .unclear, isFromBank: false, detail: "*"),
    Case(body: answer() + "x", answer: .unclear, isFromBank: false, detail: "*"),
    Case(type: "text/html", body: answer(), answer: .unclear, isFromBank: false, detail: "*media type"),
    Case(type: nil, body: answer(), answer: .unclear, isFromBank: false, detail: "*media type"),
    Case(type: "application/json5", body: answer(), answer: .unclear, isFromBank: false, detail: "*media type"),
    Case(type: "", body: answer(), answer: .unclear, isFromBank: false, detail: "*media type"),
    // A status that says it all.
    Case(status: 500, body: answer(), answer: .unclear, isFromBank: false, detail: "the bank answers with status 500"),
    Case(status: 503, body: answer(#""error""#), answer: .unclear, isFromBank: false, detail: "*503"),
    Case(status: 401, body: answer(#""error""#), answer: .unclear, isFromBank: false, detail: "*401"),
    Case(status: 403, body: answer(), answer: .unclear, isFromBank: false, detail: "*403"),
    Case(status: 429, body: answer(), answer: .unclear, isFromBank: false, detail: "*429"),
    Case(status: 400, body: answer(#""error""#), answer: .unclear, detail: "*400"),
    Case(status: 201, body: answer(), answer: .unclear, detail: "*201"),
    Case(status: 302, body: "", answer: .unclear, detail: "*302"),
    // 404 is common.
    Case(status: 404, body: notFound, answer: .unclear, detail: "*404"),
    Case(call: .inquire, status: 404, type: "text/plain", body: "no such payment", answer: .unclear, detail: "*media"),
    Case(call: .inquire, status: 404, body: #"{"detail":"Not Found"}"#, answer: .unclear, detail: "*not the bank's"),
    Case(
      call: .inquire, status: 404, body: #"{"operation_id":"\#(other)","error":"no such payment"}"#, answer: .unclear,
      detail: "*not the bank's"),
    Case(
      call: .inquire, status: 404, body: #"{"error":"no such payment"}"#, answer: .unclear, detail: "*not the bank's"),
    Case(call: .inquire, body: notFound, answer: .unclear, isFromBank: false, detail: "the answer has no currency"),
  ]

  @Test(arguments: cases) func `an answer counts when everything in it fits`(item: Case) {
    let reader = BankAnswerReader(item.call, operationID: operation, userID: user, amount: price)
    let reading = reader.read(status: item.status, mediaType: item.type, body: Array(item.body.utf8))
    #expect(reading.reply.answer == item.answer && reading.isFromBank == item.isFromBank)
    if item.detail.hasPrefix("*") {
      #expect(!reading.reply.detail.isEmpty && reading.reply.detail.contains(item.detail.dropFirst()))
    } else {
      #expect(reading.reply.detail == item.detail)
    }
  }

  @Test func `amounts of other currencies are as exact`() {
    for (code, minorUnits, text) in [
      ("JPY", 1_999, "1999"), ("KWD", 1, "0.001"), ("EUR", Int64.max, "92233720368547758.07"),
    ] {
      let reader = BankAnswerReader(
        .charge, operationID: operation, userID: user, amount: Money(minorUnits: minorUnits, Currency(code)!))
      let body = Self.answer(amount: text, currency: code)
      #expect(reader.read(status: 200, mediaType: "application/json", body: Array(body.utf8)).reply.answer == .approved)
    }
  }

  private func reply(_ body: String) -> BankReply {
    BankAnswerReader(.charge, operationID: operation, userID: user, amount: price)
      .read(status: 200, mediaType: "application/json", body: Array(body.utf8)).reply
  }

  @Test func `a token is kept, unless it is none`() {
    #expect(reply(Self.answer(more: #","card_token":"tok_1""#)).token == "tok_1")
    #expect(reply(Self.answer(#""error""#, more: #","card_token":"tok_1""#)).token == nil)
    for token in ["", "4242424242424242", #"a\u0000"#, String(repeating: "x", count: 256)] {
      #expect(reply(Self.answer(more: #","card_token":"\#(token)""#)).token == nil)
    }
  }

  @Test func `the bank's words are shown without what must not be shown`() {
    func detail(_ error: String) -> String { reply(Self.answer(#""error""#, error: error)).detail }
    #expect(detail(#"no\nmoney\u001b"#) == "no money ")
    #expect(detail(String(repeating: "ä", count: 200)).utf8.count == 254)
    #expect(detail("card 4242 4242 4242 4242 is stolen") == "the bank's words hold card data and are left out")
    let cut = String(repeating: "x", count: 250) + "4242424242424242"
    #expect(detail(cut) == "the bank's words hold card data and are left out")
  }

  @Test func `an answer cut anywhere or too long is unclear`() {
    let body = Self.answer()
    for length in 0..<body.utf8.count { #expect(reply(String(body.prefix(length))).answer == .unclear) }
    let long = Self.answer(more: #","x":"\#(String(repeating: "x", count: 17_000))""#)
    #expect(reply(long).answer == .unclear)
  }
}
