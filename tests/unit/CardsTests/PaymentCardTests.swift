import Cards
import Testing
import Values

/// A card as a request has it.
func details(json: String) throws -> CardDetails {
  var scanner = try JSONScanner(Array(json.utf8), maximumBytes: 4_096)
  let details = try CardDetails(reading: &scanner)
  try scanner.end()
  return details
}

func details(
  _ number: String = "4242424242424242", _ month: Int = 12, _ year: Int = 2030, cvv: String = "123",
  holder: String = "N N"
) throws -> CardDetails {
  try details(
    json: #"{"number":"\#(number)","exp_month":\#(month),"exp_year":\#(year),"cvv":"\#(cvv)","holder":"\#(holder)"}"#)
}

let noon = Timestamp("2026-11-26T12:00:00.000000Z")!

@Suite struct PaymentCardTests {
  private func fault(_ details: CardDetails, at now: Timestamp = noon) -> String {
    do throws(CardFault) {
      _ = try PaymentCard(details, at: now)
      return "none"
    } catch {
      return "\(error.field.rawValue) \(error.code.rawValue)"
    }
  }

  private func secrets(of card: PaymentCard) -> [String] {
    card.withSecrets { number, cvv in
      [
        number.withUnsafeBytes { String(decoding: $0, as: UTF8.self) },
        cvv.withUnsafeBytes { String(decoding: $0, as: UTF8.self) },
      ]
    }
  }

  /// The networks' own test numbers.
  @Test(arguments: [
    ("4242424242424242", CardBrand.visa), ("4222222222222", .visa), ("5555555555554444", .mastercard),
    ("2223003122003222", .mastercard), ("6011111111111117", .discover), ("30569309025904", .diners),
    ("36227206271667", .diners), ("3566002020360505", .jcb), ("6200000000000005", .unionpay),
    ("6759649826438453", .maestro), ("2200123456789019", .mir), ("1111222233334444", .unknown),
  ])
  func `the beginning of the number is the brand`(number: String, brand: CardBrand) throws {
    let card = try PaymentCard(details(number), at: noon)
    #expect(card.brand == brand)
    #expect(card.last4 == String(number.suffix(4)))
    #expect(card.holder == "N N" && card.expMonth == 12 && card.expYear == 2030)
    #expect(secrets(of: card) == [number, "123"])
  }

  @Test func `American Express has 15 digits and a CVV of four`() throws {
    #expect(try PaymentCard(details("378282246310005", cvv: "1234"), at: noon).brand == .amex)
    #expect(try fault(details("378282246310005", cvv: "123")) == "cvv wrong_length")
  }

  @Test(arguments: [
    ("4242424242424241", "number luhn"), ("424242424242424", "number wrong_length"), ("", "number wrong_length"),
    ("42424242424242424242", "number wrong_length"), ("4242 4242 4242 4242", "number not_digits"),
    ("٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢", "number not_digits"), ("5555555555554444000", "number wrong_length"),
  ])
  func `a wrong number is refused by what is wrong with it`(number: String, fault expected: String) throws {
    #expect(try fault(details(number)) == expected)
  }

  @Test(arguments: ["12", "1234", "", "12a", "12 "])
  func `a wrong CVV is refused`(cvv: String) throws {
    #expect(try fault(details(cvv: cvv)).hasPrefix("cvv "))
  }

  @Test func `a card is valid until its month has ended everywhere`() throws {
    #expect(try fault(details("4242424242424242", 11, 2026)) == "none")
    #expect(try fault(details("4242424242424242", 10, 2026)) == "exp_month expired")
    #expect(try fault(details("4242424242424242", 12, 2025)) == "exp_year expired")
    let almost = try #require(Timestamp("2026-12-01T11:59:59.000000Z"))
    #expect(try fault(details("4242424242424242", 11, 2026), at: almost) == "none")
    #expect(try fault(details("4242424242424242", 11, 2026), at: almost + .seconds(1)) == "exp_month expired")
    #expect(try fault(details("4242424242424242", 1, 2052)) == "exp_year out_of_range")
    #expect(try fault(details("4242424242424242", 1, 30)) == "exp_year out_of_range")
    for month in [0, 13, -1, Int.max, Int.min] {
      #expect(try fault(details("4242424242424242", month, 2030)) == "exp_month out_of_range")
    }
  }

  @Test func `what is missing or null is named`() throws {
    let fields = [
      ("number", #""4242424242424242""#), ("exp_month", "12"), ("exp_year", "2030"), ("cvv", #""123""#),
    ]
    for (index, field) in fields.enumerated() {
      let others = fields.enumerated().filter { $0.offset != index }.map { #""\#($0.element.0)":\#($0.element.1)"# }
      #expect(try fault(details(json: "{\(others.joined(separator: ","))}")) == "\(field.0) missing")
      let null = (others + [#""\#(field.0)":null"#]).joined(separator: ",")
      #expect(try fault(details(json: "{\(null)}")) == "\(field.0) missing")
    }
    let without = fields.map { #""\#($0.0)":\#($0.1)"# }.joined(separator: ",")
    #expect(try PaymentCard(details(json: "{\(without)}"), at: noon).holder == nil)
  }

  @Test func `a holder is text, and no number`() throws {
    #expect(try fault(details(holder: #"a\u0000b"#)) == "holder malformed")
    #expect(try fault(details(holder: String(repeating: "x", count: 256))) == "holder malformed")
    #expect(try fault(details(holder: "4242 4242 4242 4242")) == "holder card_number")
  }

  @Test func `escapes of JSON are resolved in the secrets, too`() throws {
    let card = try PaymentCard(details(#"\u0034242424242424242"#, cvv: #"1\u00323"#), at: noon)
    #expect(secrets(of: card) == ["4242424242424242", "123"])
  }

  @Test(arguments: [
    #"{"number":4242424242424242}"#, #"{"number":"4242424242424242"#, #"{"cvv":987x}"#, #"{"cvv":"98\7"}"#,
    #"{"exp_month":"12"}"#, #"{"exp_year":20.30}"#, #"{"number":"4242424242424242","number":"1"}"#,
    #"{"number":"4242424242424242" 9}"#, #"{"cvv":098}"#, "[]",
  ])
  func `what is no such object is refused without a value`(json: String) {
    let error = #expect(throws: JSONError.self) { try details(json: json) }
    let text = "\(error.map { "\($0)" } ?? "")".split(separator: ":").dropFirst().joined()
    #expect(!text.contains("42") && !text.contains("98") && !text.contains("\"9\""), "\(text)")
  }

  @Test func `nothing shows a secret`() throws {
    let card = try PaymentCard(details(cvv: "987"), at: noon)
    var dumped = ""
    dump(card, to: &dumped)
    let seen = "\(card) \(String(reflecting: card)) \(dumped)"
    #expect("\(card)" == "visa …4242")
    #expect(!seen.contains("424242") && !seen.contains("987"))
  }

  @Test(arguments: [
    ("no money", false), ("code 123", true), ("code 1234", false), ("x123y", true), ("card 4242424242424242", true),
    ("004242424242424242421", true), ("4242 4242 4242 4242", true), ("4242", false), ("", false),
  ])
  func `a foreign text that quotes the card is found out`(text: String, isQuoted: Bool) throws {
    #expect(try PaymentCard(details(), at: noon).isQuoted(in: text) == isQuoted)
  }
}
