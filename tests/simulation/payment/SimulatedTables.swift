import DirectDomain
import LedgerDomain
import Money
import ProcessingDomain
import Values

/// An event that a transaction wrote.
struct PaymentEvent: Equatable {
  let payment: UniqueID
  let version: Int64
  let state: PaymentState
}

/// The tables of processing and ledger. A transaction is one step of the schedule.
struct SimulatedTables {
  static let euro = Currency("EUR")!
  static let clearing = LedgerAccount(id: UniqueID(high: 1, low: 1), kind: .clearing, currency: euro)
  static let world = LedgerAccount(id: UniqueID(high: 1, low: 2), kind: .world, currency: euro)
  static let merchant = LedgerAccount(id: UniqueID(high: 1, low: 3), kind: .user, currency: euro)
  static let payer = LedgerAccount(id: UniqueID(high: 1, low: 4), kind: .user, currency: euro)
  static let suspense = LedgerAccount.ours(.suspense, euro)
  static let accounts = [clearing, world, merchant, payer, suspense]

  var payments: [UniqueID: ProcessedPayment] = [:]
  var events: [UniqueID: [PaymentEvent]] = [:]
  var exceptions: [UniqueID: Set<PaymentException>] = [:]
  /// The epoch of each owner, and when its lease ends.
  var owners: [UniqueID: (epoch: Int64, until: Int64)] = [:]
  var balances: [UniqueID: Balance] = Dictionary(uniqueKeysWithValues: accounts.map { ($0.id, Balance()) })
  var transfers: [UniqueID: Transfer] = [:]

  /// The ledger for steps of one payment.
  /// - Parameter refundOf: the payment of a refund that is opened.
  func ledger(for payment: UniqueID, refundOf: UniqueID? = nil) -> LedgerBatch {
    let hold = TransferID.of(payment, .payment)
    let debit = payments[payment]?.debit ?? refundOf.flatMap { payments[$0]?.credit }
    let suspense = refundOf.map { TransferID.of($0, .suspense) }
    return LedgerBatch(
      accounts: Self.accounts, balances: balances, locked: Set([debit].compactMap(\.self)),
      transfers: [hold, TransferID.resolution(of: hold), suspense ?? hold].reduce(into: [:]) { found, id in
        found[id] = transfers[id]
      }.values.sorted { $0.id < $1.id })
  }

  /// The refunds of a payment, by ascending id.
  func refunds(of payment: UniqueID) -> [ProcessedPayment] {
    payments.values.filter { $0.refundOf == payment }.sorted { $0.id < $1.id }
  }

  func total(of payment: UniqueID) -> RefundTotal {
    refunds(of: payment).reduce(into: RefundTotal()) { total, refund in
      if refund.state == .rejected || refund.state == .error { total.count += 1 } else { total.add(refund) }
    }
  }

  /// - Parameter losesVoids: the sabotage.
  mutating func write(_ batch: LedgerBatch, losesVoids: Bool = false) {
    if losesVoids, batch.transfers.contains(where: { $0.kind == .void }) { return }
    for transfer in batch.transfers { transfers[transfer.id] = transfer }
    for (id, change) in batch.changes {
      balances[id]!.posted += change.posted
      balances[id]!.pending += change.pending
    }
  }
}
