public import Values

/// What a bucket gives.
public struct RateGrant: Sendable, Hashable {
  /// How many of those that asked may go on.
  public let granted: Int
  /// How many more may go on now.
  public let remaining: Int
  /// How long until the next one may; zero while some remain.
  public let wait: Duration

  /// - Parameters: as above.
  public init(granted: Int, remaining: Int, wait: Duration) {
    self.granted = granted
    self.remaining = remaining
    self.wait = wait
  }
}

/// A token bucket: it holds as many calls as may be made in a second, and gets them back evenly. Pure.
///
/// It keeps one moment, that at which it is full again (the generic cell rate algorithm), so that Redis needs one value
/// for it, too: `RateScript` decides the same.
public struct RateBucket: Sendable {
  private var fullAt: Instant?

  /// A full bucket.
  public init() {}

  /// Whether it is full, and may be forgotten.
  public func isFull(at now: Instant) -> Bool { fullAt.map { $0 <= now } ?? true }

  /// Takes as many as there are, at most `count`.
  /// - Parameter rate: calls a second, from 1 to `APIKey.maximumRate`.
  public mutating func take(_ count: Int, of rate: Int, at now: Instant) -> RateGrant {
    precondition((1...APIKey.maximumRate).contains(rate) && count >= 0, "a rate of 1 to \(APIKey.maximumRate)")
    let interval = 1_000_000_000 / Int64(rate)
    let capacity = interval * Int64(rate)
    // A rate that was lowered leaves no debt beyond what the bucket holds.
    let debt = min(max(0, fullAt.map { ($0 - now).inNanoseconds } ?? 0), capacity)
    let room = Int((capacity - debt) / interval)
    let granted = min(count, room)
    let owed = debt + Int64(granted) * interval
    fullAt = now + .nanoseconds(owed)
    return RateGrant(
      granted: granted, remaining: room - granted,
      wait: room > granted ? .zero : .nanoseconds(owed + interval - capacity))
  }
}
