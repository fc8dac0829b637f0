public import DirectDomain

/// Who asked for the states of a direct payment, as far as a person or a caller did.
public struct Requesters: Sendable, Hashable {
  /// Who decided its review.
  public let reviewer: String?
  /// Who asked for its cancel.
  public let canceller: String?

  /// The names of those who are known.
  public init(reviewer: String? = nil, canceller: String? = nil) {
    self.reviewer = reviewer
    self.canceller = canceller
  }

  /// Who asked for a state; nil for what the programs did by themselves, and where the name is not known.
  /// - Parameters:
  ///   - reason: that of the state.
  ///   - before: the state before it; nil for the first one.
  public func requester(_ reason: PaymentReason?, after before: PaymentState?) -> String? {
    if reason == .cancelled { return canceller }
    // A review that nobody decided in time has no reviewer.
    return before == .review || reason == .reviewDeclined ? reviewer : nil
  }

  /// Who asked for the states of a payment, by their versions.
  /// - Parameter states: in their order.
  public func requesters(of states: [PaymentStanding]) -> [Int64: String] {
    var found: [Int64: String] = [:]
    var before: PaymentState?
    for standing in states {
      found[standing.version] = requester(standing.reason, after: before)
      before = standing.state
    }
    return found
  }
}
