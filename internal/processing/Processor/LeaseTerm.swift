internal import ProcessingDomain
internal import Values

/// The claim of this process, and what is known of its lease. Pure: time is an argument.
struct LeaseTerm: Sendable, Hashable {
  /// The claim that we have, as far as we know.
  private(set) var claim: Claim?
  /// When the lease was last renewed, counted from before that was asked for.
  private var renewed = Instant(nanoseconds: 0)
  /// Since when it is renewed in time.
  private var steady = Instant(nanoseconds: 0)
  private let length: Duration

  /// No claim yet.
  init(length: Duration) { self.length = length }

  /// The lease was registered or renewed, which was asked for at `began`.
  mutating func hold(_ claim: Claim, from began: Instant) {
    // An outage that keeps others from renewing until their leases are over shows in the time between two of ours: they
    // renew three times as often as a lease lasts.
    let isInTime = self.claim == claim && renewed + length * 2 / 3 > began
    if !isInTime { steady = began }
    (self.claim, renewed) = (claim, began)
  }

  /// Somebody has taken our work over, or we end.
  mutating func lose() { claim = nil }

  /// Whether the lease lasts.
  func isHeld(at now: Instant) -> Bool { claim != nil && renewed + length > now }

  /// Whether other leases that are over are so for want of their owners: ours has been renewed in time for as long as
  /// one lasts, so everybody could have. After an outage of the database everybody's lease is over.
  func mayTakeOver(at now: Instant) -> Bool { claim != nil && steady + length <= now }
}
