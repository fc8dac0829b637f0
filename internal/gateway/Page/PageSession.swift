internal import Cards
internal import Crypto
internal import GatewayDomain
internal import Values

/// A browser's visit: a cookie that is signed, and nothing that is kept here. The key that somebody has logged in with
/// is named by its digest, so that it is looked up at each call: a revoked one ends the session at once.
struct PageSession: Sendable, Hashable {
  /// How long a visit lasts.
  static let lifetime = Duration.seconds(12 * 3_600)

  /// Makes the tokens of forms; random.
  let nonce: UniqueID
  /// The secret of the API key that was shown; nil for nobody's.
  let key: APIKeyDigest?
  /// Seconds since 1970.
  let ends: Int64

  init(nonce: UniqueID, key: APIKeyDigest?, ends: Int64) {
    self.nonce = nonce
    self.key = key
    self.ends = ends
  }

  /// A new visit.
  init(key: APIKeyDigest?, now: Timestamp) {
    self.init(nonce: .random(), key: key, ends: (now + Self.lifetime).microseconds / 1_000_000)
  }

  /// Reads a cookie; nil for one that was not signed here or has ended.
  init?(_ cookie: String, _ keys: CardFingerprintKeys, now: Timestamp) {
    let parts = cookie.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 4, let nonce = UniqueID(parts[0]), let ends = Int64(parts[1]) else { return nil }
    let digest = parts[2] == "-" ? nil : Hexadecimal.bytes(parts[2].utf8).flatMap { APIKeyDigest(bytes: $0) }
    guard digest != nil || parts[2] == "-" else { return nil }
    self.init(nonce: nonce, key: digest, ends: ends)
    guard now.microseconds / 1_000_000 < ends, Self.isSigned("session \(content)", parts[3], keys) else { return nil }
  }

  /// The cookie's value.
  func cookie(_ keys: CardFingerprintKeys) -> String { "\(content).\(Self.signature("session \(content)", keys))" }

  /// What each form of the visit carries, so that no other site's form is taken for ours.
  func token(_ keys: CardFingerprintKeys) -> String { Self.signature("form \(content)", keys) }

  /// Whether a form carries the token.
  func hasToken(_ token: String, _ keys: CardFingerprintKeys) -> Bool { Self.isSigned("form \(content)", token, keys) }

  /// Who pays where a visitor names nobody.
  var visitor: UniqueID { UniqueID(digest: SHA256.digest(of: "visitor \(nonce)".utf8.span.bytes)) }

  private var content: String { "\(nonce).\(ends).\(key.map { Hexadecimal.text($0.bytes) } ?? "-")" }

  /// The text begins with a word of ours: the keys also sign card numbers and requests.
  static func signature(_ text: String, _ keys: CardFingerprintKeys) -> String {
    Hexadecimal.text(keys.sign("page \(text)".utf8.span.bytes))
  }

  /// Whether a text was signed here, as something of the pages.
  static func isSigned(_ text: String, _ signature: String, _ keys: CardFingerprintKeys) -> Bool {
    guard let given = Hexadecimal.bytes(signature.utf8), given.count == 32 else { return false }
    var isSigned = false
    for code in keys.all("page \(text)".utf8.span.bytes)
    where areEqualInConstantTime(code.span.bytes, given.span.bytes) { isSigned = true }
    return isSigned
  }
}

/// The cookies of a request.
enum Cookies {
  /// The value of the first cookie of that name.
  static func value(_ name: String, in headers: [String]) -> String? {
    for header in headers {
      for pair in header.split(separator: ";") {
        let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard halves.count == 2, halves[0].drop(while: { $0 == " " }) == name else { continue }
        return String(halves[1])
      }
    }
    return nil
  }
}
