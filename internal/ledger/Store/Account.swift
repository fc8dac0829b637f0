public import LedgerDomain
public import Money
public import Values

/// An account with what it has.
public struct Account: Sendable, Hashable {
  /// The account's id.
  public let id: UniqueID
  /// What it is for.
  public let kind: LedgerAccount.Kind
  /// The user; nil for our own accounts.
  public let owner: UniqueID?
  /// The currency of every transfer from and to it.
  public let currency: Currency
  /// What it has.
  public let balance: Balance
  /// When it was opened.
  public let openedAt: Timestamp

  func with(_ balance: Balance) -> Account {
    Account(id: id, kind: kind, owner: owner, currency: currency, balance: balance, openedAt: openedAt)
  }
}

/// Money from outside onto a user's account, or from there to the outside.
public struct ExternalMovement: Sendable, Hashable {
  /// Which way the money goes.
  public enum Direction: String, Sendable, Hashable {
    /// From the world to the user.
    case topUp = "topup"
    /// From the user to the world.
    case spend
  }

  /// The request's own id. A repetition has the same one. Ids that differ in their last hexadecimal digit only count as
  /// one: the transfer's id is made of the others.
  public let id: UniqueID
  /// Which way the money goes.
  public let direction: Direction
  /// The user's account.
  public let account: UniqueID
  /// From 1 to `LedgerBatch.maximumAmount` minor units, in the account's currency.
  public let amount: Money

  /// A movement.
  public init(id: UniqueID, _ direction: Direction, account: UniqueID, amount: Money) {
    self.id = id
    self.direction = direction
    self.account = account
    self.amount = amount
  }

  /// The id of the transfer that carries it out.
  public var transferID: UniqueID { TransferID.of(id, .external) }

  var movement: TransferRequest.Movement {
    let world = LedgerAccount.ours(.world, amount.currency).id
    let (debit, credit) = direction == .topUp ? (world, account) : (account, world)
    return TransferRequest.Movement(id: transferID, debit: debit, credit: credit, amount: amount)
  }
}

/// What became of a movement.
public enum ExternalMovementResult: Sendable, Hashable {
  /// Carried out, now or by an earlier request with the same id and content; `at` is when.
  case done(at: Timestamp, isRepetition: Bool)
  /// Not carried out; nothing was changed by it.
  case refused(TransferRefusal)
}

/// A line of an account: a transfer from the account's side.
public struct AccountEntry: Sendable, Hashable {
  /// The side of the transfer on which the account is.
  public enum Side: String, Sendable, Hashable { case debit, credit }

  /// The transfer.
  public let transfer: Transfer
  /// The account's side of it.
  public let side: Side
  /// When it was written.
  public let at: Timestamp

  /// The account on the other side.
  public var counterparty: UniqueID { side == .debit ? transfer.credit : transfer.debit }

  /// What it did to the posted balance, in minor units: nothing for a hold and its release.
  public var posted: Int64 {
    guard transfer.kind == .single || transfer.kind == .post else { return 0 }
    return side == .debit ? -transfer.amount.minorUnits : transfer.amount.minorUnits
  }

  /// Where the entries after this one begin.
  public var cursor: EntryCursor { EntryCursor(at: at, id: transfer.id) }
}

/// A place in the entries of an account.
public struct EntryCursor: Sendable, Hashable, CustomStringConvertible {
  let at: Timestamp
  let id: UniqueID

  init(at: Timestamp, id: UniqueID) {
    self.at = at
    self.id = id
  }

  /// Reads what `description` writes; nil for anything else.
  public init?(_ text: String) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 2, let at = Int64(parts[0]), let id = UniqueID(parts[1]) else { return nil }
    self.init(at: Timestamp(microseconds: at), id: id)
    guard description == text else { return nil }
  }

  /// For a caller to hand back.
  public var description: String { "\(at.microseconds).\(id)" }
}
