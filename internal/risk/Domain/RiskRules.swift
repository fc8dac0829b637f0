internal import DirectDomain

/// A set of rules and the scores from which on they hold a payment up.
public struct RiskRules: Sendable, Hashable {
  /// The rules, in the order of their file.
  public let rules: [RiskRule]
  /// The score from which on a person decides, from 1 to 100.
  public let review: Int
  /// The score from which on a payment is blocked, from 1 to 100, which no score reaches.
  public let block: Int

  /// A set of rules; those that come from outside are read by `init(file:review:block:)`.
  public init(rules: [RiskRule], review: Int = 65, block: Int = 75) {
    self.rules = rules
    self.review = review
    self.block = block
  }

  /// What payments are counted by: a subject that no rule limits takes neither locks nor rows. A user's cards and
  /// accounts are remembered with the user.
  public var countedSubjects: Set<RiskSubject> {
    Set(rules.compactMap { $0.limit?.subject } + (remembers ? [.user] : []))
  }

  /// Whether a rule asks for first uses.
  public var remembers: Bool { rules.contains { $0.firstUse != nil } }

  /// Whose failures rules limit.
  public var blamedSubjects: Set<RiskSubject> {
    Set(
      rules.compactMap { rule in
        if case .failures? = rule.limit?.measure { rule.limit?.subject } else { nil }
      })
  }

  /// What may be used for the first time.
  public static let remembered: Set<RiskSubject> = [.user, .card, .account]
  /// Whose failures are counted. Those of a payee are not: anybody could hold it up.
  public static let blamed: Set<RiskSubject> = [.user, .card, .account]

  /// The reason of a decision without features.
  public static let unavailable = "features_unavailable"

  // MARK: - Decisions

  /// Decides about a payment, in integers only: the same for the same arguments, bit for bit.
  public func decide(_ facts: RiskFacts, _ evidence: RiskEvidence) -> RiskDecision {
    switch evidence {
    case .unavailable(.open): RiskDecision(verdict: .allow, score: 0, reasons: [Self.unavailable])
    // A card cannot wait for a person.
    case .unavailable(.closed):
      RiskDecision(
        verdict: facts.method == .card ? .block : .review, score: RiskDecision.maximumScore,
        reasons: [Self.unavailable])
    case .features(let features): features.listing.map(decide) ?? decide(facts, features)
    }
  }

  private func decide(_ listing: RiskListing) -> RiskDecision {
    switch listing.list {
    case .allow: RiskDecision(verdict: .allow, score: 0, reasons: [listing.reason])
    case .block: RiskDecision(verdict: .block, score: RiskDecision.maximumScore, reasons: [listing.reason])
    }
  }

  private func decide(_ facts: RiskFacts, _ features: RiskFeatures) -> RiskDecision {
    let matching = rules.enumerated().filter { $0.element.matches(facts, features) }
    let score = min(RiskDecision.maximumScore, matching.reduce(0) { $0 + $1.element.points })
    let reasons = matching.sorted { (-$0.element.points, $0.offset) < (-$1.element.points, $1.offset) }
    return RiskDecision(
      verdict: score >= block ? .block : score >= review ? .review : .allow, score: score,
      reasons: reasons.prefix(RiskDecision.maximumReasons).map(\.element.name))
  }
}
