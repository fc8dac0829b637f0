/// The brand of a card, by the beginning of its number. The raw values are those of tables and API.
public enum CardBrand: String, Sendable, Hashable, CaseIterable {
  case visa, mastercard, amex, discover, diners, jcb, unionpay, maestro, mir
  /// None of these.
  case unknown

  /// The numbers of digits that cards of the brand have.
  var lengths: ClosedRange<Int> {
    switch self {
    case .amex: 15...15
    case .mastercard: 16...16
    case .discover, .jcb, .unionpay, .mir: 16...19
    case .diners: 14...19
    case .visa, .maestro, .unknown: 13...19
    }
  }

  /// Whether cards of the brand have so many digits.
  func hasLength(_ count: Int) -> Bool {
    lengths.contains(count) && (self != .visa || count == 13 || count == 16 || count == 19)
  }

  /// Digits of the CVV.
  var cvvLengths: ClosedRange<Int> {
    switch self {
    case .amex: 4...4
    case .unknown: 3...4
    default: 3...3
    }
  }

  /// The brand of a number of 13 digits or more.
  /// Source: the issuer identification numbers that the networks publish (ISO/IEC 7812).
  init(digits: RawSpan) {
    var first = 0
    for index in 0..<min(4, digits.byteCount) {
      first = first * 10 + Int(digits.unsafeLoad(fromByteOffset: index, as: UInt8.self) & 0xF)
    }
    switch first {
    case 4_000...4_999: self = .visa
    case 5_100...5_599, 2_221...2_720: self = .mastercard
    case 3_400...3_499, 3_700...3_799: self = .amex
    case 3_000...3_059, 3_095...3_095, 3_600...3_699, 3_800...3_999: self = .diners
    case 3_528...3_589: self = .jcb
    case 2_200...2_204: self = .mir
    case 6_011, 6_440...6_499, 6_500...6_599: self = .discover
    case 6_200...6_299, 8_100...8_199: self = .unionpay
    case 5_018, 5_020, 5_038, 5_893, 6_304, 6_759, 6_761...6_763: self = .maestro
    default: self = .unknown
    }
  }
}
