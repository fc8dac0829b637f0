/// Whether a text holds what is very likely a card number: 13 to 19 digits, alone or in groups with blanks or hyphens
/// between, that end in their check digit (Luhn) and have beginning and length of a known brand.
///
/// Only whole groups count, so that longer numbers are none. 13 digits that are a barcode (EAN-13) are taken for one:
/// every tenth barcode has a check digit as cards have it, and cards of 13 digits are no longer issued. Up to 15 digits
/// after a plus sign are a telephone number (E.164).
public func containsCardNumber(_ text: some Sequence<UInt8>) -> Bool {
  var search = CardNumberSearch()
  for byte in text where search.findsNumber(with: byte) { return true }
  return search.findsNumber(with: 0)
}

/// The digits up to here, while they may belong to a card number.
struct CardNumberSearch {
  private static let lengths = 13...19
  /// The most blanks and hyphens between two groups.
  private static let longestGap = 3

  /// ASCII digits of groups that follow each other, the present one included.
  private var digits: [UInt8] = []
  /// Where in `digits` each group begins.
  private var starts: [Int] = []
  private var gap = 0
  /// Whether a plus sign stands before the first group.
  private var isTelephone = false

  /// Takes the next byte. - Returns: whether a card number has ended before it.
  mutating func findsNumber(with byte: UInt8) -> Bool {
    if (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
      if starts.isEmpty || gap > 0 { starts.append(digits.count) }
      gap = 0
      // A group that is too long for a card is remembered as that: its digits are not kept.
      if digits.count - (starts.last ?? 0) <= Self.lengths.upperBound { digits.append(byte) }
      return false
    }
    let isFound = gap == 0 && endsInNumber
    gap += 1
    let isGap = byte == UInt8(ascii: " ") || byte == UInt8(ascii: "-")
    if !isGap || gap > Self.longestGap { forget() } else { forgetWhatIsTooLong() }
    if byte == UInt8(ascii: "+") { isTelephone = true }
    return isFound
  }

  private var endsInNumber: Bool {
    starts.contains { start in
      !(isTelephone && start == 0 && digits.count <= 15)
        && Self.lengths.contains(digits.count - start)
        && Self.isNumber(digits.span.extracting(start..<digits.count).bytes)
    }
  }

  private static func isNumber(_ digits: RawSpan) -> Bool {
    let brand = CardBrand(digits: digits)
    guard brand != .unknown, brand.hasLength(digits.byteCount), Luhn.isValid(digits) else { return false }
    return digits.byteCount != 13 || !isBarcode(digits)
  }

  /// EAN-13: digits weighed by 1 and 3 in turn.
  private static func isBarcode(_ digits: RawSpan) -> Bool {
    var sum = 0
    for index in 0..<digits.byteCount {
      sum += Int(digits.unsafeLoad(fromByteOffset: index, as: UInt8.self) & 0xF) * (index % 2 == 0 ? 1 : 3)
    }
    return sum % 10 == 0
  }

  private mutating func forget() {
    digits.removeAll(keepingCapacity: true)
    starts.removeAll(keepingCapacity: true)
    gap = 0
    isTelephone = false
  }

  /// Whatever follows, a number cannot begin where more digits lie behind it than a card has.
  private mutating func forgetWhatIsTooLong() {
    guard let first = starts.firstIndex(where: { digits.count - $0 < Self.lengths.upperBound }) else { return forget() }
    let cut = starts[first]
    guard cut > 0 else { return }
    isTelephone = false
    digits.removeFirst(cut)
    starts = starts[first...].map { $0 - cut }
  }
}
