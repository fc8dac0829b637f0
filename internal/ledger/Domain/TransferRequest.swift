public import Money
public import Values

/// What the ledger is asked to do. The same request may be made any number of times; it is carried out once.
public enum TransferRequest: Sendable, Hashable {
  /// Moves money at once.
  case single(Movement)
  /// Reserves money on the debit account.
  case hold(Movement)
  /// Moves what was reserved; `amount` of it and frees the rest, or all.
  case post(hold: UniqueID, amount: Int64? = nil)
  /// Gives back what was reserved.
  case void(hold: UniqueID)

  /// From where to where, and how much.
  public struct Movement: Sendable, Hashable {
    /// The transfer's id; not one that `TransferID.resolution` makes.
    public let id: UniqueID
    /// The account that pays.
    public let debit: UniqueID
    /// The account that is paid.
    public let credit: UniqueID
    /// From 1 to `LedgerBatch.maximumAmount` minor units.
    public let amount: Money

    /// A movement.
    public init(id: UniqueID, debit: UniqueID, credit: UniqueID, amount: Money) {
      self.id = id
      self.debit = debit
      self.credit = credit
      self.amount = amount
    }
  }

  /// The id of the transfer that carries it out.
  public var id: UniqueID {
    switch self {
    case .single(let movement), .hold(let movement): movement.id
    case .post(let hold, _), .void(let hold): TransferID.resolution(of: hold)
    }
  }

  /// The hold that it resolves.
  public var hold: UniqueID? {
    switch self {
    case .single, .hold: nil
    case .post(let hold, _), .void(let hold): hold
    }
  }
}

/// What became of a request.
public enum TransferOutcome: Sendable, Hashable {
  /// Carried out now.
  case created
  /// Carried out before, exactly as asked.
  case exists
  /// Not carried out; nothing was changed by it.
  case refused(TransferRefusal)
}

/// Why the ledger refuses a request.
public enum TransferRefusal: Sendable, Hashable {
  /// The id is that of a transfer with other content; the field that differs.
  case differs(Field)
  /// The amount is not from 1 to `LedgerBatch.maximumAmount`.
  case amountOutOfRange
  /// Debit and credit are one account.
  case sameAccount
  /// There is no such account.
  case unknownAccount(UniqueID)
  /// The account has another currency.
  case otherCurrency(UniqueID)
  /// The account has less than that available.
  case insufficientFunds
  /// There is no such hold.
  case unknownHold
  /// The hold is less than what is to be posted.
  case exceedsHold
  /// The account would have more than `LedgerBatch.maximumBalance`, or be below zero by more.
  case overflow(UniqueID)
  /// The account has less on hold than the hold says, or the hold is on another account than its payment: somebody
  /// changed the tables.
  case inconsistent(UniqueID)
  /// The transfer's row holds what no transfer of ours has.
  case unreadable(UniqueID)

  /// A field of a transfer.
  public enum Field: String, Sendable, Hashable {
    case kind, debit, credit, amount, currency
  }
}
