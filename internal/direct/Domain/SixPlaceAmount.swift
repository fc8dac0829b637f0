public import Values

/// An amount as a decimal number, exactly as it was given: what PostgreSQL calls numeric(20, 6).
public struct SixPlaceAmount: Sendable, Hashable, JSONRepresentable {
  /// The most digits before the point.
  public static let wholeDigits = 14
  /// The most digits behind the point.
  public static let decimals = 6

  /// Why a text is no such amount.
  public enum Fault: Error, Sendable, Hashable, CaseIterable {
    /// It is no decimal number.
    case malformed
    /// Infinity or not a number.
    case notFinite
    /// Zero or less.
    case notPositive
    /// Too many digits before the point.
    case tooManyDigits
    /// Too many digits behind the point.
    case tooManyDecimals
  }

  /// The digits before the point, without leading zeros; `0` for none.
  private let whole: [UInt8]
  /// The digits behind the point, without trailing zeros.
  private let fraction: [UInt8]

  /// Reads an amount as Python's Decimal does: digits with a point or without, a sign, an exponent.
  public init(_ text: some StringProtocol) throws(Fault) {
    var rest = Array(text.utf8)[...]
    var isNegative = false
    if let sign = rest.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
      isNegative = sign == UInt8(ascii: "-")
      rest = rest.dropFirst()
    }
    let word = String(decoding: rest, as: UTF8.self).lowercased()
    if ["inf", "infinity", "nan", "snan"].contains(word) { throw .notFinite }
    var digits = Self.digits(&rest)
    var places = 0
    if rest.first == UInt8(ascii: ".") {
      rest = rest.dropFirst()
      let decimals = Self.digits(&rest)
      places = decimals.count
      digits += decimals
    }
    guard !digits.isEmpty else { throw .malformed }
    places -= try Self.exponent(rest)
    digits = Array(digits.drop { $0 == UInt8(ascii: "0") })
    guard !digits.isEmpty, !isNegative else { throw .notPositive }
    while digits.last == UInt8(ascii: "0") {
      digits.removeLast()
      places -= 1
    }
    guard places <= Self.decimals else { throw .tooManyDecimals }
    guard digits.count - places <= Self.wholeDigits else { throw .tooManyDigits }
    let zero = UInt8(ascii: "0")
    if places <= 0 {
      (whole, fraction) = (digits + [UInt8](repeating: zero, count: -places), [])
    } else {
      let padded = [UInt8](repeating: zero, count: max(0, places + 1 - digits.count)) + digits
      (whole, fraction) = (Array(padded.dropLast(places)), Array(padded.suffix(places)))
    }
  }

  private static func digits(_ rest: inout ArraySlice<UInt8>) -> [UInt8] {
    let digits = rest.prefix { (0x30...0x39).contains($0) }
    rest = rest.dropFirst(digits.count)
    return Array(digits)
  }

  /// - Returns: an exponent; one of many digits as one that no amount has.
  private static func exponent(_ text: ArraySlice<UInt8>) throws(Fault) -> Int {
    guard let first = text.first else { return 0 }
    guard first | 0x20 == UInt8(ascii: "e") else { throw .malformed }
    var rest = text.dropFirst()
    var isNegative = false
    if let sign = rest.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
      isNegative = sign == UInt8(ascii: "-")
      rest = rest.dropFirst()
    }
    let digits = digits(&rest)
    guard !digits.isEmpty, rest.isEmpty else { throw .malformed }
    let significant = digits.drop { $0 == UInt8(ascii: "0") }
    let value = significant.count > 6 ? 1_000_000 : significant.reduce(0) { $0 * 10 + Int($1) - 0x30 }
    return isNegative ? -value : value
  }

  /// The shortest spelling without an exponent: `12.5`, `10`.
  public var text: String { String(decoding: bytes, as: UTF8.self) }

  private var bytes: [UInt8] { fraction.isEmpty ? whole : whole + [UInt8(ascii: ".")] + fraction }

  /// Appends a number: an integer where it is one.
  public func appendJSON(to bytes: inout [UInt8]) { bytes += self.bytes }

  /// In units of a currency's smallest, what is less than one of them counted as one; the highest number where it does
  /// not fit in 64 bits.
  /// - Parameter exponent: decimals of the currency.
  public func minorUnits(exponent: Int) -> Int64 {
    let kept = fraction.prefix(exponent)
    let zeros = [UInt8](repeating: UInt8(ascii: "0"), count: max(0, exponent - kept.count))
    var value: Int64 = 0
    for digit in whole + kept + zeros {
      let (scaled, isTooBig) = value.multipliedReportingOverflow(by: 10)
      let (sum, carries) = scaled.addingReportingOverflow(Int64(digit) - 0x30)
      if isTooBig || carries { return .max }
      value = sum
    }
    return fraction.count > kept.count ? value.adding(saturating: 1) : value
  }
}
