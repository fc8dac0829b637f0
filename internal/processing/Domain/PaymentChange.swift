internal import DirectDomain
internal import LedgerDomain
internal import Values

/// The changes that transitions are made of, on a copy of the payment that is dropped unless the step changes it.
struct PaymentChange {
  private(set) var payment: ProcessedPayment
  let now: Timestamp
  private let rules: PaymentRules
  private let before: PaymentState
  private var effects = StepEffects()

  init(_ payment: ProcessedPayment, rules: PaymentRules, now: Timestamp) {
    self.payment = payment
    self.now = now
    self.rules = rules
    before = payment.state
  }

  /// Whether it is a card that has waited for the bank for as long as it may.
  var isCardOverdue: Bool {
    guard payment.needsCardNumber, payment.stage == .ready, let due = payment.due else { return false }
    return due <= now
  }

  // MARK: - Transitions

  /// To PROCESSING: the bank has certainly not been asked. Whoever has room at the bank may ask it, after `wait`; for a
  /// card only the process that has the number, until the time is up.
  mutating func makeReady(after wait: Duration = .zero) -> StepOutcome {
    payment.stage = .ready
    if payment.needsCardNumber {
      payment.due = payment.since + rules.cardWait
    } else {
      payment.claim = nil
      payment.due = now + wait
    }
    return enter(.processing, nil)
  }

  /// As `makeReady`, for a payment that was asked for and not sent.
  mutating func makeReadyAgain() -> StepOutcome { makeReady(after: rules.retryWait(since: payment.since, at: now)) }

  /// To REVIEW. Nobody has the payment meanwhile.
  mutating func waitForReview() -> StepOutcome {
    let until = now + rules.reviewTimeout
    payment.stage = .review(until: until)
    payment.claim = nil
    payment.due = until
    return enter(.review, .reviewRequired)
  }

  /// "Asked at" now.
  mutating func noteAsked(by claim: Claim) -> StepOutcome {
    payment.stage = .asked(at: now)
    payment.claim = claim
    payment.due = nil
    effects.call = payment.refund == nil ? .charge : .refund
    return enter(.processing, nil)
  }

  /// To UNKNOWN: the bank is asked what became of it, by whoever comes first.
  mutating func becomeUnknown(askedAt: Timestamp) -> StepOutcome {
    payment.stage = .unknown(askedAt: askedAt)
    payment.claim = nil
    payment.due = nextInquiry(askedAt)
    return enter(.unknown, .bankUnclear)
  }

  /// From PROCESSING back to UNKNOWN: what was said not to be sent has been answered.
  mutating func doubtReady(askedAt: Timestamp) -> StepOutcome {
    effects.exception = .chargeDoubtful
    return becomeUnknown(askedAt: askedAt)
  }

  /// The bank has answered and did not tell: it is asked again by the schedule, not only when an answer is overdue.
  mutating func planInquiry() -> StepOutcome {
    guard case .unknown(let askedAt) = payment.stage else { return .ignored }
    let next = nextInquiry(askedAt)
    guard let due = payment.due, next < due else { return .ignored }
    payment.due = next
    return enter(payment.state, payment.reason)
  }

  /// Asks for a reversal, for the first time.
  mutating func reverse(askedAt: Timestamp) -> StepOutcome {
    payment.stage = .reversing(askedAt: askedAt)
    payment.inquiries = 0
    return inquire(.reverse)
  }

  /// Has the next process that has room ask for a reversal, for the first time.
  mutating func planReversal(askedAt: Timestamp) -> StepOutcome {
    payment.stage = .reversing(askedAt: askedAt)
    payment.inquiries = 0
    payment.due = now
    return enter(payment.state, payment.reason)
  }

  /// Asks by turns for the reversal and what became of the payment: a bank that does not know reversals, or not the
  /// payment, may still come to say that it has declined.
  mutating func reverseOrInquire() -> StepOutcome {
    if payment.inquiries >= rules.patienceForReversals { effects.exception = .reversalNotAcknowledged }
    return inquire(rules.hasReversals && payment.inquiries.isMultiple(of: 2) ? .reverse : .inquire)
  }

  /// Asks about a payment, or for its reversal; again later unless that settles it.
  mutating func inquire(_ call: BankCall) -> StepOutcome {
    payment.inquiries = min(payment.inquiries + 1, Int(Int32.max))
    switch payment.stage {
    case .unknown(let askedAt): payment.due = max(nextInquiry(askedAt), now + rules.answerWait)
    case .reversing:
      payment.due = max(
        rules.nextReversal(after: payment.inquiries, at: now, spread: spread), now + rules.answerWait)
    case .claimed, .review, .ready, .asked, .done: return .ignored
    }
    effects.call = call
    return enter(payment.state, payment.reason)
  }

  /// Who has decided its review.
  mutating func note(reviewer: String) { payment.reviewer = reviewer }

  /// To a final state. Its hold is posted when it is COMPLETED and given back otherwise; when the ledger refuses that,
  /// the payment waits for a person.
  mutating func end(
    _ state: PaymentState, _ reason: PaymentReason?, _ ledger: inout LedgerBatch
  ) -> StepOutcome {
    if payment.hasHold {
      let hold = TransferID.of(payment.id, .payment)
      let outcome = ledger.decide(state == .completed ? .post(hold: hold) : .void(hold: hold))
      // A transfer that is there already is somebody else's: ours are written with the payment.
      guard outcome == .created else { return waitForLedger() }
      payment.hasHold = false
    }
    payment.stage = .done
    payment.claim = nil
    payment.due = nil
    return enter(state, reason)
  }

  /// Reserves the money. - Returns: the rejection when the ledger refuses.
  mutating func hold(_ ledger: inout LedgerBatch) -> StepOutcome? {
    let rejection = rejection(ledger.decide(.hold(movement)), &ledger)
    payment.hasHold = rejection == nil
    return rejection
  }

  /// Moves the money of a payment that needs no bank.
  mutating func pay(_ ledger: inout LedgerBatch) -> StepOutcome {
    rejection(ledger.decide(.single(movement)), &ledger) ?? end(.completed, nil, &ledger)
  }

  /// Begins a refund that has just been made: its money is reserved, or moved where no bank is asked.
  mutating func openRefund(_ ledger: inout LedgerBatch) -> StepOutcome {
    payment.due = now
    guard payment.method.needsBank else { return pay(&ledger) }
    return hold(&ledger) ?? enter(.processing, nil)
  }

  // MARK: - Parts of them

  private var movement: TransferRequest.Movement {
    TransferRequest.Movement(
      id: TransferID.of(payment.id, .payment), debit: payment.debit, credit: payment.credit, amount: payment.amount)
  }

  private mutating func rejection(_ outcome: TransferOutcome, _ ledger: inout LedgerBatch) -> StepOutcome? {
    let reason: PaymentReason
    switch outcome {
    case .created: return nil
    case .refused(.insufficientFunds): reason = .insufficientFunds
    // A transfer that is there already is somebody else's: ours are written with the payment.
    case .exists, .refused: reason = .ledgerRefused
    }
    return payment.refund?.cause.isAutomatic ?? false ? waitForMoney(reason) : end(.rejected, reason, &ledger)
  }

  /// Nobody is there to be told that an automatic refund is refused: it waits until the payee has the money. A person
  /// is told once.
  private mutating func waitForMoney(_ reason: PaymentReason) -> StepOutcome {
    if payment.reason == nil { effects.exception = .refundRefused }
    payment.claim = nil
    payment.due = now + rules.retryWait(since: payment.since, at: now)
    return enter(.processing, reason)
  }

  /// The books are broken: what the bank said stays open until a person has mended them.
  private mutating func waitForLedger() -> StepOutcome {
    effects.exception = .ledgerRefused
    guard case .asked(let askedAt) = payment.stage else { return .contradicted(.ledgerRefused) }
    return becomeUnknown(askedAt: askedAt)
  }

  private mutating func enter(_ state: PaymentState, _ reason: PaymentReason?) -> StepOutcome {
    payment.reason = reason
    guard state != before else { return .changed(effects) }
    payment.state = state
    payment.version += 1
    effects.isPublished = true
    return .changed(effects)
  }

  /// From the payment's id, so that equal payments are spread and a repeated decision is the same.
  private var spread: Double { Double(payment.id.low >> 16 & 0xFFFF) / 65_536 }

  private func nextInquiry(_ askedAt: Timestamp) -> Timestamp {
    rules.nextInquiry(after: payment.inquiries, askedAt: askedAt, at: now, spread: spread)
  }
}
