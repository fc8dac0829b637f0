public import Values

/// The limits of a group commit.
public struct GroupCommitLimits: Sendable, Hashable {
  /// Maximum number of calls in one transaction.
  public var batch = 256
  /// Maximum number of waiting calls; further calls are refused at once.
  public var queue = 16_384
  /// Maximum number of connections in use at a time.
  public var drains = 2
  /// How long a batch may take before a second connection serves the calls that wait behind it.
  public var stuckAfter = Duration.milliseconds(50)
  /// How often a transaction is tried while it loses against concurrent ones.
  public var attempts = 5
  /// How long a call may take when its deadline is later or there is none.
  public var patience = Duration.seconds(10)

  /// The limits that suit most uses.
  public init() {}

  /// When to answer a call whatever happens: a little before its deadline, so that the answer still arrives.
  public func giveUp(before deadline: Instant, now: Instant) -> GiveUp {
    let latest = min(deadline, now + patience)
    let left = latest - now
    return GiveUp(time: latest - min(.milliseconds(100), left / 10), isDeadline: deadline <= latest)
  }
}

/// The time by which a call is answered whatever happens.
public struct GiveUp: Sendable, Hashable {
  /// Answered at this time at the latest.
  public let time: Instant
  /// Whether the caller's own deadline sets the time, and not our patience.
  public let isDeadline: Bool

  /// A time and who sets it.
  public init(time: Instant, isDeadline: Bool) {
    self.time = time
    self.isDeadline = isDeadline
  }
}
