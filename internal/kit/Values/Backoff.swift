/// Waits that grow by doubling up to a limit, each drawn at random between half of it and the whole ("equal jitter"),
/// so that the clients of a server that came back do not all connect at once.
public struct Backoff: Sendable {
  private let first: Duration
  private let limit: Duration
  private var next: Duration

  /// - Parameters:
  ///   - first: the longest first wait; above zero.
  ///   - limit: the longest wait at all; not below `first`.
  public init(first: Duration = .milliseconds(50), limit: Duration = .seconds(2)) {
    precondition(first > .zero && limit >= first, "backoff: first must be above zero and not above limit")
    self.first = first
    self.limit = limit
    self.next = first
  }

  /// The wait before the next attempt.
  public mutating func nextDelay(using generator: inout some RandomNumberGenerator) -> Duration {
    let whole = next.inNanoseconds
    next = min(next * 2, limit)
    return .nanoseconds(Int64.random(in: whole / 2...whole, using: &generator))
  }

  /// The wait before the next attempt, drawn from the system's generator.
  public mutating func nextDelay() -> Duration {
    var generator = SystemRandomNumberGenerator()
    return nextDelay(using: &generator)
  }

  /// Starts over after a success.
  public mutating func reset() { next = first }
}
