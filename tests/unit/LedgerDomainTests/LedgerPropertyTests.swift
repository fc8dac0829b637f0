import Money
import Randomness
import Testing
import Values

@testable import LedgerDomain

/// A ledger in memory: keeps what batches write, as the tables do.
private struct Book {
  let accounts: [LedgerAccount]
  var balances: [UniqueID: Balance]
  var transfers: [UniqueID: Transfer] = [:]

  init(_ accounts: [LedgerAccount]) {
    self.accounts = accounts
    balances = Dictionary(uniqueKeysWithValues: accounts.map { ($0.id, Balance()) })
  }

  mutating func run(_ requests: [TransferRequest]) -> [TransferOutcome] {
    var batch = LedgerBatch(
      accounts: accounts, balances: balances, locked: Set(accounts.filter(\.kind.isGuarded).map(\.id)),
      transfers: Array(transfers.values))
    let outcomes = requests.map { batch.decide($0) }
    for transfer in batch.transfers {
      #expect(transfers.updateValue(transfer, forKey: transfer.id) == nil)
    }
    for (id, change) in batch.changes {
      balances[id]!.posted += change.posted
      balances[id]!.pending += change.pending
    }
    return outcomes
  }

  func check() {
    for currency in Set(accounts.map(\.currency)) {
      let sum = accounts.filter { $0.currency == currency }.reduce(0) { $0 + balances[$1.id]!.posted }
      #expect(sum == 0, "money is conserved")
    }
    for account in accounts {
      let balance = balances[account.id]!
      let holds = transfers.values.filter {
        $0.kind == .pending && $0.debit == account.id && transfers[TransferID.resolution(of: $0.id)] == nil
      }
      #expect(
        balance.pending == holds.reduce(0) { $0 + $1.amount.minorUnits }, "the holds of an account are open holds")
      if account.kind.isGuarded { #expect(balance.available >= 0) }
    }
  }
}

@Suite struct LedgerPropertyTests {
  @Test(arguments: UInt64(0)..<40)
  func `money is conserved and no user goes below zero`(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let currencies = try ["EUR", "JPY"].map { try #require(Currency($0)) }
    var accounts: [LedgerAccount] = []
    for number in 0..<8 {
      let kind: LedgerAccount.Kind = number < 2 ? .world : number < 4 ? .clearing : .user
      accounts.append(
        LedgerAccount(id: UniqueID(high: 1, low: UInt64(number)), kind: kind, currency: currencies[number % 2]))
    }
    var book = Book(accounts)
    var asked: [TransferRequest] = []
    for _ in 0..<60 {
      var requests: [TransferRequest] = []
      for _ in 0..<Int.random(in: 1...12, using: &random) {
        requests.append(request(&random, accounts, asked))
      }
      let before = book.balances
      let outcomes = book.run(requests)
      book.check()
      if outcomes.allSatisfy({ if case .refused = $0 { true } else { false } }) { #expect(book.balances == before) }
      for (request, outcome) in zip(requests, outcomes) where outcome == .created { asked.append(request) }
      // All that was ever carried out is known, and asking again changes nothing.
      let settled = book.balances
      #expect(book.run(asked).allSatisfy { $0 == .exists })
      // Other content under a known id is refused by the field that differs.
      if let known = asked.randomElement(using: &random) {
        for (other, field) in altered(known, accounts) {
          #expect(book.run([other]) == [.refused(.differs(field))], "\(known) as \(other)")
        }
      }
      #expect(book.balances == settled)
    }
    #expect(asked.count > 100)
  }

  /// The request with one field changed, and that field.
  private func altered(
    _ request: TransferRequest, _ accounts: [LedgerAccount]
  ) -> [(TransferRequest, TransferRefusal.Field)] {
    func changed(_ movement: TransferRequest.Movement) -> [(TransferRequest.Movement, TransferRefusal.Field)] {
      let other = accounts.first { ![movement.debit, movement.credit].contains($0.id) }?.id ?? movement.debit
      let more = Money(minorUnits: movement.amount.minorUnits + 1, movement.amount.currency)
      let foreign = Money(
        minorUnits: movement.amount.minorUnits, accounts.first { $0.currency != movement.amount.currency }!.currency)
      return [
        (.init(id: movement.id, debit: other, credit: movement.credit, amount: movement.amount), .debit),
        (.init(id: movement.id, debit: movement.debit, credit: other, amount: movement.amount), .credit),
        (.init(id: movement.id, debit: movement.debit, credit: movement.credit, amount: more), .amount),
        (.init(id: movement.id, debit: movement.debit, credit: movement.credit, amount: foreign), .currency),
      ]
    }
    switch request {
    case .single(let movement):
      return [(.hold(movement), .kind)] + changed(movement).map { (.single($0.0), $0.1) }
    case .hold(let movement):
      return [(.single(movement), .kind)] + changed(movement).map { (.hold($0.0), $0.1) }
    case .post(let hold, let amount):
      return [(.void(hold: hold), .kind)]
        + (amount.map { $0 > 1 ? [(.post(hold: hold, amount: $0 - 1), .amount)] : [] } ?? [])
    case .void(let hold): return [(.post(hold: hold), .kind)]
    }
  }

  private func request(
    _ random: inout SplitMix64, _ accounts: [LedgerAccount], _ asked: [TransferRequest]
  ) -> TransferRequest {
    let holds = asked.compactMap { if case .hold(let movement) = $0 { movement } else { nil } }
    let choice = Int.random(in: 0..<10, using: &random)
    if choice < 3, let hold = holds.randomElement(using: &random) {
      return Bool.random(using: &random)
        ? .void(hold: hold.id)
        : .post(hold: hold.id, amount: Int64.random(in: 1...hold.amount.minorUnits, using: &random))
    }
    let debit = accounts.randomElement(using: &random)!
    let credit = accounts.filter { $0.currency == debit.currency }.randomElement(using: &random)!
    let id = UniqueID(high: 2, low: UInt64.random(in: 0..<400, using: &random) << 4)
    let movement = TransferRequest.Movement(
      id: id, debit: debit.id, credit: credit.id,
      amount: Money(minorUnits: Int64.random(in: -5...500, using: &random), debit.currency))
    return choice < 6 ? .single(movement) : .hold(movement)
  }
}
