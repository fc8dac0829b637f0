public import DirectDomain
public import Values

/// What became of a payment so far, and what a result makes of it. Pure.
public struct PaymentStanding: Sendable, Hashable {
  /// The state.
  public var state: PaymentState
  /// Why.
  public var reason: PaymentReason?
  /// The number of the state; CREATED is 1.
  public var version: Int64
  /// When the state began.
  public var since: Timestamp

  /// A state.
  public init(state: PaymentState, reason: PaymentReason?, version: Int64, since: Timestamp) {
    self.state = state
    self.reason = reason
    self.version = version
    self.since = since
  }

  /// Taken in, and nothing else.
  public init(createdAt: Timestamp) { self.init(state: .created, reason: nil, version: 1, since: createdAt) }

  /// What a result is to a payment.
  public enum Verdict: Sendable, Hashable {
    /// It is newer, and has replaced the state.
    case applied
    /// Its state is over, or known already.
    case late
    /// It says that a final state was not the last. The final state stays.
    case contradicted
  }

  /// A result with a higher version replaces the state, unless that is final; every other one is late.
  public mutating func apply(_ result: PaymentResult) -> Verdict {
    guard result.version > version else { return .late }
    guard !state.isFinal else { return .contradicted }
    self = PaymentStanding(
      state: result.state, reason: result.reason, version: result.version, since: result.occurredAt)
    return .applied
  }
}
