internal import DirectDomain
internal import LedgerDomain
internal import LedgerStore
internal import Money
internal import Postgres
internal import Synchronization
internal import Values

/// The two accounts of a payment.
struct PaymentAccounts: Sendable, Hashable {
  let debit: UniqueID
  let credit: UniqueID
  /// Whether the payer may pay from `debit`: it is theirs, and in the currency.
  let isPayers: Bool
}

/// Finds the accounts of payments, opens those of payees that are missing, and remembers them: accounts stay.
final class AccountBook: Sendable {
  /// The most accounts that are remembered; beyond them all are forgotten.
  private static let limit = 100_000

  private struct State {
    var accounts: [LedgerStore.Holder: UniqueID] = [:]
    var currencies: Set<Currency> = []
  }

  private let ledger: LedgerStore
  private let state = Mutex(State())

  init(_ ledger: LedgerStore) { self.ledger = ledger }

  /// The accounts of payments that need no look into the tables; nil when one does.
  func remembered(_ terms: [PaymentTerms]) -> [PaymentAccounts]? {
    state.withLock { state in
      var found: [PaymentAccounts] = []
      for terms in terms {
        guard state.currencies.contains(terms.amount.currency), let credit = state.accounts[terms.payee] else {
          return nil
        }
        let payers = terms.payer.map { state.accounts[$0] }
        if case .some(nil) = payers { return nil }
        found.append(Self.accounts(terms, credit: credit, payers: payers ?? nil))
      }
      return found
    }
  }

  /// The accounts of payments.
  /// - Parameter connection: outside a transaction; accounts that are opened stay whatever becomes of the payments.
  func find(_ terms: [PaymentTerms], on connection: Connection) throws(DatabaseError) -> [PaymentAccounts] {
    if let found = remembered(terms) { return found }
    let currencies = Set(terms.map(\.amount.currency))
    let payees = Set(terms.map(\.payee))
    let holders = payees.union(terms.compactMap(\.payer))
    var found = try ledger.accounts(connection.run(ledger.find(holders)))
    var commands: [Command] = []
    if state.withLock({ !currencies.isSubset(of: $0.currencies) }) { commands.append(ledger.open(currencies)) }
    let missing = payees.filter { found[$0] == nil }
    if !missing.isEmpty { commands += [ledger.open(missing, newID: { UniqueID.random() }), ledger.find(missing)] }
    if let last = try commands.isEmpty ? nil : connection.run(commands).last, !missing.isEmpty {
      found.merge(try ledger.accounts(last)) { $1 }
    }
    remember(found, currencies)
    return try terms.map { (terms) throws(DatabaseError) in
      guard let credit = found[terms.payee] else { throw .content("the account of a payee was not opened") }
      return Self.accounts(terms, credit: credit, payers: terms.payer.flatMap { found[$0] })
    }
  }

  private func remember(_ found: [LedgerStore.Holder: UniqueID], _ currencies: Set<Currency>) {
    state.withLock { state in
      if state.accounts.count + found.count > Self.limit { state.accounts = [:] }
      state.accounts.merge(found) { $1 }
      state.currencies.formUnion(currencies)
    }
  }

  /// - Parameter payers: the account that the payer has in the currency.
  private static func accounts(_ terms: PaymentTerms, credit: UniqueID, payers: UniqueID?) -> PaymentAccounts {
    guard case .balance(let account)? = terms.source else {
      return PaymentAccounts(
        debit: LedgerAccount.ours(.clearing, terms.amount.currency).id, credit: credit, isPayers: true)
    }
    return PaymentAccounts(debit: account, credit: credit, isPayers: account == payers)
  }
}

extension PaymentTerms {
  fileprivate var payee: LedgerStore.Holder { LedgerStore.Holder(owner: payeeID, currency: amount.currency) }

  fileprivate var payer: LedgerStore.Holder? {
    method == .balance ? LedgerStore.Holder(owner: userID, currency: amount.currency) : nil
  }
}
