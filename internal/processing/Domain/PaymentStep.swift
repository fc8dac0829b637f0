internal import DirectDomain
public import RiskDomain
public import Values

/// What happens to a payment.
public enum PaymentStep: Sendable, Hashable {
  /// Risk has decided, for the claimant.
  case assess(RiskVerdict, by: Claim)
  /// A person has decided a review; the name is 1 to 255 bytes.
  case review(approves: Bool, by: String)
  /// A process is about to ask the bank: it takes a payment that is free, and writes "asked at". `after` is the "asked
  /// at" that it wrote before and did not send under; nil for the first time. Whoever knows less than the tables asks
  /// nothing.
  case ask(by: Claim, after: Timestamp?)
  /// The bank's answer to the charge, or to the refund. `askedAt` is the "asked at" under which it was sent: that
  /// nothing was sent says nothing about a later one.
  case charged(BankAnswer, askedAt: Timestamp)
  /// The bank's answer to the question what became of the charge. `askedAt` is when the question was asked.
  case inquired(BankAnswer, askedAt: Timestamp)
  /// The bank's answer to a reversal.
  case reversed(BankAnswer)
  /// What the bank's statement says of it; `noSuchPayment` when it is not listed. `covering` is the time in which the
  /// statement lists everything, nil when it says nothing about that: only what was asked for in it can be missing.
  case stated(BankAnswer, covering: ClosedRange<Timestamp>?)
  /// The payer does not want it any more.
  case cancel
  /// Its time has come. A payment that waits for the bank is asked for instead.
  case fallDue
  /// The process that had it does not have it any more: its lease is over, or it has lost its memory.
  case takeOver(from: UniqueID)
}

extension PaymentStep {
  /// Whether the payment shows that a wish was carried out before, as after a lost answer.
  package func isDone(in payment: ProcessedPayment) -> Bool {
    switch self {
    case .cancel: payment.reason == .cancelled
    case .review(let approves, let person):
      payment.reviewer == person && (payment.reason == .reviewDeclined) != approves
    default: false
    }
  }

  /// Whether it may end the payment because the bank or a person has said no, which risk counts. What a statement says
  /// is of the past, and would count a day's declines as those of ten minutes.
  package var mayDecline: Bool {
    switch self {
    case .charged(.declined, _), .inquired(.declined, _), .reversed(.declined), .review(approves: false, _): true
    default: false
    }
  }
}

/// What the bank says, after everything about the answer has been checked: its status, media type, ids, amount and
/// currency. The raw values are those of the table.
public enum BankAnswer: String, Sendable, Hashable, CaseIterable {
  /// It has charged.
  case approved
  /// It has refused to charge, and will not charge under this id.
  case declined
  /// It has undone the charge, or refuses it from now on.
  case reversed
  /// Its own word that it knows no such payment.
  case noSuchPayment = "no_such_payment"
  /// No byte of the request was sent.
  case notSent = "not_sent"
  /// No answer, or one that does not say what became of it.
  case unclear
}

/// What the bank is to be asked once the transaction has committed. The raw values are those of the table.
public enum BankCall: String, Sendable, Hashable, CaseIterable {
  /// To charge, within `PaymentRules.sendWithin` of "asked at", or not at all.
  case charge
  /// To give a charge's money back, within the same time.
  case refund
  /// What became of the charge.
  case inquire
  /// To undo the charge, or to refuse it from now on.
  case reverse

  /// Whether it moves money, and so is made under an "asked at" of its own.
  public var movesMoney: Bool { self == .charge || self == .refund }
}

/// Something that contradicts the books, for a person.
public enum PaymentException: String, Sendable, Hashable, CaseIterable {
  /// The bank charged what has ended here without a charge. It is given back.
  case chargedNotCompleted = "charged_not_completed"
  /// The bank says that it has charged what is still open and was not asked for as far as we know, or what it has said
  /// to have undone. Nothing is given back: it may be a word of before.
  case chargeDoubtful = "charge_doubtful"
  /// The bank has not charged, or has undone, what is COMPLETED here.
  case completedNotCharged = "completed_not_charged"
  /// The bank knew nothing of the charge, and refuses its reversal, or has not acknowledged it however often it was
  /// asked.
  case reversalNotAcknowledged = "reversal_not_acknowledged"
  /// The ledger refuses to post or void the hold.
  case ledgerRefused = "ledger_refused"
  /// It is COMPLETED here, and its order cannot be settled any more: somebody else has paid it, it has failed, or the
  /// saga does not know it.
  case orderDead = "order_dead"
  /// A refund that nobody asked for waits, because its payee has spent the money. Its id is that of the refund.
  case refundRefused = "refund_refused"
  /// The bank's statement lists what no payment of ours has asked for; the row is under the statement's id.
  case missingHere = "missing_here"
  /// It is COMPLETED here, and the bank's complete statement does not list it.
  case missingThere = "missing_there"
  /// The bank's statement lists another amount.
  case amountDiffers = "amount_differs"
  /// The bank's statement lists it more than once.
  case duplicateStated = "duplicate_in_statement"
}

/// What became of a step.
public enum StepOutcome: Sendable, Hashable {
  /// The payment has changed: write it, and see to the effects.
  case changed(StepEffects)
  /// Nothing changes. The step is late, repeated, or somebody else's.
  case ignored
  /// Nothing changes, and the caller hears why.
  case refused(StepRefusal)
  /// Nothing changes, and a person has to look at it.
  case contradicted(PaymentException)
}

/// What a changed payment brings with it.
public struct StepEffects: Sendable, Hashable {
  /// Whether the state is another: its event belongs into the same transaction.
  public var isPublished = false
  /// What the bank is asked after the commit. The attempt's row belongs into the same transaction.
  public var call: BankCall?
  /// What a person has to look at; its row belongs into the same transaction.
  public var exception: PaymentException?
}

/// Why a cancel or a review's decision is refused. The raw values are those of the API.
public enum StepRefusal: String, Sendable, Hashable, CaseIterable {
  case bankAlreadyAsked = "bank_already_asked"
  case alreadyFinal = "already_final"
  case notInReview = "not_in_review"
}
