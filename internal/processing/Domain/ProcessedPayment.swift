public import Money
public import Values

/// What callers see of a payment. The raw values are those of tables, topics and API.
public enum PaymentState: String, Sendable, Hashable, CaseIterable {
  /// Taken in; nobody works on it.
  case created = "CREATED"
  /// Somebody works on it.
  case processing = "PROCESSING"
  /// A person has to decide.
  case review = "REVIEW"
  /// The bank was asked and has not told. Never final.
  case unknown = "UNKNOWN"
  /// Paid. Final.
  case completed = "COMPLETED"
  /// Risk, ledger, bank, a person or the payer said no. Final.
  case rejected = "REJECTED"
  /// A technical fault, and certainly nothing was charged. Final.
  case error = "ERROR"

  /// Whether the state stays for ever.
  public var isFinal: Bool {
    switch self {
    case .completed, .rejected, .error: true
    case .created, .processing, .review, .unknown: false
    }
  }
}

/// How a payment is paid.
public enum PaymentMethod: String, Sendable, Hashable, CaseIterable {
  /// By card. The number travels in the memory of one process only.
  case card
  /// From an account outside, through the bank.
  case account
  /// By the bank's token of an earlier charge.
  case token
  /// From a balance that the ledger keeps. The bank is not asked.
  case balance

  /// Whether the bank has to charge somebody.
  public var needsBank: Bool { self != .balance }
}

/// Why a payment is in its state. The raw values are those of tables, topics and API.
public enum PaymentReason: String, Sendable, Hashable, CaseIterable {
  case cancelled
  case riskBlocked = "risk_blocked"
  case reviewRequired = "review_required"
  case reviewDeclined = "review_declined"
  case reviewTimeout = "review_timeout"
  case insufficientFunds = "insufficient_funds"
  /// The ledger refused for another reason, such as an account that does not exist.
  case ledgerRefused = "ledger_refused"
  case bankDeclined = "bank_declined"
  /// The bank could not be asked in time.
  case bankUnavailable = "bank_unavailable"
  /// The process that had the card number ended before it asked the bank.
  case cardDataLost = "card_data_lost"
  /// The bank's answer was lost or could not be understood.
  case bankUnclear = "bank_unclear"
  /// The bank knew nothing of the payment, and promised to refuse it from then on.
  case bankNeverCharged = "bank_never_charged"
}

/// Who works on a payment: a process, and the term of its lease.
public struct Claim: Sendable, Hashable {
  /// The process.
  public let owner: UniqueID
  /// Raised by whoever takes the owner's work over, so that what the owner began before is refused.
  public let epoch: Int64

  /// A claim.
  public init(owner: UniqueID, epoch: Int64) {
    self.owner = owner
    self.epoch = epoch
  }
}

/// A payment as `processing.payment` has it.
public struct ProcessedPayment: Sendable, Hashable {
  /// Where a payment is on its way. Each state has the stages below it; a final state has none.
  public enum Stage: Sendable, Hashable {
    /// PROCESSING: risk has not decided.
    case claimed
    /// REVIEW: until a person decides, or the time is up.
    case review(until: Timestamp)
    /// PROCESSING: allowed, and the bank was certainly not asked.
    case ready
    /// PROCESSING: "asked at" is committed, so that the bank may have been asked.
    case asked(at: Timestamp)
    /// UNKNOWN: `askedAt` is when the bank was last asked to charge.
    case unknown(askedAt: Timestamp)
    /// UNKNOWN: the bank knew nothing, and was asked at least once to refuse the charge from then on.
    case reversing(askedAt: Timestamp)
    /// COMPLETED, REJECTED or ERROR.
    case done
  }

  /// The payment, and the bank's operation id.
  public let id: UniqueID
  /// How it is paid.
  public let method: PaymentMethod
  /// How much.
  public let amount: Money
  /// The account that pays: the payer's of a balance payment, else the clearing account.
  public let debit: UniqueID
  /// The account that is paid.
  public let credit: UniqueID
  /// When it was claimed for the first time, or ended unclaimed.
  public let since: Timestamp

  /// What callers see.
  public internal(set) var state: PaymentState
  /// Counts the states. CREATED is 1.
  public internal(set) var version: Int64
  /// Why it is in this state; nil while there is nothing to say.
  public internal(set) var reason: PaymentReason?
  /// Where it is on its way.
  public internal(set) var stage: Stage
  /// Who works on it; nil when anybody may.
  public internal(set) var claim: Claim?
  /// Whether the ledger reserves its money.
  public internal(set) var hasHold = false
  /// How often the bank was asked what became of it, or to reverse it.
  public internal(set) var inquiries = 0
  /// When something has to be done even if nobody says anything.
  public internal(set) var due: Timestamp?

  /// A payment that was just claimed.
  public init(
    claimed id: UniqueID, method: PaymentMethod, amount: Money, debit: UniqueID, credit: UniqueID, by claim: Claim,
    at now: Timestamp
  ) {
    self.init(id, method, amount, debit, credit, now, .processing, .claimed)
    self.claim = claim
  }

  /// A payment that ends before anybody has claimed it: cancelled, or a card whose process is gone.
  public init(
    unclaimed id: UniqueID, method: PaymentMethod, amount: Money, debit: UniqueID, credit: UniqueID,
    ends end: UnclaimedEnd, at now: Timestamp
  ) {
    self.init(id, method, amount, debit, credit, now, end == .cancelled ? .rejected : .error, .done)
    reason = end == .cancelled ? .cancelled : .cardDataLost
  }

  /// How a payment ends that nobody has claimed.
  public enum UnclaimedEnd: Sendable, Hashable {
    case cancelled, cardLost
  }

  private init(
    _ id: UniqueID, _ method: PaymentMethod, _ amount: Money, _ debit: UniqueID, _ credit: UniqueID,
    _ since: Timestamp, _ state: PaymentState, _ stage: Stage
  ) {
    self.id = id
    self.method = method
    self.amount = amount
    self.debit = debit
    self.credit = credit
    self.since = since
    self.state = state
    self.stage = stage
    version = 2
  }
}
