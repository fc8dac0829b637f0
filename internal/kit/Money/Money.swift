/// An amount in the smallest unit of its currency: 1999 EUR is 19.99 €, 1999 JPY is ¥1,999.
///
/// There is no arithmetic across currencies, and none that traps: sums of what strangers send are checked by whoever
/// forms them.
public struct Money: Sendable, Hashable, CustomStringConvertible {
  /// The amount in minor units. Signed, because balances and differences can be negative.
  public let minorUnits: Int64
  /// The currency.
  public let currency: Currency

  /// An amount of money.
  public init(minorUnits: Int64, _ currency: Currency) {
    self.minorUnits = minorUnits
    self.currency = currency
  }

  /// The amount in major units with all digits of the currency: `-0.05 EUR`, `1999 JPY`, `1.000 KWD`.
  public var description: String { "\(decimal) \(currency)" }

  /// The amount in major units with all digits of the currency, without the currency.
  public var decimal: String {
    let digits = String(minorUnits.magnitude)
    let sign = minorUnits < 0 ? "-" : ""
    let exponent = currency.exponent
    guard exponent > 0 else { return sign + digits }
    let padded = String(repeating: "0", count: max(0, exponent + 1 - digits.count)) + digits
    return sign + padded.dropLast(exponent) + "." + padded.suffix(exponent)
  }
}
