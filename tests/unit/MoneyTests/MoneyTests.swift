import Testing

@testable import Money

@Suite struct MoneyTests {
  @Test(arguments: [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("ZWG", 2)])
  func `a currency has the exponent of ISO 4217`(code: String, exponent: Int) throws {
    let currency = try #require(Currency(code))
    #expect(currency.exponent == exponent && currency.code == code && "\(currency)" == code)
  }

  @Test(arguments: ["", "eur", "EU", "EURO", "XXX", "XAU", "XTS", "E\u{0}R", "ЕUR"])
  func `what is not paid with is no currency`(code: String) {
    #expect(Currency(code) == nil)
  }

  @Test(
    arguments: [
      (1999, "EUR", "19.99 EUR"), (5, "EUR", "0.05 EUR"), (-5, "EUR", "-0.05 EUR"), (0, "EUR", "0.00 EUR"),
      (1999, "JPY", "1999 JPY"), (-1, "JPY", "-1 JPY"), (1_000, "KWD", "1.000 KWD"), (12_345, "CLF", "1.2345 CLF"),
      (Int64.min, "EUR", "-92233720368547758.08 EUR"), (Int64.max, "UYW", "922337203685477.5807 UYW"),
    ] as [(Int64, String, String)])
  func `money is written with all digits of its currency`(amount: Int64, code: String, text: String) throws {
    #expect("\(Money(minorUnits: amount, try #require(Currency(code))))" == text)
  }
}
