public import Values

/// When a card payment that nobody has claimed counts as forgotten. Pure.
///
/// While a database is away, no gateway can claim the cards that it has in memory. So after such trouble none counts as
/// forgotten until all was well for as long as a claim may take.
public struct ClaimPatience: Sendable {
  private let timeout: Duration
  private var trouble: Instant?

  /// - Parameter timeout: how long a claim may take.
  public init(_ timeout: Duration) { self.timeout = timeout }

  /// Claims cannot be made just now.
  public mutating func noteTrouble(at now: Instant) { trouble = now }

  /// Whether payments that nobody has claimed for so long may be ended.
  public func isOver(at now: Instant) -> Bool { trouble.map { now >= $0 + timeout } ?? true }
}
