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

  /// A key of these bytes.
  public init(_ subject: RiskSubject, _ bytes: [UInt8]) {
    self.subject = subject
    self.bytes = bytes
  }

  /// A user or payee.
  public init(_ subject: RiskSubject, _ id: UniqueID) {
    let words = [id.high, id.low]
    self.init(subject, words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * $0)) } })
  }
}
