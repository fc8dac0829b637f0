internal import Money
public import Values

/// Decides a batch of requests, one after the other, over what was found of their accounts and transfers.
///
/// Pure. The caller has locked the guarded accounts that may be debited in the order of their ids, then read accounts
/// and transfers by other statements, and writes `transfers` and `changes` in the same transaction. A request that is
/// refused changes nothing.
///
/// What is only credited needs no lock: what others add to it meanwhile makes it more.
public struct LedgerBatch: Sendable {
  /// The most minor units that one transfer moves: ten trillion euros.
  public static let maximumAmount: Int64 = 1_000_000_000_000_000
  /// The most minor units that an account has, or is below zero: ten quadrillion euros. What other transactions add
  /// meanwhile is not seen, and fits above it.
  public static let maximumBalance: Int64 = 1_000_000_000_000_000_000

  /// The transfers to insert, in order.
  public private(set) var transfers: [Transfer] = []
  /// What to add to each account's balance; accounts that stay as they are may be among them.
  public private(set) var changes: [UniqueID: Balance] = [:]

  private let accounts: [UniqueID: LedgerAccount]
  /// As they are after the requests so far; of accounts that are not locked, as far as was known.
  private var balances: [UniqueID: Balance]
  private let locked: Set<UniqueID>
  private var known: [UniqueID: Transfer]
  private let unreadable: Set<UniqueID>

  /// - Parameters:
  ///   - accounts: those found, of all that the requests and their holds name.
  ///   - balances: of those accounts; one that is missing has nothing.
  ///   - locked: the guarded accounts that may be debited: their balances stay as they are until the commit.
  ///   - transfers: those found under the requests' ids and under their holds' ids.
  ///   - unreadable: the transfers among them that cannot be read: what needs them is refused.
  public init(
    accounts: [LedgerAccount], balances: [UniqueID: Balance], locked: Set<UniqueID>, transfers: [Transfer],
    unreadable: Set<UniqueID> = []
  ) {
    self.accounts = Dictionary(uniqueKeysWithValues: accounts.map { ($0.id, $0) })
    self.balances = balances
    self.locked = locked
    self.unreadable = unreadable
    known = Dictionary(uniqueKeysWithValues: transfers.map { ($0.id, $0) })
  }

  /// Whether the account's balance may not go below zero.
  public func isGuarded(_ account: UniqueID) -> Bool { accounts[account]?.kind.isGuarded ?? false }

  /// Whether the account's row is locked, so that its change may be written there.
  public func isLocked(_ account: UniqueID) -> Bool { locked.contains(account) }

  private func mayDebit(_ account: UniqueID) -> Bool { !isGuarded(account) || isLocked(account) }

  /// Whether there is a transfer of this id, as far as it was found.
  public func knows(_ transfer: UniqueID) -> Bool { known[transfer] != nil || unreadable.contains(transfer) }

  /// Decides the next request.
  public mutating func decide(_ request: TransferRequest) -> TransferOutcome {
    for id in [request.id, request.hold ?? request.id] where unreadable.contains(id) {
      return .refused(.unreadable(id))
    }
    return switch request {
    case .single(let movement): decide(movement, kind: .single)
    case .hold(let movement): decide(movement, kind: .pending)
    case .post(let hold, let amount): resolve(hold, kind: .post, amount: amount)
    case .void(let hold): resolve(hold, kind: .void, amount: nil)
    }
  }

  // MARK: - Movements

  private mutating func decide(_ movement: TransferRequest.Movement, kind: Transfer.Kind) -> TransferOutcome {
    let transfer = Transfer(
      id: movement.id, kind: kind, debit: movement.debit, credit: movement.credit, amount: movement.amount,
      pendingID: nil)
    if let existing = known[transfer.id] { return Self.compare(existing, transfer) }
    guard (1...Self.maximumAmount).contains(movement.amount.minorUnits) else { return .refused(.amountOutOfRange) }
    guard movement.debit != movement.credit else { return .refused(.sameAccount) }
    for id in [movement.debit, movement.credit] {
      guard let account = accounts[id] else { return .refused(.unknownAccount(id)) }
      guard account.currency == movement.amount.currency else { return .refused(.otherCurrency(id)) }
    }
    let amount = movement.amount.minorUnits
    guard mayDebit(movement.debit) else { return .refused(.inconsistent(movement.debit)) }
    if isGuarded(movement.debit), balances[movement.debit, default: Balance()].available < amount {
      return .refused(.insufficientFunds)
    }
    return apply(
      transfer,
      debit: kind == .pending ? Balance(pending: amount) : Balance(posted: -amount),
      credit: kind == .pending ? Balance() : Balance(posted: amount))
  }

  // MARK: - Holds

  private mutating func resolve(_ hold: UniqueID, kind: Transfer.Kind, amount: Int64?) -> TransferOutcome {
    guard let pending = known[hold], pending.kind == .pending else { return .refused(.unknownHold) }
    let reserved = pending.amount.minorUnits
    let amount = amount ?? reserved
    let transfer = Transfer(
      id: TransferID.resolution(of: hold), kind: kind, debit: pending.debit, credit: pending.credit,
      amount: Money(minorUnits: amount, pending.amount.currency), pendingID: hold)
    if let existing = known[transfer.id] { return Self.compare(existing, transfer) }
    guard amount >= 1 else { return .refused(.amountOutOfRange) }
    guard amount <= reserved else { return .refused(.exceedsHold) }
    for id in [pending.debit, pending.credit] where accounts[id] == nil { return .refused(.unknownAccount(id)) }
    guard mayDebit(pending.debit) else { return .refused(.inconsistent(pending.debit)) }
    return apply(
      transfer,
      debit: Balance(posted: kind == .post ? -amount : 0, pending: -reserved),
      credit: Balance(posted: kind == .post ? amount : 0))
  }

  // MARK: - Effects

  /// Both accounts change, or neither.
  private mutating func apply(_ transfer: Transfer, debit: Balance, credit: Balance) -> TransferOutcome {
    var sums: [(id: UniqueID, change: Balance, balance: Balance)] = []
    for (id, change) in [(transfer.debit, debit), (transfer.credit, credit)] {
      guard let sum = changes[id, default: Balance()].adding(change),
        let after = balances[id, default: Balance()].adding(change), after.posted.magnitude <= Self.maximumBalance
      else { return .refused(.overflow(id)) }
      guard after.pending >= 0 || !isLocked(id) else { return .refused(.inconsistent(id)) }
      sums.append((id, sum, after))
    }
    for (id, change, balance) in sums {
      changes[id] = change
      balances[id] = balance
    }
    known[transfer.id] = transfer
    transfers.append(transfer)
    return .created
  }

  /// An id that is taken: by the same transfer, or by another one.
  private static func compare(_ existing: Transfer, _ asked: Transfer) -> TransferOutcome {
    if existing.kind != asked.kind { return .refused(.differs(.kind)) }
    if existing.debit != asked.debit { return .refused(.differs(.debit)) }
    if existing.credit != asked.credit { return .refused(.differs(.credit)) }
    if existing.amount.currency != asked.amount.currency { return .refused(.differs(.currency)) }
    if existing.amount.minorUnits != asked.amount.minorUnits { return .refused(.differs(.amount)) }
    return .exists
  }
}
