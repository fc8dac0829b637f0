public import Values

/// What an API key is good for. The raw values are those of the tables, and stay.
public enum APIKeyScope: String, Sendable, Hashable, CaseIterable {
  /// Makes and cancels payments.
  case pay
  /// Reads everything.
  case read
  /// Refunds payments.
  case refund
  /// Opens accounts, and moves money onto them and from them.
  case ledger
  /// Approves and declines payments in REVIEW.
  case review
}

/// An API key, without its secret.
public struct APIKey: Sendable, Hashable {
  /// Payments and idempotency keys belong to it.
  public let id: UniqueID
  /// For people; audit trails have it. No two keys ever have the same.
  public let name: String
  /// What it is good for.
  public let scopes: Set<APIKeyScope>
  /// Calls a second, from 1 to `maximumRate`; nil for no limit.
  public let rate: Int?
  /// When it was made.
  public let createdAt: Timestamp
  /// When it ends by itself.
  public let expiresAt: Timestamp?
  /// When it was revoked.
  public let revokedAt: Timestamp?

  /// The highest limit on calls a second.
  public static let maximumRate = 1_000_000
  /// The longest name, in bytes.
  public static let maximumName = 64

  /// A key as a table has it.
  public init(
    id: UniqueID, name: String, scopes: Set<APIKeyScope>, rate: Int?, createdAt: Timestamp, expiresAt: Timestamp?,
    revokedAt: Timestamp?
  ) {
    self.id = id
    self.name = name
    self.scopes = scopes
    self.rate = rate
    self.createdAt = createdAt
    self.expiresAt = expiresAt
    self.revokedAt = revokedAt
  }

  /// Whether a text may be a name: letters, digits and `.`, `_`, `-`, `@`, so that a log line and a header can have it.
  public static func isName(_ text: String) -> Bool {
    (1...maximumName).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
          || [0x2D, 0x2E, 0x40, 0x5F].contains(byte)
      }
  }
}
