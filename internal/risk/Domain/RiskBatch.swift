internal import Money
public import Values

/// Decides about the payments of one transaction, one after the other, and counts each for those after it.
///
/// Pure. The caller has locked the keys and has read their histories under the locks.
public struct RiskBatch: Sendable {
  private let rules: RiskRules
  private let blamed: Set<RiskSubject>
  private let remembers: Bool
  private let failure: RiskFailure
  private let now: Timestamp
  private let lists: [RiskKey: Set<RiskList>]
  /// The histories of the keys that are counted.
  private var histories: [RiskKey: RiskHistory]
  /// The keys whose histories could not be read. Payments that they count are decided by `failure`.
  private let damaged: Set<RiskKey>
  /// Whether anything could be read.
  private let isBlind: Bool
  /// The keys that have counted a payment of this batch, or its failure.
  public private(set) var counted: Set<RiskKey> = []
  /// The decisions so far, in order.
  public private(set) var records: [RiskRecord] = []

  /// - Parameters:
  ///   - failure: what becomes of payments whose features cannot be had.
  ///   - histories: of all keys that are counted, but for the damaged ones.
  ///   - now: the database's time, read under the locks.
  public init(
    rules: RiskRules, failure: RiskFailure, histories: [RiskKey: RiskHistory], damaged: Set<RiskKey>,
    lists: [RiskKey: Set<RiskList>], now: Timestamp
  ) {
    self.rules = rules
    blamed = rules.blamedSubjects
    remembers = rules.remembers
    self.failure = failure
    self.histories = histories
    self.damaged = damaged
    self.lists = lists
    self.now = now
    isBlind = false
  }

  /// A batch for payments of which no feature can be had.
  public init(rules: RiskRules, failingAs failure: RiskFailure) {
    self.rules = rules
    (blamed, remembers) = ([], false)
    self.failure = failure
    now = Timestamp(microseconds: 0)
    (histories, damaged, lists) = ([:], [], [:])
    isBlind = true
  }

  /// Decides about a payment, once. What is not blocked is counted, and what is blocked has failed.
  @discardableResult
  public mutating func decide(_ payment: RiskPayment) -> RiskDecision {
    let evidence = evidence(payment)
    let decision = rules.decide(payment.facts, evidence)
    records.append(
      RiskRecord(
        paymentID: payment.id, facts: payment.facts, card: payment.keys.first { $0.subject == .card }?.bytes,
        evidence: evidence, decision: decision))
    if decision.verdict == .block { fail(payment) } else { count(payment) }
    return decision
  }

  /// Counts a payment that has failed after it was allowed.
  public mutating func fail(_ payment: RiskPayment) {
    for key in payment.keys where blamed.contains(key.subject) && (histories[key] != nil || damaged.contains(key)) {
      histories[key, default: RiskHistory()].addFailure(at: now)
      counted.insert(key)
    }
  }

  /// What the key has counted, this batch included.
  public func history(_ key: RiskKey) -> RiskHistory { histories[key] ?? RiskHistory() }

  private func evidence(_ payment: RiskPayment) -> RiskEvidence {
    guard !isBlind, payment.allKeys.allSatisfy({ !damaged.contains($0) }) else { return .unavailable(failure) }
    var usage: [RiskSubject: RiskUsage] = [:]
    for key in payment.allKeys {
      guard let counted = histories[key]?.usage(at: now, in: payment.facts.amount.currency) else { continue }
      usage[key.subject, default: RiskUsage()].add(counted)
    }
    return .features(
      RiskFeatures(
        listing: listing(payment), firstUse: firstUse(payment), failures: failures(payment), usage: usage))
  }

  private func firstUse(_ payment: RiskPayment) -> Set<RiskSubject> {
    guard remembers, let user = payment.user, let history = histories[user] else { return [] }
    // A card is known by any of its keys.
    let known = Set(payment.allKeys.filter(history.knows).map(\.subject))
    return Set(payment.keys.map(\.subject)).intersection(RiskRules.remembered).subtracting(known)
  }

  private func failures(_ payment: RiskPayment) -> [RiskSubject: Int64] {
    guard !blamed.isEmpty else { return [:] }
    var failures: [RiskSubject: Int64] = [:]
    for key in payment.allKeys where blamed.contains(key.subject) {
      guard let count = histories[key]?.failureCount(at: now), count > 0 else { continue }
      failures[key.subject] = failures[key.subject, default: 0].adding(saturating: count)
    }
    return failures
  }

  private func listing(_ payment: RiskPayment) -> RiskListing? {
    guard !lists.isEmpty else { return nil }
    let keys = payment.allKeys.sorted { $0.subject < $1.subject }
    for list in [RiskList.block, .allow] {
      if let key = keys.first(where: { lists[$0]?.contains(list) == true }) { return RiskListing(list, key.subject) }
    }
    return nil
  }

  /// A damaged history begins anew: what it had is lost anyway.
  private mutating func count(_ payment: RiskPayment) {
    for key in payment.keys where histories[key] != nil || damaged.contains(key) {
      histories[key, default: RiskHistory()].add(payment.facts.amount, at: now)
      counted.insert(key)
    }
    if remembers, let user = payment.user, histories[user] != nil {
      histories[user]?.remember(payment.keys.filter { RiskRules.remembered.contains($0.subject) })
    }
    for key in payment.earlierKeys where damaged.contains(key) {
      histories[key] = RiskHistory()
      counted.insert(key)
    }
  }
}
