internal import DirectDomain
public import LedgerDomain
internal import RiskDomain
public import Values

/// Decides what a step does to a payment: the one table of transitions.
///
/// Pure. The caller has locked the payment's row, has found the claimant's epoch in force under a lock of the owner's
/// row, and writes payment, transfers, attempt and event in one transaction.
///
/// - The bank is asked to charge only after `ask`, which nobody but the claimant can take, and never again once it may
///   have been asked. Only an answer that says "nothing was sent" makes a payment ready again.
/// - A payment whose charge is open ends in one of three ways: the bank says approved, the bank says declined, or the
///   bank acknowledges a reversal. Once a reversal was asked for, approved is not one of them.
/// - A final state stays. An answer that contradicts it is for a person.
/// - Money goes back by itself only on evidence that nothing later can undo: `chargedNotCompleted` is found against a
///   final state that no reversal has led to. What the bank says of an open payment may still be undone.
/// - A refund is a payment in the other direction: "to charge" is to give the money back.
public struct PaymentEngine: Sendable {
  /// The times and limits that it decides by.
  public let rules: PaymentRules

  /// An engine with these times.
  public init(rules: PaymentRules) { self.rules = rules }

  /// Carries out a step.
  /// - Parameters:
  ///   - now: the database's time.
  ///   - ledger: decides the payment's transfers; it has been given both accounts, the hold and its resolution. It
  ///     changes only when the payment does.
  public func apply(
    _ step: PaymentStep, to payment: inout ProcessedPayment, at now: Timestamp, ledger: inout LedgerBatch
  ) -> StepOutcome {
    var change = PaymentChange(payment, rules: rules, now: now)
    let outcome = decide(step, &change, &ledger)
    if case .changed = outcome { payment = change.payment }
    return outcome
  }

  private func decide(_ step: PaymentStep, _ change: inout PaymentChange, _ ledger: inout LedgerBatch) -> StepOutcome {
    switch step {
    case .assess(let verdict, let claim): assess(verdict, by: claim, &change, &ledger)
    case .review(let approves, let person): review(approves: approves, by: person, &change, &ledger)
    case .ask(let claim, let asked): ask(by: claim, after: asked, &change, &ledger)
    case .charged(let answer, let askedAt): charged(answer, askedAt: askedAt, &change, &ledger)
    case .inquired(let answer, let askedAt): inquired(answer, askedAt: askedAt, &change, &ledger)
    case .reversed(let answer): reversed(answer, &change, &ledger)
    case .stated(let answer, let period): stated(answer, covering: period, &change, &ledger)
    case .cancel: cancel(&change, &ledger)
    case .fallDue: fallDue(&change, &ledger)
    case .takeOver(let owner): takeOver(from: owner, &change, &ledger)
    }
  }

  // MARK: - Risk and review

  private func assess(
    _ verdict: RiskVerdict, by claim: Claim, _ change: inout PaymentChange, _ ledger: inout LedgerBatch
  ) -> StepOutcome {
    guard change.payment.stage == .claimed, change.payment.claim == claim else { return .ignored }
    switch verdict {
    case .block: return change.end(.rejected, .riskBlocked, &ledger)
    case .allow: return change.makeReady()
    case .review:
      if change.payment.needsCardNumber {
        return rules.rejectsCardReviews ? change.end(.rejected, .reviewRequired, &ledger) : change.makeReady()
      }
      // The balance must not be spent while the person thinks.
      if change.payment.method == .balance, let refusal = change.hold(&ledger) { return refusal }
      return change.waitForReview()
    }
  }

  private func review(
    approves: Bool, by person: String, _ change: inout PaymentChange, _ ledger: inout LedgerBatch
  ) -> StepOutcome {
    guard case .review = change.payment.stage else {
      return .refused(change.payment.state.isFinal ? .alreadyFinal : .notInReview)
    }
    change.note(reviewer: person)
    guard approves else { return change.end(.rejected, .reviewDeclined, &ledger) }
    if change.payment.method == .balance { return change.end(.completed, nil, &ledger) }
    return change.makeReady()
  }

  // MARK: - The bank

  private func ask(by claim: Claim, after asked: Timestamp?, _ change: inout PaymentChange, _ ledger: inout LedgerBatch)
    -> StepOutcome
  {
    let isOwn = change.payment.claim == claim
    switch change.payment.stage {
    case .ready:
      guard asked == nil, isOwn || change.payment.claim == nil else { return .ignored }
      // After an outage whoever comes first ends it: a card that has waited too long is not charged.
      if change.isCardOverdue { return change.end(.error, .bankUnavailable, &ledger) }
    case .asked(let at): guard asked == at, isOwn else { return .ignored }
    case .claimed, .review, .unknown, .reversing, .done: return .ignored
    }
    guard change.payment.method.needsBank else { return change.pay(&ledger) }
    if !change.payment.hasHold, let refusal = change.hold(&ledger) { return refusal }
    return change.noteAsked(by: claim)
  }

  private func charged(
    _ answer: BankAnswer, askedAt asked: Timestamp, _ change: inout PaymentChange, _ ledger: inout LedgerBatch
  ) -> StepOutcome {
    switch change.payment.stage {
    case .asked(let askedAt):
      switch answer {
      case .approved: return change.end(.completed, nil, &ledger)
      case .declined: return change.end(.rejected, .bankDeclined, &ledger)
      case .notSent: return asked == askedAt ? change.makeReadyAgain() : .ignored
      case .reversed, .noSuchPayment, .unclear: return change.becomeUnknown(askedAt: askedAt)
      }
    case .unknown: return resolve(answer, &change, &ledger)
    case .reversing: return resolveReversing(answer, &change, &ledger)
    case .done: return compare(answer, change.payment)
    // Nothing was sent, somebody has said: it was.
    case .ready where answer == .approved && change.payment.hasHold: return change.doubtReady(askedAt: asked)
    case .claimed, .review, .ready: return answer == .approved ? .contradicted(.chargeDoubtful) : .ignored
    }
  }

  private func inquired(
    _ answer: BankAnswer, askedAt asked: Timestamp, _ change: inout PaymentChange, _ ledger: inout LedgerBatch
  ) -> StepOutcome {
    switch change.payment.stage {
    case .unknown(let askedAt):
      guard answer == .noSuchPayment, rules.hasReversals, asked >= rules.countsFrom(askedAt) else {
        return resolve(answer, &change, &ledger)
      }
      return change.reverse(askedAt: askedAt)
    case .reversing: return resolveReversing(answer, &change, &ledger)
    case .done: return compare(answer, change.payment)
    case .claimed, .review, .ready, .asked: return .ignored
    }
  }

  private func resolve(_ answer: BankAnswer, _ change: inout PaymentChange, _ ledger: inout LedgerBatch) -> StepOutcome
  {
    switch answer {
    case .approved: change.end(.completed, nil, &ledger)
    case .declined: change.end(.rejected, .bankDeclined, &ledger)
    case .reversed: change.end(.error, .bankNeverCharged, &ledger)
    case .noSuchPayment, .notSent, .unclear: change.planInquiry()
    }
  }

  /// An answer of whatever kind to a payment whose reversal was asked for.
  private func resolveReversing(
    _ answer: BankAnswer, _ change: inout PaymentChange, _ ledger: inout LedgerBatch
  ) -> StepOutcome {
    switch answer {
    // It will not charge under this id, whether or not it knows reversals.
    case .declined: change.end(.rejected, .bankDeclined, &ledger)
    case .reversed: change.end(.error, .bankNeverCharged, &ledger)
    // The reversal decides; what the bank did before it is undone by it.
    case .approved, .noSuchPayment, .notSent, .unclear: .ignored
    }
  }

  private func reversed(_ answer: BankAnswer, _ change: inout PaymentChange, _ ledger: inout LedgerBatch) -> StepOutcome
  {
    switch change.payment.stage {
    // That it has charged says here that it refuses the reversal. A later one may be acknowledged all the same.
    case .reversing where answer == .approved: .contradicted(.reversalNotAcknowledged)
    case .reversing: resolveReversing(answer, &change, &ledger)
    case .done: compare(answer, change.payment)
    case .claimed, .review, .ready, .asked, .unknown: .ignored
    }
  }

  /// The statement is the bank's last word about a charge, unless a reversal was asked for: that decides.
  private func stated(
    _ answer: BankAnswer, covering period: ClosedRange<Timestamp>?, _ change: inout PaymentChange,
    _ ledger: inout LedgerBatch
  ) -> StepOutcome {
    switch (change.payment.stage, answer) {
    case (.done, .noSuchPayment): return .ignored
    case (.done, _): return compare(answer, change.payment)
    case (.unknown(let askedAt), .noSuchPayment):
      guard isMissing(askedAt, in: period) else { return .ignored }
      return rules.hasReversals ? change.planReversal(askedAt: askedAt) : change.end(.error, .bankNeverCharged, &ledger)
    case (.reversing(let askedAt), .noSuchPayment):
      guard isMissing(askedAt, in: period), !rules.hasReversals else { return .ignored }
      return change.end(.error, .bankNeverCharged, &ledger)
    case (.asked, .approved), (.unknown, .approved): return change.end(.completed, nil, &ledger)
    case (.asked, .declined), (.unknown, .declined): return change.end(.rejected, .bankDeclined, &ledger)
    case (.asked, .reversed), (.unknown, .reversed): return change.end(.error, .bankNeverCharged, &ledger)
    case (.reversing, _): return resolveReversing(answer, &change, &ledger)
    // Nothing was sent, somebody has said: it was. It must not be asked for again.
    case (.ready, .approved) where change.payment.hasHold: return change.end(.completed, nil, &ledger)
    case (.ready, .declined) where change.payment.hasHold: return change.end(.rejected, .bankDeclined, &ledger)
    case (.ready, .reversed) where change.payment.hasHold: return change.end(.error, .bankNeverCharged, &ledger)
    case (.claimed, .approved), (.review, .approved), (.ready, .approved): return .contradicted(.chargeDoubtful)
    case (.asked, _), (.unknown, _), (.claimed, _), (.review, _), (.ready, _): return .ignored
    }
  }

  /// Whether a statement of this time must list what was asked for then.
  private func isMissing(_ askedAt: Timestamp, in period: ClosedRange<Timestamp>?) -> Bool {
    guard let period else { return false }
    return period.lowerBound <= askedAt && rules.countsFrom(askedAt) <= period.upperBound
  }

  /// An answer to a payment that is final.
  private func compare(_ answer: BankAnswer, _ payment: ProcessedPayment) -> StepOutcome {
    switch (answer, payment.state == .completed) {
    // The bank has said that it has undone it: this may be a word of before, and only the bank knows.
    case (.approved, false) where payment.reason == .bankNeverCharged: .contradicted(.chargeDoubtful)
    case (.approved, false): .contradicted(.chargedNotCompleted)
    case (.declined, true), (.reversed, true): .contradicted(.completedNotCharged)
    default: .ignored
    }
  }

  // MARK: - Cancel, time, and the end of a claim

  private func cancel(_ change: inout PaymentChange, _ ledger: inout LedgerBatch) -> StepOutcome {
    switch change.payment.stage {
    case .claimed, .review, .ready: change.end(.rejected, .cancelled, &ledger)
    case .asked, .unknown, .reversing: .refused(.bankAlreadyAsked)
    case .done: .refused(.alreadyFinal)
    }
  }

  private func fallDue(_ change: inout PaymentChange, _ ledger: inout LedgerBatch) -> StepOutcome {
    guard let due = change.payment.due, due <= change.now else { return .ignored }
    switch change.payment.stage {
    case .review: return change.end(.rejected, .reviewTimeout, &ledger)
    case .ready where change.isCardOverdue: return change.end(.error, .bankUnavailable, &ledger)
    case .unknown: return change.inquire(.inquire)
    case .reversing: return change.reverseOrInquire()
    case .claimed, .ready, .asked, .done: return .ignored
    }
  }

  private func takeOver(
    from owner: UniqueID, _ change: inout PaymentChange, _ ledger: inout LedgerBatch
  ) -> StepOutcome {
    guard change.payment.claim?.owner == owner else { return .ignored }
    let isCard = change.payment.needsCardNumber
    switch change.payment.stage {
    case .claimed where isCard, .ready where isCard: return change.end(.error, .cardDataLost, &ledger)
    // Risk decides in the transaction that claims, and only cards stay claimed until they are asked for. Somebody else
    // has written this, and the bank was not asked.
    case .claimed: return change.end(.error, .bankUnavailable, &ledger)
    case .ready: return change.makeReady()
    case .asked(let askedAt): return change.becomeUnknown(askedAt: askedAt)
    case .review, .unknown, .reversing, .done: return .ignored
    }
  }
}
