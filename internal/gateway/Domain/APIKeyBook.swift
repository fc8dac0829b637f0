public import Values

/// The SHA-256 of a secret: all that is kept of it. It needs no salt, since nobody can guess 256 random bits. It may be
/// looked up in a table: how long that takes tells of the digest, and nobody can choose a byte of one.
public struct APIKeyDigest: Sendable, Hashable {
  /// 32 bytes.
  public let bytes: [UInt8]

  /// A digest as it was computed or a table has it; nil for what is none.
  public init?(bytes: [UInt8]) {
    guard bytes.count == 32 else { return nil }
    self.bytes = bytes
  }
}

/// The API keys as they were when they were read last, and who has which. Pure.
///
/// It is believed for `maximumAge`: when keys cannot be read any more, nobody is let in by what may have been revoked.
public struct APIKeyBook: Sendable {
  /// How long what was read is believed.
  public static let maximumAge = Duration.seconds(30)
  /// The most keys that are neither revoked nor expired.
  public static let maximumKeys = 10_000

  /// A secret that is taken.
  public struct Entry: Sendable {
    /// The digest of the secret.
    public let digest: APIKeyDigest
    /// What it opens.
    public let key: APIKey
    /// When it ends by itself.
    public let until: Instant?

    /// - Parameter until: when it ends by itself, on this machine's clock.
    public init(_ digest: APIKeyDigest, _ key: APIKey, until: Instant?) {
      self.digest = digest
      self.key = key
      self.until = until
    }
  }

  /// What is known of a secret.
  public enum Verdict: Sendable, Hashable {
    /// It belongs to this key.
    case known(APIKey)
    /// It belongs to no key, or to one that has ended.
    case unknown
    /// The keys could not be read for too long.
    case stale
  }

  private let entries: [APIKeyDigest: Entry]
  private let readAt: Instant?

  /// Nothing was read yet.
  public init() {
    entries = [:]
    readAt = nil
  }

  /// - Parameter readAt: a moment before the keys were read.
  public init(_ entries: [Entry], readAt: Instant) {
    self.entries = Dictionary(entries.map { ($0.digest, $0) }, uniquingKeysWith: { first, _ in first })
    self.readAt = readAt
  }

  /// Whose secret it is.
  public func verdict(_ digest: APIKeyDigest, at now: Instant) -> Verdict {
    guard let readAt, now < readAt + Self.maximumAge else { return .stale }
    guard let entry = entries[digest] else { return .unknown }
    if let until = entry.until, now >= until { return .unknown }
    return .known(entry.key)
  }
}
