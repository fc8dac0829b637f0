internal import Values

/// What a peer may cost us: so much at once, so much a second in the long run.
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

  /// - Returns: false when nothing is left.
  mutating func spend(_ now: Instant) -> Bool {
    // The clock is only asked for once the burst is spent.
    if left == 0 { refill(now) }
    guard left > 0 else { return false }
    left -= 1
    return true
  }

  /// Gives back for work of ours that asks the peer for frames.
  mutating func credit(_ count: Int) { left = min(burst, left + count) }

  private mutating func refill(_ now: Instant) {
    let elapsed = min((now - refilled).inNanoseconds, 3_600_000_000_000)
    left = min(burst, Int(Double(elapsed) / 1e9 * Double(perSecond)))
    // What does not make a whole token yet is kept.
    if left > 0 { refilled = now }
  }
}
