/// What is kept of a call that was made under a key.
public struct KeptAnswer: Sendable, Hashable {
  /// The call's key.
  public let key: ScopedKey
  /// What must be equal when the key comes again: the request, or a digest of it, as text.
  public let fingerprint: String
  /// What the call was answered: a JSON text, which the table does not look into. PostgreSQL keeps its values and not
  /// its spelling: white space and the order of fields may change. Whoever must repeat bytes keeps them as a string.
  public let answer: [UInt8]

  /// - Parameters:
  ///   - key: the call's.
  ///   - fingerprint: text without NUL characters.
  ///   - answer: a JSON text in UTF-8; its user bounds its length.
  public init(key: ScopedKey, fingerprint: String, answer: [UInt8]) {
    self.key = key
    self.fingerprint = fingerprint
    self.answer = answer
  }
}

/// What is known of the keys of a batch, while its transaction holds their locks.
public struct KeyFindings: Sendable {
  /// Keys that were used within the retention, with their last answer.
  public internal(set) var answers: [ScopedKey: KeptAnswer] = [:]
  /// Keys that another transaction is using.
  public internal(set) var inFlight: Set<ScopedKey> = []

  /// Nobody has used the keys, and nobody uses them.
  public init() {}
}
