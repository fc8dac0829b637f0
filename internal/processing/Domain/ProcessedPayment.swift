public import DirectDomain
public import Money
public import Values

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

/// A payment as `processing.payment` has it, or a refund, which is a payment in the other direction.
public struct ProcessedPayment: Sendable, Hashable {
  /// Where a payment is on its way. Each state has the stages below it; a final state has none.
  public enum Stage: Sendable, Hashable {
    /// PROCESSING: risk has not decided.
    case claimed
    /// REVIEW: until a person decides, or the time is up.
    case review(until: Timestamp)
    /// PROCESSING: allowed, and the bank was certainly not asked. It waits for room at the bank.
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
  /// Of a refund, what it gives back and why; nil for payments.
  public let refund: RefundOrigin?

  /// What callers see.
  public package(set) var state: PaymentState
  /// Counts the states. CREATED is 1.
  public package(set) var version: Int64
  /// Why it is in this state; nil while there is nothing to say.
  public package(set) var reason: PaymentReason?
  /// Where it is on its way.
  public package(set) var stage: Stage
  /// Who works on it: whoever has the card's number, or has asked the bank; nil when anybody may.
  public package(set) var claim: Claim?
  /// Whether the ledger reserves its money.
  public package(set) var hasHold = false
  /// How often the bank was asked what became of it; from its first reversal on, how often it was asked either way.
  public package(set) var inquiries = 0
  /// When something has to be done even if nobody says anything.
  public package(set) var due: Timestamp?
  /// Who has decided its review.
  public package(set) var reviewer: String?
  /// Who asked for its cancel; of a refund, who asked for it.
  public package(set) var requester: String?

  /// The payment that a refund gives money back of; nil for payments.
  public var refundOf: UniqueID? { refund?.payment }

  /// Whether only a process that has the card's number can ask the bank.
  public var needsCardNumber: Bool { method == .card && refund == nil }

  /// A payment that was just claimed.
  public init(
    claimed id: UniqueID, method: PaymentMethod, amount: Money, debit: UniqueID, credit: UniqueID, by claim: Claim,
    at now: Timestamp
  ) {
    self.init(id, method, amount, debit, credit, now, .processing, .claimed)
    self.claim = claim
  }

  /// A payment that ends before anybody has claimed it.
  public init(
    unclaimed id: UniqueID, method: PaymentMethod, amount: Money, debit: UniqueID, credit: UniqueID,
    ends end: UnclaimedEnd, at now: Timestamp
  ) {
    self.init(id, method, amount, debit, credit, now, end.state, .done)
    reason = end.reason
  }

  /// How a payment ends that nobody has claimed.
  public enum UnclaimedEnd: Sendable, Hashable {
    /// The payer does not want it any more.
    case cancelled
    /// The process that had the card number ended, and nobody else has it.
    case cardLost
    /// The account it is to be paid from is not the payer's, or has another currency.
    case foreignAccount

    /// The state it ends in.
    public var state: PaymentState { self == .cardLost ? .error : .rejected }

    /// Why.
    public var reason: PaymentReason {
      switch self {
      case .cancelled: .cancelled
      case .cardLost: .cardDataLost
      case .foreignAccount: .ledgerRefused
      }
    }
  }

  /// What has to be done about a payment when it is due. The raw values are those of the table.
  public enum Chore: String, Sendable, Hashable, CaseIterable {
    /// A review that nobody decided in time is over.
    case review
    /// A card that waited too long for the bank ends.
    case card
    /// The bank is to be asked to charge.
    case charge
    /// The bank is to be asked what became of a charge, or to reverse it.
    case inquiry

    /// Whether it takes a call to the bank.
    public var needsBank: Bool { self == .charge || self == .inquiry }
  }

  /// What has to be done when it is due; nil when nothing is.
  public var chore: Chore? {
    if due == nil { return nil }
    switch stage {
    case .review: return .review
    case .ready: return needsCardNumber ? .card : .charge
    case .unknown, .reversing: return .inquiry
    case .claimed, .asked, .done: return nil
    }
  }

  /// A payment in a state, for those above and for whoever reads a table and fills in the rest.
  package init(
    _ id: UniqueID, _ method: PaymentMethod, _ amount: Money, _ debit: UniqueID, _ credit: UniqueID,
    _ since: Timestamp, _ state: PaymentState, _ stage: Stage, refund: RefundOrigin? = nil
  ) {
    self.id = id
    self.method = method
    self.amount = amount
    self.debit = debit
    self.credit = credit
    self.since = since
    self.refund = refund
    self.state = state
    self.stage = stage
    version = 2
  }
}
