public import LedgerStore
public import Values

/// The findings of an audit of direct payments.
public struct DirectAuditReport: Sendable {
  /// The ways in which the tables can disagree.
  public enum Kind: String, Sendable, CaseIterable {
    /// A payment that one of gateway and processing has, and the other must have and has not.
    case missing
    /// Gateway and processing differ about a payment where they cannot.
    case state
    /// The gateway does not know what processing has decided, or processing has not taken what the gateway has, for
    /// longer than it should take.
    case late
    /// The ledger has not what a payment's state says: posted, held or given back.
    case posting
    /// A transfer without its payment or its hold.
    case hold
    /// An account's balance is not what its transfers say, is below zero, or a currency does not sum to zero.
    case balance
    /// A block of the ledger's chain is not what was sealed, or the days of an account are not the sums of what was.
    case chain
    /// The bank may have been asked to charge twice, or nothing says that it was asked.
    case attempt
    /// The side tables of what is claimed and what is due are not what the payment says.
    case claim
    /// The order is not settled as its payment says.
    case order
    /// More was given back than was paid, or a refund is not one of its payment.
    case refund
    /// A row holds what this version cannot read.
    case unreadable
  }

  /// One disagreement.
  public struct Offender: Sendable, Hashable {
    /// The kind of disagreement.
    public let kind: Kind
    /// The payment, account or transfer, where there is one.
    public let id: UniqueID?
    /// Description in words.
    public let detail: String
  }

  /// Payments that processing has.
  public internal(set) var payments = 0
  /// Payments that the gateway has.
  public internal(set) var intake = 0
  /// Payments in state UNKNOWN.
  public internal(set) var unknown = 0
  /// Accounts that were compared with their transfers.
  public internal(set) var accounts = 0
  /// Transfers whose payments were looked for.
  public internal(set) var transfers = 0
  /// Blocks of the ledger's chain whose hashes are right.
  public internal(set) var blocks = 0
  /// The last of them, to be kept outside of the database; nil where nothing is sealed.
  public internal(set) var head: ChainVerifier.Head?
  /// Orders that were paid here and are not settled in the saga yet.
  public internal(set) var settlements = 0
  /// Exceptions that wait for a person.
  public internal(set) var exceptions = 0
  /// Number of disagreements of each kind.
  public private(set) var counts: [Kind: Int] = [:]
  /// The first ones of each kind.
  public private(set) var offenders: [Offender] = []

  private let limit: Int

  /// - Parameter limit: the number of offenders of each kind.
  init(limit: Int) { self.limit = limit }

  /// Whether nothing was found.
  public var agrees: Bool { counts.isEmpty }

  /// Whether there is nothing that could disagree: no direct payment was ever made here.
  public var isEmpty: Bool { payments == 0 && intake == 0 && transfers == 0 && agrees }

  mutating func note(_ finding: Finding?, of id: UniqueID?) {
    guard let finding else { return }
    counts[finding.kind, default: 0] += 1
    if counts[finding.kind, default: 0] <= limit {
      offenders.append(Offender(kind: finding.kind, id: id, detail: finding.detail))
    }
  }
}

/// What is wrong with a payment.
struct Finding: Hashable {
  let kind: DirectAuditReport.Kind
  let detail: String

  init(_ kind: DirectAuditReport.Kind, _ detail: String) {
    self.kind = kind
    self.detail = detail
  }
}
