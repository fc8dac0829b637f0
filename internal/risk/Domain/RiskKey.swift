public import Values

/// What payments are counted and listed by. The raw values are those of the tables and of rule files.
public enum RiskSubject: String, Sendable, Hashable, CaseIterable, Comparable {
  /// Who pays.
  case user
  /// Who is paid.
  case payee
  /// The card, by its fingerprint.
  case card
  /// The account outside that pays, by the SHA-256 of its number.
  case account

  /// By name.
  public static func < (left: RiskSubject, right: RiskSubject) -> Bool { left.rawValue < right.rawValue }
}

/// One user, payee, card or account.
public struct RiskKey: Sendable, Hashable {
  /// What it is.
  public let subject: RiskSubject
  /// The id's 16 bytes, the fingerprint, or the hash.
  public let bytes: [UInt8]
  /// What it is counted under: the first 16 bytes and the subject. Ids, fingerprints and hashes are as good as random,
  /// so no two keys share it by chance, and whoever chooses an id on purpose may pay with it just as well.
  public let id: UniqueID

  /// A key of these bytes.
  public init(_ subject: RiskSubject, _ bytes: [UInt8]) {
    self.subject = subject
    self.bytes = bytes
    id = Self.id(subject, bytes)
  }

  /// A user or payee.
  public init(_ subject: RiskSubject, _ id: UniqueID) {
    let words = [id.high, id.low]
    self.init(subject, words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * $0)) } })
  }

  private static func id(_ subject: RiskSubject, _ bytes: [UInt8]) -> UniqueID {
    var words: (high: UInt64, low: UInt64) = (0, 0)
    for place in 0..<16 {
      words.high = words.high << 8 | words.low >> 56
      words.low = words.low << 8 | (place < bytes.count ? UInt64(bytes[place]) : 0)
    }
    let tag: UInt64 =
      switch subject {
      case .user: 0
      case .payee: 0x9E37_79B9_7F4A_7C15
      case .card: 0xBF58_476D_1CE4_E5B9
      case .account: 0x94D0_49BB_1331_11EB
      }
    return UniqueID(high: words.high ^ tag, low: words.low ^ tag)
  }

  /// By all of it; the id says most, and the bytes are compared last.
  public static func == (left: RiskKey, right: RiskKey) -> Bool {
    left.id == right.id && left.subject == right.subject && left.bytes == right.bytes
  }

  /// By the id alone: an array is hashed byte by byte.
  public func hash(into hasher: inout Hasher) { hasher.combine(id) }
}
