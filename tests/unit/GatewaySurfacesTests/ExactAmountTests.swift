import Testing

@testable import GatewaySurfaces

@Suite struct ExactAmountTests {
  private func read(_ text: String, _ exponent: Int = 2) -> String {
    do throws(ExactAmount.Fault) {
      return "\(try ExactAmount.minorUnits(Array(text.utf8), exponent: exponent))"
    } catch {
      return "\(error)"
    }
  }

  @Test(arguments: [
    ("100", "10000"), ("100.0", "10000"), ("100.00", "10000"), ("100.000000", "10000"), ("999.99", "99999"),
    ("0.01", "1"), (".5", "50"), ("5.", "500"), ("+7", "700"), ("007", "700"), ("  1.5\n", "150"), ("1e2", "10000"),
    ("1E+2", "10000"), ("12345e-3", "tooManyDecimals"), ("12350e-3", "1235"), ("1e-2", "1"),
    ("9999999999999.99", "999999999999999"),
  ]) func `an amount is exact however it is written`(_ text: String, _ expected: String) {
    #expect(read(text) == expected)
  }

  @Test(arguments: [
    ("", "notANumber"), (" ", "notANumber"), (".", "notANumber"), ("1,5", "notANumber"), ("1e", "notANumber"),
    ("1_000", "notANumber"), ("0x10", "notANumber"), ("abc", "notANumber"), ("1 2", "notANumber"),
    ("inf", "notFinite"), ("-Infinity", "notFinite"), ("NaN", "notFinite"), ("+INF", "notFinite"),
    ("0", "notPositive"), ("0.00", "notPositive"), ("-0", "notPositive"), ("-5", "notPositive"), ("0e9", "notPositive"),
    ("0.001", "tooManyDecimals"), ("1.999", "tooManyDecimals"), ("1e-999999999999999999999", "tooManyDecimals"),
    ("10000000000000", "tooLarge"), ("1e999999999999999999999", "tooLarge"), ("1e300", "tooLarge"),
    ("99999999999999999999999999", "tooLarge"),
  ]) func `what is no amount is refused`(_ text: String, _ expected: String) { #expect(read(text) == expected) }

  @Test func `a currency without decimals takes whole amounts only`() {
    #expect(read("100.00", 0) == "100")
    #expect(read("100.5", 0) == "tooManyDecimals")
  }
}
