/// The name a caller gives to a call that must have one effect however often it is made.
///
/// Its description hides the text: a key may be as good as a password to whoever can repeat the call.
public struct IdempotencyKey: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible {
  /// The name of the metadata it comes in, and of the field that an error names.
  public static let field = "idempotency-key"
  /// Longest key, in bytes.
  public static let maximumBytes = 255

  /// 1 to 255 visible ASCII characters.
  public let text: String

  /// - Parameter bytes: 1 to 255 of 0x21…0x7E.
  /// - Throws: `invalidArgument` naming `field`.
  public init(_ bytes: [UInt8]) throws(PaymentError) {
    guard (1...Self.maximumBytes).contains(bytes.count) else {
      throw Self.refusal("must be 1 to \(Self.maximumBytes) bytes, found \(bytes.count)")
    }
    guard bytes.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw Self.refusal("must be visible ASCII characters without spaces")
    }
    text = String(decoding: bytes, as: UTF8.self)
  }

  /// The key of a call, from all the values it came with.
  /// - Returns: nil when there is none.
  /// - Throws: `invalidArgument` when there are several, or one that is no key.
  public static func only(of values: [[UInt8]]) throws(PaymentError) -> IdempotencyKey? {
    guard let first = values.first else { return nil }
    guard values.count == 1 else { throw refusal("must be given once, found \(values.count) values") }
    return try IdempotencyKey(first)
  }

  public var description: String { "a key of \(text.utf8.count) bytes" }
  public var debugDescription: String { description }

  private static func refusal(_ problem: String) -> PaymentError {
    PaymentError(.invalidArgument, "\(field) \(problem)", field: field)
  }
}

/// What is kept of a call that succeeded under a key.
public struct KeyedAnswer: Sendable, Hashable {
  /// The key of the call.
  public let key: IdempotencyKey
  /// The request, as `CreateCommand.fingerprint` has it.
  public let fingerprint: [UInt8]
  /// The payment as it was answered; it may have changed since.
  public let payment: Payment

  /// - Parameter payment: as it was answered.
  public init(key: IdempotencyKey, fingerprint: [UInt8], payment: Payment) {
    self.key = key
    self.fingerprint = fingerprint
    self.payment = payment
  }
}

/// What is known of the keys of a batch, while they are locked against other transactions.
public struct KeyStates: Sendable {
  /// Keys that were used before, and not too long ago.
  public var answered: [IdempotencyKey: KeyedAnswer]
  /// Keys that another transaction is using.
  public var inFlight: Set<IdempotencyKey>
  /// Keys that were used before, and whose answer cannot be read.
  public var unreadable: [IdempotencyKey: PaymentError]

  /// - Parameter answered: in the order of their use: of several for one key the last counts.
  public init(
    answered: [KeyedAnswer] = [], inFlight: Set<IdempotencyKey> = [],
    unreadable: [IdempotencyKey: PaymentError] = [:]
  ) {
    self.answered = Dictionary(answered.map { ($0.key, $0) }) { _, last in last }
    self.inFlight = inFlight
    self.unreadable = unreadable
  }
}
