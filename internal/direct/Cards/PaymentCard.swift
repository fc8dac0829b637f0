internal import Crypto
public import Values

/// A card that can be charged: number and CVV lie in locked memory, and nothing shows them.
public final class PaymentCard: Sendable, CustomStringConvertible {
  /// By the first digits of the number.
  public let brand: CardBrand
  /// The last four digits of the number.
  public let last4: String
  /// From 1 to 12; nil where nobody has asked for it.
  public let expMonth: Int?
  /// With all four digits; nil where nobody has asked for it.
  public let expYear: Int?
  /// The name on the card.
  public let holder: String?
  /// Keeps the secrets.
  private let details: CardDetails

  /// A card whose fields hold what they must: an unknown brand is allowed.
  /// - Parameters:
  ///   - now: the moment at which the card must be valid.
  ///   - allowsExpired: whether the card may have been valid before that only.
  public convenience init(
    _ details: CardDetails, at now: Timestamp, allowsExpired: Bool = false
  ) throws(CardFault) {
    try self.init(details) { () throws(CardFault) in try Self.expiry(details, at: now, allowsExpired) }
  }

  /// A card of a caller that tells no expiry: the bank is not told either.
  public convenience init(withoutExpiry details: CardDetails) throws(CardFault) {
    try self.init(details) { () throws(CardFault) in nil }
  }

  private init(_ details: CardDetails, expiry: () throws(CardFault) -> (Int, Int)?) throws(CardFault) {
    (brand, last4) = try Self.read(details.number)
    try Self.check(cvv: details.cvv, brand)
    let expiry = try expiry()
    (expMonth, expYear) = (expiry?.0, expiry?.1)
    try Self.check(holder: details.holder)
    holder = details.holder
    self.details = details
  }

  /// Calls the closure with the ASCII digits of number and CVV, which are there only during the call.
  public func withSecrets<Result: ~Copyable>(_ body: (_ number: RawSpan, _ cvv: RawSpan) -> Result) -> Result {
    // Both are there: init has looked.
    details.number!.withBytes { number in details.cvv!.withBytes { cvv in body(number, cvv) } }
  }

  /// Whether a foreign text, such as what a bank says of a charge, has the number in it, or the CVV as a number.
  public func isQuoted(in text: String) -> Bool {
    withSecrets { number, cvv in
      text.utf8.split { !(0x30...0x39).contains($0) }.contains { digits in
        Self.areEqual(digits, cvv)
          || digits.count >= number.byteCount
            && digits.indices.contains { Self.areEqual(digits[$0...].prefix(number.byteCount), number) }
      } || containsCardNumber(text.utf8)
    }
  }

  private static func areEqual(_ digits: Substring.UTF8View, _ secret: RawSpan) -> Bool {
    secret.withUnsafeBytes { $0.elementsEqual(digits) }
  }

  /// An HMAC-SHA-256 of the number's digits under the first key: 32 bytes.
  public func fingerprint(_ keys: CardFingerprintKeys) -> [UInt8] { withSecrets { number, _ in keys.sign(number) } }

  /// Those under all keys, the first key's first, to find what was signed by an earlier one.
  public func allFingerprints(_ keys: CardFingerprintKeys) -> [[UInt8]] {
    withSecrets { number, _ in keys.all(number) }
  }

  /// The brand and the last four digits.
  public var description: String { "\(brand.rawValue) …\(last4)" }
}

/// The checks.
extension PaymentCard {
  private static func read(_ number: borrowing SecretBytes?) throws(CardFault) -> (CardBrand, String) {
    guard number != nil else { throw CardFault(.number, .missing) }
    // It is there: the line above.
    return try number!.withBytes { (digits) -> Result<(CardBrand, String), CardFault> in
      guard areDigits(digits) else { return .failure(CardFault(.number, .notDigits)) }
      let brand = CardBrand(digits: digits)
      guard brand.hasLength(digits.byteCount) else { return .failure(CardFault(.number, .wrongLength)) }
      guard Luhn.isValid(digits) else { return .failure(CardFault(.number, .luhn)) }
      let last = digits.extracting(last: 4).withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
      return .success((brand, last))
    }.get()
  }

  private static func check(cvv: borrowing SecretBytes?, _ brand: CardBrand) throws(CardFault) {
    guard cvv != nil else { throw CardFault(.cvv, .missing) }
    let code: CardFault.Code? = cvv!.withBytes { digits in
      if !areDigits(digits) { return .notDigits }
      return brand.cvvLengths.contains(digits.byteCount) ? nil : .wrongLength
    }
    if let code { throw CardFault(.cvv, code) }
  }

  private static func areDigits(_ bytes: RawSpan) -> Bool {
    bytes.withUnsafeBytes { $0.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } }
  }

  /// A card is valid until its month has ended everywhere, which is twelve hours after it has ended in UTC.
  private static func expiry(
    _ details: CardDetails, at now: Timestamp, _ allowsExpired: Bool
  ) throws(CardFault) -> (Int, Int) {
    guard let month = details.expMonth else { throw CardFault(.expMonth, .missing) }
    guard let year = details.expYear else { throw CardFault(.expYear, .missing) }
    guard (1...12).contains(month) else { throw CardFault(.expMonth, .outOfRange) }
    let date = (now + .seconds(-12 * 3_600)).utf8Bytes
    let number = { (range: Range<Int>) in date[range].reduce(0) { $0 * 10 + Int($1) - 0x30 } }
    let (thisYear, thisMonth) = (number(0..<4), number(5..<7))
    guard year <= thisYear + Self.longestValidity, year >= 1_000 else { throw CardFault(.expYear, .outOfRange) }
    guard allowsExpired || (year, month) >= (thisYear, thisMonth) else {
      throw CardFault(year < thisYear ? .expYear : .expMonth, .expired)
    }
    return (month, year)
  }

  /// In years.
  private static let longestValidity = 25

  private static func check(holder: String?) throws(CardFault) {
    guard let holder else { return }
    let isText = holder.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) }
    guard holder.utf8.count <= CardDetails.maximumHolder, isText else { throw CardFault(.holder, .malformed) }
    if containsCardNumber(holder.utf8) { throw CardFault(.holder, .cardNumber) }
  }
}
