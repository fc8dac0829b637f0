internal import Values

/// What becomes of a delivery after an attempt. Pure.
public enum WebhookSchedule {
  /// The pauses between attempts, without their jitter. The first attempt is made at once.
  public static let pauses: [Duration] = [
    .seconds(5), .seconds(300), .seconds(1_800), .seconds(7_200), .seconds(18_000), .seconds(36_000), .seconds(50_400),
    .seconds(72_000), .seconds(86_400),
  ]
  /// The attempts of a delivery, until somebody asks for more.
  public static let attempts = pauses.count + 1
  /// The longest wait that a receiver may ask for.
  public static let longestWait = Duration.seconds(86_400)

  /// How an attempt ended.
  public enum Answer: Sendable, Hashable {
    /// With an answer.
    /// - retryAfter: how long the receiver wants to be left alone.
    case status(Int, retryAfter: Duration?)
    /// Without one.
    case none
  }

  /// What comes next.
  public enum Next: Sendable, Hashable {
    /// Nothing: it was delivered.
    case delivered
    /// Another attempt after the pause.
    case retry(after: Duration)
    /// Nothing: nobody tries any more.
    case exhausted
  }

  /// What comes after an attempt.
  /// - Parameter tries: the attempts so far, this one included, since somebody has asked for it.
  public static func next(
    after answer: Answer, tries: Int64, using random: inout some RandomNumberGenerator
  ) -> Next {
    var wait = Duration.zero
    if case .status(let status, let retryAfter) = answer {
      if (200..<300).contains(status) { return .delivered }
      wait = min(max(.zero, retryAfter ?? .zero), longestWait)
    }
    guard tries >= 1, tries <= Int64(pauses.count) else { return .exhausted }
    // So that receivers that were away do not get everything at the same moment.
    let pause = pauses[Int(tries) - 1].inNanoseconds
    return .retry(after: max(wait, .nanoseconds(Int64.random(in: pause / 10 * 9...pause / 10 * 11, using: &random))))
  }
}
