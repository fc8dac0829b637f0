internal import Money
public import Values

/// Decides about the payments of one transaction, one after the other, and counts each for those after it.
///
/// Pure. The caller has locked the keys and has read their histories under the locks.
public struct RiskBatch: Sendable {
  private let rules: RiskRules
  private let failure: RiskFailure
  private let now: Timestamp
  private let lists: [RiskKey: Set<RiskList>]
  /// The histories of the keys that are counted.
  private var histories: [RiskKey: RiskHistory]
  /// The keys whose histories could not be read. Payments that they count are decided by `failure`.
  private let damaged: Set<RiskKey>
  /// Whether anything could be read.
  private let isBlind: Bool
  /// The keys that have counted a payment of this batch.
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
    self.failure = failure
    now = Timestamp(microseconds: 0)
    (histories, damaged, lists) = ([:], [], [:])
    isBlind = true
  }

  /// Decides about a payment, once. What is not blocked is counted.
  @discardableResult
  public mutating func decide(_ payment: RiskPayment) -> RiskDecision {
    let evidence = evidence(payment)
    let decision = rules.decide(payment.facts, evidence)
    records.append(
      RiskRecord(paymentID: payment.id, facts: payment.facts, evidence: evidence, decision: decision))
    if decision.verdict != .block { count(payment) }
    return decision
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
    return .features(RiskFeatures(listing: listing(payment), usage: usage))
  }

  private func listing(_ payment: RiskPayment) -> RiskListing? {
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
    for key in payment.earlierKeys where damaged.contains(key) {
      histories[key] = RiskHistory()
      counted.insert(key)
    }
  }
}
