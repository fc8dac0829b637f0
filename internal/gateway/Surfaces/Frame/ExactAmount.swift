internal import GatewayDomain

/// An amount in major units as older systems take it, a number or a text, read exactly: whatever stands for a whole
/// number of minor units is taken, however it is written (`100`, `100.00`, `+1e2`). No Double is made.
enum ExactAmount {
  /// Why a text is no amount.
  enum Fault: Error, Hashable {
    /// It is no number.
    case notANumber
    /// `inf` or `nan` in one of their spellings.
    case notFinite
    /// Zero or less.
    case notPositive
    /// It has a part that is less than a minor unit.
    case tooManyDecimals
    /// More than `PaymentRequest.maximumAmount` minor units.
    case tooLarge
  }

  /// A number as it is written: an integer of digits, and how many of them stand behind the point.
  private struct Number {
    var isNegative = false
    var digits: [UInt8] = []
    var decimals = 0
  }

  /// The longest power of ten that is read; beyond it everything is too large or too small.
  private static let largestPower = 1_000

  /// The minor units, above zero.
  /// - Parameters:
  ///   - text: ASCII; blanks around a number are passed over.
  ///   - exponent: decimals of the currency.
  static func minorUnits(_ text: some Collection<UInt8>, exponent: Int) throws(Fault) -> Int64 {
    let number = try read(text)
    guard !number.isNegative, number.digits.contains(where: { $0 != 0 }) else { throw .notPositive }
    var digits = number.digits
    if number.decimals > exponent {
      let cut = digits.suffix(number.decimals - exponent)
      // The digits that are not there are zeros.
      guard cut.allSatisfy({ $0 == 0 }), number.decimals - exponent <= digits.count else { throw .tooManyDecimals }
      digits.removeLast(cut.count)
    } else {
      guard exponent - number.decimals <= largestPower else { throw .tooLarge }
      digits += [UInt8](repeating: 0, count: exponent - number.decimals)
    }
    var value: Int64 = 0
    for digit in digits {
      guard value <= PaymentRequest.maximumAmount else { throw .tooLarge }
      value = value * 10 + Int64(digit)
    }
    guard value <= PaymentRequest.maximumAmount else { throw .tooLarge }
    return value
  }

  private static func read(_ text: some Collection<UInt8>) throws(Fault) -> Number {
    var number = Number()
    var rest = Array(text)[...]
    while let first = rest.first, isBlank(first) { rest.removeFirst() }
    while let last = rest.last, isBlank(last) { rest.removeLast() }
    if let sign = rest.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
      number.isNegative = sign == UInt8(ascii: "-")
      rest.removeFirst()
    }
    if isWord(rest) { throw .notFinite }
    number.digits = digits(&rest)
    if rest.first == UInt8(ascii: ".") {
      rest.removeFirst()
      let decimals = digits(&rest)
      number.digits += decimals
      number.decimals = decimals.count
    }
    guard !number.digits.isEmpty else { throw .notANumber }
    if let letter = rest.first, letter | 0x20 == UInt8(ascii: "e") {
      rest.removeFirst()
      number.decimals -= try power(&rest)
    }
    guard rest.isEmpty else { throw .notANumber }
    return number
  }

  private static func power(_ rest: inout ArraySlice<UInt8>) throws(Fault) -> Int {
    var isNegative = false
    if let sign = rest.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
      isNegative = sign == UInt8(ascii: "-")
      rest.removeFirst()
    }
    let digits = digits(&rest)
    guard !digits.isEmpty else { throw .notANumber }
    let power = digits.reduce(0) { min(largestPower + 1, $0 * 10 + Int($1)) }
    return isNegative ? -power : power
  }

  private static func digits(_ rest: inout ArraySlice<UInt8>) -> [UInt8] {
    let digits = rest.prefix { (0x30...0x39).contains($0) }
    rest = rest.dropFirst(digits.count)
    return digits.map { $0 - 0x30 }
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

  private static func isWord(_ text: ArraySlice<UInt8>) -> Bool {
    let word = String(decoding: text.map { $0 | 0x20 }, as: UTF8.self)
    return word == "inf" || word == "infinity" || word == "nan"
  }
}
