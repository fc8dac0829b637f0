public import Values

/// Keeps an absent or slow Redis from costing a timeout each time: after a failure it is left alone for a while, then
/// one caller tries it, and the rest follow when that went well.
///
/// Pure: it is told what happens and when, and answers whether to ask.
public struct RedisBreaker: Sendable {
  /// Where it stands.
  public enum State: Sendable, Hashable {
    /// Redis is asked.
    case closed
    /// Redis failed and is not asked before this moment.
    case open(until: Instant)
    /// One try is under way.
    case halfOpen
  }

  /// The present state.
  public private(set) var state = State.closed
  private let first: Duration
  private let limit: Duration
  private var rest: Duration

  /// - Parameters:
  ///   - rest: how long Redis is left alone after a failure; doubled with each failed try, up to `limit`.
  public init(rest: Duration = .seconds(1), limit: Duration = .seconds(10)) {
    precondition(rest > .zero && limit >= rest, "breaker: rest must be above zero and not above its limit")
    self.first = rest
    self.limit = limit
    self.rest = rest
  }

  /// Whether Redis may be asked now. A yes must be followed by `succeeded` or `failed`.
  public mutating func allows(at now: Instant) -> Bool {
    switch state {
    case .closed: return true
    case .halfOpen: return false
    case .open(let until):
      if now < until { return false }
      // Can transition to closed or, with a longer rest, to open.
      state = .halfOpen
      return true
    }
  }

  /// Redis answered.
  public mutating func succeeded() {
    state = .closed
    rest = first
  }

  /// Redis did not answer, or not in time.
  public mutating func failed(at now: Instant) {
    // While closed, several askers may fail for the same reason: the rest grows with failed tries only.
    if state == .halfOpen { rest = min(rest * 2, limit) }
    state = .open(until: now + rest)
  }
}
