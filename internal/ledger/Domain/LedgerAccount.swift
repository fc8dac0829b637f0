public import Money
public import Values

/// An account of the ledger, in one currency.
public struct LedgerAccount: Sendable, Hashable {
  /// What an account is for. The numbers are those of the table.
  public enum Kind: Int16, Sendable, Hashable, CaseIterable {
    /// A customer's or merchant's balance. Never below zero.
    case user = 1
    /// What the bank owes us or we owe the bank until a statement settles it.
    case clearing = 2
    /// What we keep.
    case fees = 3
    /// Money that belongs to no payment.
    case suspense = 4
    /// The outside, where money comes from and goes to.
    case world = 5

    /// Whether the balance may not go below zero, so that it must be locked and read before it is debited.
    public var isGuarded: Bool { self == .user }
  }

  /// The account's id.
  public let id: UniqueID
  /// What it is for.
  public let kind: Kind
  /// The currency of every transfer from and to it.
  public let currency: Currency

  /// An account.
  public init(id: UniqueID, kind: Kind, currency: Currency) {
    self.id = id
    self.kind = kind
    self.currency = currency
  }
}

extension LedgerAccount {
  /// Whether the id is that of an account that is nobody's.
  public static func isOurs(_ id: UniqueID) -> Bool {
    let isCode = [16, 8, 0].allSatisfy { (0x41...0x5A).contains(UInt8(truncatingIfNeeded: id.low >> $0)) }
    return isCode && id.low >> 24 == 0 && Kind.allCases.contains { !$0.isGuarded && UInt64($0.rawValue) == id.high }
  }

  /// The one account of a kind and currency that is nobody's. Its id has no version, as those of users have, and so
  /// is never one of theirs.
  public static func ours(_ kind: Kind, _ currency: Currency) -> LedgerAccount {
    precondition(!kind.isGuarded, "users have accounts of their own")
    let code = currency.code.utf8.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return LedgerAccount(id: UniqueID(high: UInt64(kind.rawValue), low: code), kind: kind, currency: currency)
  }
}

/// What an account has, in minor units.
public struct Balance: Sendable, Hashable {
  /// The sum of credits less debits.
  public var posted: Int64
  /// The sum of open holds on the account; never negative.
  public var pending: Int64

  /// A balance.
  public init(posted: Int64 = 0, pending: Int64 = 0) {
    self.posted = posted
    self.pending = pending
  }

  /// What may still be debited. Saturates.
  public var available: Int64 {
    let (difference, overflows) = posted.subtractingReportingOverflow(pending)
    return overflows ? .min : difference
  }

  /// - Returns: nil when a sum does not fit.
  func adding(_ change: Balance) -> Balance? {
    let (posted, postedOverflows) = posted.addingReportingOverflow(change.posted)
    let (pending, pendingOverflows) = pending.addingReportingOverflow(change.pending)
    return postedOverflows || pendingOverflows ? nil : Balance(posted: posted, pending: pending)
  }
}
