internal import Cards
internal import GatewayDomain
internal import Values

/// What a request is known by when its idempotency key comes again: an HMAC of its canonical form. The first of the
/// keys signs, all match, so that keys can be changed while requests are repeated.
struct RequestDigest: Sendable {
  /// What is kept.
  let fingerprint: String
  private let all: @Sendable () -> [String]

  /// - Parameter keys: those under which cards are known, too; a card's fingerprint and its request's have one key.
  init(_ request: PaymentRequest, _ keys: CardFingerprintKeys) {
    let canonical = request.canonical(cardFingerprint: request.card?.fingerprint(keys))
    fingerprint = Hexadecimal.text(keys.sign(canonical.span.bytes))
    all = {
      guard let card = request.card else { return Self.all(canonical, keys) }
      return card.allFingerprints(keys).enumerated().map { index, fingerprint in
        Self.all(request.canonical(cardFingerprint: fingerprint), keys)[index]
      }
    }
  }

  /// - Parameter canonical: the request in one spelling; it begins with no digit.
  init(of canonical: [UInt8], _ keys: CardFingerprintKeys) {
    fingerprint = Hexadecimal.text(keys.sign(canonical.span.bytes))
    all = { Self.all(canonical, keys) }
  }

  private static func all(_ canonical: [UInt8], _ keys: CardFingerprintKeys) -> [String] {
    keys.all(canonical.span.bytes).map(Hexadecimal.text)
  }

  /// Whether a kept fingerprint is of the same request.
  func matches(_ kept: String) -> Bool { kept == fingerprint || all().contains(kept) }
}
