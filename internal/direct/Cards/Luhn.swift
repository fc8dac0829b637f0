/// The check digit of card numbers (ISO/IEC 7812-1, annex B).
enum Luhn {
  /// Whether ASCII digits end in their check digit.
  static func isValid(_ digits: RawSpan) -> Bool {
    var sum = 0
    for index in 0..<digits.byteCount {
      let digit = Int(digits.unsafeLoad(fromByteOffset: digits.byteCount - 1 - index, as: UInt8.self) & 0xF)
      let weighed = index % 2 == 1 ? digit * 2 : digit
      sum += weighed > 9 ? weighed - 9 : weighed
    }
    return sum % 10 == 0
  }
}
