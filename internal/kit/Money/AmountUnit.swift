/// What a whole number of a currency stands for, where a system's messages do not say it.
public enum AmountUnit: String, Sendable, Hashable, CaseIterable {
  /// Units such as euros.
  case major
  /// The smallest units, such as cents.
  case minor

  /// So much money; nil beyond 64 bits.
  public func money(_ number: Int64, _ currency: Currency) -> Money? {
    var minorUnits = number
    for _ in 0..<(self == .major ? currency.exponent : 0) {
      let (product, overflows) = minorUnits.multipliedReportingOverflow(by: 10)
      if overflows { return nil }
      minorUnits = product
    }
    return Money(minorUnits: minorUnits, currency)
  }
}
