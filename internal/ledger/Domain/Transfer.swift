public import Money
public import Values

/// A movement of money from one account to another, as the ledger keeps it for ever.
public struct Transfer: Sendable, Hashable {
  /// How far the money moved. The numbers are those of the table.
  public enum Kind: Int16, Sendable, Hashable, CaseIterable {
    /// Moved at once.
    case single = 1
    /// Reserved on the debit account: a hold.
    case pending = 2
    /// A hold that became a movement, of all that was reserved or of a part; the rest is free again.
    case post = 3
    /// A hold that was given back.
    case void = 4
  }

  /// The transfer's id. A post or void has the id that `TransferID.resolution` makes of its hold's, so that a hold is
  /// resolved once, whichever way.
  public let id: UniqueID
  /// How far the money moved.
  public let kind: Kind
  /// The account that pays.
  public let debit: UniqueID
  /// The account that is paid.
  public let credit: UniqueID
  /// Above zero; of a void, what was given back.
  public let amount: Money
  /// The hold of a post or void.
  public let pendingID: UniqueID?

  /// A transfer as a table has it.
  public init(id: UniqueID, kind: Kind, debit: UniqueID, credit: UniqueID, amount: Money, pendingID: UniqueID?) {
    self.id = id
    self.kind = kind
    self.debit = debit
    self.credit = credit
    self.amount = amount
    self.pendingID = pendingID
  }
}

/// The ids of a payment's transfers: the payment's own with the lowest four bits replaced, so that they lie beside each
/// other in the index and can be computed by whoever has the payment.
public enum TransferID {
  private static let mask: UInt64 = 0xF
  private static let resolution: UInt64 = 0x8

  /// The step of a payment or refund that moves money.
  public enum Step: UInt64, Sendable, CaseIterable {
    /// The payment's hold, or its only movement.
    case payment = 0
    /// A top up from outside, or a spend to it.
    case external = 1
    /// The settlement of what a statement lists.
    case settlement = 2
    /// A charge without a payment, put aside.
    case suspense = 3
    /// That charge, moved to where a person has said.
    case release = 4
  }

  /// The id of a step's transfer.
  public static func of(_ payment: UniqueID, _ step: Step) -> UniqueID {
    UniqueID(high: payment.high, low: payment.low & ~mask | step.rawValue)
  }

  /// The ids, of which one is that of the transfer's payment: its lowest four bits are in none of its transfers.
  public static func payments(of transfer: UniqueID) -> ClosedRange<UniqueID> {
    UniqueID(high: transfer.high, low: transfer.low & ~mask)...UniqueID(high: transfer.high, low: transfer.low | mask)
  }

  /// The id of the post or void of a hold.
  public static func resolution(of hold: UniqueID) -> UniqueID {
    UniqueID(high: hold.high, low: hold.low | resolution)
  }
}
