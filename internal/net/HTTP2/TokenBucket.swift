internal import Values

/// A rate limit for a peer: a burst, and a rate per second in the long run.
struct TokenBucket {
  private let burst: Int
  private let perSecond: Int
  private var left: Int
  private var refilled: Instant

  init(burst: Int, perSecond: Int, now: Instant) {
    self.burst = burst
    self.perSecond = perSecond
    left = burst
    refilled = now
  }

  /// - Returns: false when the bucket is empty.
  mutating func spend(_ now: Instant) -> Bool {
    // The clock is read only once the burst is spent.
    if left == 0 { refill(now) }
    guard left > 0 else { return false }
    left -= 1
    return true
  }

  /// Adds tokens for frames of ours that the peer answers with frames.
  mutating func credit(_ count: Int) { left = min(burst, left + count) }

  private mutating func refill(_ now: Instant) {
    let elapsed = min((now - refilled).inNanoseconds, 3_600_000_000_000)
    left = min(burst, Int(Double(elapsed) / 1e9 * Double(perSecond)))
    // The fraction of a token is carried over.
    if left > 0 { refilled = now }
  }
}
