/// An amount of money as text, `12.34`, read exactly into an integer of minor units (cents of EUR). No Double is made.
///
/// An amount is written out: one or more digits, and after a point one or more decimals, at most as many as the
/// currency has. Decimals count as they are written: `5.00` is no amount of yen, whatever its value. Nothing else is
/// taken: no sign, no leading zero, no `1e3`, no blanks, no separators of thousands, no digits but ASCII's.
public enum DecimalAmount {
  /// Why a text is no amount. The form is looked at first, then the value.
  public enum Fault: Error, Sendable, Hashable, CaseIterable {
    /// There is no text.
    case empty
    /// It begins with `-` or `+`.
    case sign
    /// It begins with a zero that another digit follows.
    case leadingZero
    /// A number with an exponent, such as `1e3`.
    case exponentNotation
    /// Anything else: `.5`, `5.`, `1,000`, `inf`.
    case malformed
    /// More decimals than the currency has.
    case tooManyDecimals
    /// More minor units than an `Int64` holds.
    case outOfRange
  }

  /// The minor units of an amount, 0 or more.
  /// - Parameters:
  ///   - text: the bytes of the amount.
  ///   - exponent: decimals of the currency, 0 to 18: ISO 4217 has 0 (JPY), 2 (EUR), 3 (KWD) and 4 (CLF).
  public static func minorUnits(of text: some Collection<UInt8>, exponent: Int) throws(Fault) -> Int64 {
    precondition((0...18).contains(exponent), "ten to the power of the exponent must fit in 64 bits")
    return try text.withContiguousBytes { (text) throws(Fault) in try minorUnits(in: text, exponent) }
  }

  private static func minorUnits(in text: UnsafeBufferPointer<UInt8>, _ exponent: Int) throws(Fault) -> Int64 {
    guard let first = text.first else { throw .empty }
    guard first != UInt8(ascii: "-"), first != UInt8(ascii: "+") else { throw .sign }
    var position = text.startIndex
    var value: Int64? = 0
    let whole = digits(of: text, at: &position, into: &value)
    guard whole > 0 else { throw .malformed }
    var decimals = 0
    if position < text.endIndex, text[position] == UInt8(ascii: ".") {
      position += 1
      decimals = digits(of: text, at: &position, into: &value)
      guard decimals > 0 else { throw .malformed }
    }
    if position < text.endIndex { throw isExponent(text[position...]) ? .exponentNotation : .malformed }
    guard whole == 1 || first != UInt8(ascii: "0") else { throw .leadingZero }
    guard decimals <= exponent else { throw .tooManyDecimals }
    for _ in decimals..<exponent { append(0, to: &value) }
    guard let value else { throw .outOfRange }
    return value
  }

  /// Passes digits, each of which becomes the last of `value`.
  /// - Returns: how many there were.
  private static func digits(
    of text: UnsafeBufferPointer<UInt8>, at position: inout Int, into value: inout Int64?
  ) -> Int {
    var count = 0
    while position < text.endIndex, isDigit(text[position]) {
      append(Int64(text[position] - UInt8(ascii: "0")), to: &value)
      position += 1
      count += 1
    }
    return count
  }

  /// Makes `digit` the last of `value`, which becomes nil beyond 64 bits.
  private static func append(_ digit: Int64, to value: inout Int64?) {
    guard let before = value else { return }
    let (scaled, isTooBig) = before.multipliedReportingOverflow(by: 10)
    let (sum, hasCarried) = scaled.addingReportingOverflow(digit)
    value = isTooBig || hasCarried ? nil : sum
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

  /// Whether a rest is `[eE] [+-]? [0-9]+`.
  private static func isExponent(_ rest: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
    guard let first = rest.first, first | 0x20 == UInt8(ascii: "e") else { return false }
    var digits = rest.dropFirst()
    if let sign = digits.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { digits = digits.dropFirst() }
    return !digits.isEmpty && digits.allSatisfy(isDigit)
  }
}

extension DecimalAmount.Fault: CustomStringConvertible {
  /// What was expected and what was found, without the text.
  public var description: String {
    switch self {
    case .empty: "expected an amount such as 12.34, found nothing"
    case .sign: "expected an amount without a sign"
    case .leadingZero: "expected an amount without leading zeros"
    case .exponentNotation: "expected an amount written out, found one with an exponent such as 1e3"
    case .malformed: "expected an amount of digits and at most one point between them, such as 12.34"
    case .tooManyDecimals: "more decimals than the currency has"
    case .outOfRange: "an amount of more minor units than 64 bits hold"
    }
  }
}
