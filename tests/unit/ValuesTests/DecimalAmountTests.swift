import Foundation
import Randomness
import Testing
import Values

@Suite struct DecimalAmountTests {
  private func read(_ text: String, _ exponent: Int) throws(DecimalAmount.Fault) -> Int64 {
    try DecimalAmount.minorUnits(of: text.utf8, exponent: exponent)
  }

  @Test(
    arguments: [
      ("0", 2, 0), ("0.00", 2, 0), ("12", 0, 12), ("12", 2, 1_200), ("12.3", 2, 1_230), ("12.34", 2, 1_234),
      ("0.05", 2, 5), ("999.99", 2, 99_999), ("1.234", 3, 1_234), ("0.0001", 4, 1), ("0.5", 4, 5_000),
      ("9223372036854775807", 0, .max), ("92233720368547758.07", 2, .max), ("9223372036854775.807", 3, .max),
      ("922337203685477.5807", 4, .max), ("9.223372036854775807", 18, .max), ("0.1", 1, 1),
    ] as [(String, Int, Int64)])
  func `an amount is exact`(text: String, exponent: Int, units: Int64) throws {
    #expect(try read(text, exponent) == units)
    // As a number, as a string, and as a string with an escape.
    for json in [text, "\"\(text)\"", "\"\\u003\(text.first!)\(text.dropFirst())\""] {
      var scanner = try JSONScanner(Array(json.utf8), maximumBytes: 100)
      #expect(try scanner.minorUnits(exponent: exponent) == units)
      try scanner.end()
    }
  }

  @Test(
    arguments: [
      ("", 2, .empty), ("-1", 2, .sign), ("+1", 2, .sign), ("-", 2, .sign), ("-0.00", 2, .sign), ("-x", 2, .sign),
      ("01", 2, .leadingZero), ("00", 2, .leadingZero), ("007.50", 2, .leadingZero), ("01.234", 2, .leadingZero),
      ("1e3", 2, .exponentNotation), ("1E+3", 2, .exponentNotation), ("1.50e-1", 2, .exponentNotation),
      ("1e400", 2, .exponentNotation), ("1e", 2, .malformed), ("1e+", 2, .malformed), ("1e1.5", 2, .malformed),
      (".5", 2, .malformed), ("5.", 2, .malformed), (".", 2, .malformed), ("1,50", 2, .malformed),
      ("1.000.000", 2, .malformed), ("1_000", 2, .malformed), (" 1", 2, .malformed), ("1 ", 2, .malformed),
      ("0x10", 2, .malformed), ("inf", 2, .malformed), ("Infinity", 2, .malformed), ("NaN", 2, .malformed),
      ("\u{661}\u{662}", 2, .malformed), ("\u{FF11}", 2, .malformed), ("1\0", 2, .malformed), ("٫5", 2, .malformed),
      ("1.234", 2, .tooManyDecimals), ("1.00", 0, .tooManyDecimals), ("1.000", 2, .tooManyDecimals),
      ("99999999999999999999.999", 2, .tooManyDecimals), ("9223372036854775808", 0, .outOfRange),
      ("92233720368547758.08", 2, .outOfRange), ("92233720368547759", 2, .outOfRange),
      (String(repeating: "9", count: 400), 2, .outOfRange), ("18446744073709551617", 0, .outOfRange),
    ] as [(String, Int, DecimalAmount.Fault)])
  func `what is no amount says why`(text: String, exponent: Int, fault: DecimalAmount.Fault) throws {
    #expect(throws: fault) { try read(text, exponent) }
    guard !text.contains("\0") else { return }
    var scanner = try JSONScanner(Array("\"\(text)\"".utf8), maximumBytes: 1_000)
    let error = #expect(throws: JSONError.self) { try scanner.minorUnits(exponent: exponent) }
    #expect(error?.code == .notAnAmount(fault) && error?.offset == 0)
  }

  @Test(arguments: [
    ("-1", JSONError.Code.notAnAmount(.sign)), ("-0", .notAnAmount(.sign)), ("1e3", .notAnAmount(.exponentNotation)),
    ("1.5E0", .notAnAmount(.exponentNotation)), ("0.001", .notAnAmount(.tooManyDecimals)),
    ("1e999", .notAnAmount(.exponentNotation)), ("99999999999999999999", .notAnAmount(.outOfRange)),
    ("01", .unexpectedByte), ("+1", .unexpectedByte), (".5", .unexpectedByte), ("1.", .truncated),
    ("1.x", .unexpectedByte), ("NaN", .unexpectedByte), ("null", .wrongType), ("true", .wrongType),
    ("[1]", .wrongType), ("{}", .wrongType), ("", .truncated), ("\"1", .truncated),
  ])
  func `a JSON value that is no amount is refused`(text: String, code: JSONError.Code) throws {
    var scanner = try JSONScanner(Array(text.utf8), maximumBytes: 100)
    #expect(throws: JSONError.self) { try scanner.minorUnits(exponent: 2) }
    scanner = try JSONScanner(Array(text.utf8), maximumBytes: 100)
    do { _ = try scanner.minorUnits(exponent: 2) } catch { #expect(error.code == code, "\(error)") }
  }

  @Test func `an error names the field and not the value`() throws {
    var scanner = try JSONScanner(Array(#"{"amount": 12.3456}"#.utf8), maximumBytes: 100)
    try scanner.beginObject()
    #expect(try scanner.nextKey() == "amount")
    let error = #expect(throws: JSONError.self) { try scanner.minorUnits(exponent: 2) }
    #expect(error?.description == "field \"amount\" at byte 11: more decimals than the currency has")
    for fault in DecimalAmount.Fault.allCases { #expect(!fault.description.isEmpty) }
  }

  /// Foundation's decimals have 38 digits; the generated amounts have at most 37.
  @Test func `random amounts are those of Foundation's decimals`() throws {
    var random = SplitMix64(seed: 7)
    var (taken, refused) = (0, 0)
    for _ in 0..<20_000 {
      let exponent = [0, 2, 3, 4].randomElement(using: &random)!
      let text = Self.digits(upTo: 22, using: &random) + Self.decimals(upTo: 6, using: &random)
      let scaled =
        try #require(Decimal(string: text, locale: Locale(identifier: "en_US_POSIX")))
        * pow(Decimal(10), exponent)
      let decimals = text.split(separator: ".").dropFirst().first?.count ?? 0
      let isAmount = decimals <= exponent && scaled <= Decimal(Int64.max) && (text == "0" || !Self.hasLeadingZero(text))
      do throws(DecimalAmount.Fault) {
        let units = try read(text, exponent)
        #expect(isAmount && Decimal(units) == scaled, "\(text) of exponent \(exponent) was read as \(units)")
        taken += 1
      } catch {
        #expect(!isAmount, "\(text) of exponent \(exponent) was refused: \(error)")
        refused += 1
      }
    }
    #expect(taken > 2_000 && refused > 2_000, "both must be tried: \(taken) taken, \(refused) refused")
  }

  private static func hasLeadingZero(_ text: String) -> Bool {
    text.hasPrefix("0") && text.dropFirst().first.map { $0 != "." } ?? false
  }

  private static func digits(upTo count: Int, using random: inout SplitMix64) -> String {
    let digits = (0..<Int.random(in: 1...count, using: &random)).map { _ in Int.random(in: 0...9, using: &random) }
    return digits.map(String.init).joined()
  }

  private static func decimals(upTo count: Int, using random: inout SplitMix64) -> String {
    Bool.random(using: &random) ? "" : "." + digits(upTo: count, using: &random)
  }
}
