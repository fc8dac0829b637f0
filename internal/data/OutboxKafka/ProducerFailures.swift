internal import Values

/// The producers that failed for good, one after the other. Pure.
struct ProducerFailures: Sendable {
  /// The longest wait before the next producer. One that is refused for want of rights is refused again within ms.
  static let longestWait = Duration.seconds(10)
  /// How long a new producer must live, connected to a broker, until the one before it is past.
  static let probation = Duration.seconds(15)

  /// How many failed since the last one that worked.
  private(set) var count = 0
  /// Why the last one failed; nil when it is past.
  private(set) var reason: String?
  private var lastFailure = Instant(nanoseconds: 0)
  private var backoff = Backoff(first: .milliseconds(200), limit: longestWait)

  /// - Returns: whether it is the first since one that worked.
  mutating func note(_ reason: String, at now: Instant) -> Bool {
    count += 1
    amend(reason, at: now)
    return count == 1
  }

  /// The next producer could not even be made.
  mutating func amend(_ reason: String, at now: Instant) {
    self.reason = reason
    lastFailure = now
  }

  mutating func nextDelay() -> Duration { backoff.nextDelay() }

  /// Something was acknowledged.
  mutating func succeed() { if count > 0 { self = ProducerFailures() } }

  /// Lets the failures be past once a producer has outlived its probation: there may be nothing to publish that a
  /// broker could acknowledge.
  mutating func look(isConnected: Bool, at now: Instant) {
    if isConnected, now - lastFailure >= Self.probation { succeed() }
  }
}
