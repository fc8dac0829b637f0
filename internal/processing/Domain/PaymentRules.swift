internal import Values

/// The times by which payments are decided.
public struct PaymentRules: Sendable, Hashable {
  /// How long after "asked at" the request to charge may be sent. Later it is written anew.
  public static let sendWithin = Duration.seconds(2)

  /// How long the bank may take to answer.
  public var bankTimeout: Duration
  /// How long after a request the bank may still not show it.
  public var bankHorizon: Duration
  /// Whether the bank has reversals. Without them a payment that it does not know stays UNKNOWN until a statement.
  public var hasReversals: Bool
  /// How long a person has for a review.
  public var reviewTimeout: Duration
  /// How long a card waits for the bank.
  public var cardWait: Duration
  /// Whether a card that should be reviewed is rejected; otherwise it is allowed. Its number cannot wait for a person.
  public var rejectsCardReviews: Bool

  /// The defaults of the settings.
  public init(
    bankTimeout: Duration = .seconds(30), bankHorizon: Duration = .seconds(600), hasReversals: Bool = true,
    reviewTimeout: Duration = .seconds(86_400), cardWait: Duration = .seconds(120), rejectsCardReviews: Bool = true
  ) {
    self.bankTimeout = bankTimeout
    self.bankHorizon = bankHorizon
    self.hasReversals = hasReversals
    self.reviewTimeout = reviewTimeout
    self.cardWait = cardWait
    self.rejectsCardReviews = rejectsCardReviews
  }

  /// From when on the bank's "no such payment" counts.
  func countsFrom(_ askedAt: Timestamp) -> Timestamp { askedAt + countsAfter }

  /// How long after "asked at" the bank may still come to have a payment that it does not show.
  public var countsAfter: Duration { Self.sendWithin + bankTimeout + bankHorizon }

  /// How long a question to the bank is given until it is asked again, in case its answer is lost with its process.
  var answerWait: Duration { bankTimeout + .seconds(5) }

  /// How long a payment waits that could not be sent: half of its age, so that it is tried less and less often.
  func retryWait(since: Timestamp, at now: Timestamp) -> Duration {
    let age = now.microseconds.subtracting(saturating: since.microseconds)
    return .microseconds(min(max(age / 2, 1_000_000), 60_000_000))
  }

  /// When the bank is asked next.
  /// - Parameters:
  ///   - inquiries: how often it was asked.
  ///   - askedAt: when it was asked to charge.
  ///   - spread: from 0 to below 1, by how much of a tenth to wait longer, so that many payments do not ask at once.
  func nextInquiry(after inquiries: Int, askedAt: Timestamp, at now: Timestamp, spread: Double) -> Timestamp {
    let waits: [Duration] = [.seconds(1), .seconds(5), .seconds(30), .seconds(300)]
    func later(_ wait: Duration) -> Timestamp { now + wait + wait * (spread / 10) }
    if inquiries < waits.count { return later(waits[inquiries]) }
    let counts = countsFrom(askedAt)
    if now < counts { return max(later(.seconds(1)), counts + .seconds(1) + .seconds(60) * spread) }
    return later(inquiries <= waits.count + 1 ? .seconds(3_600) : .seconds(86_400))
  }

  /// After how many calls of a payment that is being reversed a person has to look: every other one asks for the
  /// reversal, so that the bank has not acknowledged five.
  var patienceForReversals: Int { 9 }

  /// When the bank is asked next about a payment that is being reversed.
  /// - Parameter calls: how often it was asked since the reversal began.
  func nextReversal(after calls: Int, at now: Timestamp, spread: Double) -> Timestamp {
    let waits = [1, 5, 30, 60, 300, 300, 600, 600, 1_800, 3_600]
    let wait = Duration.seconds(calls < waits.count ? waits[max(0, calls)] : 86_400)
    return now + wait + wait * (spread / 10)
  }
}
