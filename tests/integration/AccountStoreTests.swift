import LedgerDomain
import LedgerStore
import Money
import Postgres
import Runtime
import Synchronization
import Testing
import Values

@Suite("Account store", .needsDatabase)
struct AccountStoreTests {
  typealias Book = LedgerStoreTests.Book
  private static let euro = LedgerStoreTests.euro

  private func with(_ body: (AccountStore, Connection, Book) throws -> Void) throws {
    try TestDatabase.withSchema { schema in
      let book = try Book(schema, users: 0, funds: 0)
      let store = AccountStore(LedgerTables(schema: schema), ledger: book.store)
      try body(store, TestDatabase.open(schema: schema), book)
    }
  }

  private func id(_ number: UInt64) -> UniqueID { UniqueID(high: 3, low: number << 4) }

  private func euros(_ amount: Int64) -> Money { Money(minorUnits: amount, Self.euro) }

  @Test func `a user has one account in a currency`() throws {
    try with { store, connection, _ in
      let owner = UniqueID(high: 1, low: 1)
      let (account, isNew) = try store.open(owner: owner, Self.euro, newID: id(1), on: connection)
      #expect(isNew && account.id == id(1) && account.owner == owner && account.balance == Balance())
      let (same, isNewAgain) = try store.open(owner: owner, Self.euro, newID: id(2), on: connection)
      #expect(!isNewAgain && same == account)
      let dollars = try #require(Currency("USD"))
      let (other, isOtherNew) = try store.open(owner: owner, dollars, newID: id(3), on: connection)
      #expect(isOtherNew && other.currency == dollars)
      #expect(try store.list(owner: owner, on: connection) == [account, other])
      #expect(try store.find([id(1), id(2)], on: connection) == [account])
      #expect(try store.list(owner: UniqueID(high: 9, low: 9), on: connection).isEmpty)
    }
  }

  @Test func `a repeated top up or spend has one effect and the same answer`() throws {
    try with { store, connection, book in
      let owner = UniqueID(high: 1, low: 1)
      let account = try store.open(owner: owner, Self.euro, newID: id(1), on: connection).account.id
      let topUp = ExternalMovement(id: id(10), .topUp, account: account, amount: euros(500))
      let spend = ExternalMovement(id: id(11), .spend, account: account, amount: euros(200))
      let first = try store.move([topUp, spend], on: connection)
      guard case .done(let topUpAt, false) = first[0], case .done(let spendAt, false) = first[1] else {
        throw TestFailure()
      }
      let second = try store.move([spend, topUp, topUp], on: connection)
      let repeated = ExternalMovementResult.done(at: topUpAt, isRepetition: true)
      #expect(second == [.done(at: spendAt, isRepetition: true), repeated, repeated])
      #expect(try store.find([account], on: connection).first?.balance == Balance(posted: 300))
      // Other content under the id is refused by the field.
      func outcome(_ direction: ExternalMovement.Direction, _ amount: Int64, to other: UniqueID? = nil) throws
        -> ExternalMovementResult
      {
        let movement = ExternalMovement(id: id(10), direction, account: other ?? account, amount: euros(amount))
        return try store.move([movement], on: connection)[0]
      }
      #expect(try outcome(.topUp, 501) == .refused(.differs(.amount)))
      #expect(try outcome(.spend, 500) == .refused(.differs(.debit)))
      let other = try store.open(owner: UniqueID(high: 1, low: 2), Self.euro, newID: id(2), on: connection).account.id
      #expect(try outcome(.topUp, 500, to: other) == .refused(.differs(.credit)))
      #expect(try store.find([account], on: connection).first?.balance == Balance(posted: 300))
      try book.check()
    }
  }

  @Test func `what cannot be moved is refused, and the rest of the batch goes on`() throws {
    try with { store, connection, book in
      let account = try store.open(owner: UniqueID(high: 1, low: 1), Self.euro, newID: id(1), on: connection).account.id
      let yen = Money(minorUnits: 5, try #require(Currency("JPY")))
      let movements = [
        ExternalMovement(id: id(10), .spend, account: account, amount: euros(1)),
        ExternalMovement(id: id(11), .topUp, account: account, amount: euros(100)),
        ExternalMovement(id: id(12), .spend, account: account, amount: euros(101)),
        ExternalMovement(id: id(13), .topUp, account: account, amount: yen),
        ExternalMovement(id: id(14), .topUp, account: id(99), amount: euros(1)),
        ExternalMovement(id: id(15), .topUp, account: book.clearing.id, amount: euros(1)),
        ExternalMovement(id: id(16), .topUp, account: account, amount: euros(0)),
        ExternalMovement(id: id(17), .topUp, account: account, amount: euros(LedgerBatch.maximumAmount + 1)),
        ExternalMovement(id: id(18), .spend, account: account, amount: euros(100)),
      ]
      let results = try store.move(movements, on: connection)
      let refusals = results.map { if case .refused(let refusal) = $0 { refusal } else { TransferRefusal?.none } }
      #expect(
        refusals == [
          .insufficientFunds, nil, .insufficientFunds, .otherCurrency(account), .unknownAccount(id(99)),
          .unknownAccount(book.clearing.id), .amountOutOfRange, .amountOutOfRange, nil,
        ])
      #expect(try store.find([account], on: connection).first?.balance == Balance())
      try book.check()
    }
  }

  @Test func `the same request from many at once is carried out once`() throws {
    try with { store, connection, book in
      let account = try store.open(owner: UniqueID(high: 1, low: 1), Self.euro, newID: id(1), on: connection).account.id
      let answers = Mutex<[ExternalMovementResult]>([])
      let threads = (0..<8).map { _ in
        WorkerThread(name: "caller") {
          do {
            let connection = try TestDatabase.open(schema: book.schema)
            for number in UInt64(1)...10 {
              let movement = ExternalMovement(
                id: UniqueID(high: 3, low: (100 + number) << 4), .topUp, account: account,
                amount: Money(minorUnits: 7, Self.euro))
              let result = try store.move([movement], on: connection)[0]
              answers.withLock { $0.append(result) }
            }
          } catch { Issue.record(error) }
        }
      }
      for thread in threads { thread.join() }
      let results = answers.withLock { $0 }
      #expect(results.count == 80)
      #expect(results.filter { if case .done(_, false) = $0 { true } else { false } }.count == 10)
      #expect(results.allSatisfy { if case .done = $0 { true } else { false } })
      #expect(try store.find([account], on: connection).first?.balance == Balance(posted: 70))
      try book.check()
    }
  }

  @Test func `entries come newest first, in pages, within a period`() throws {
    try with { store, connection, book in
      let account = try store.open(owner: UniqueID(high: 1, low: 1), Self.euro, newID: id(1), on: connection).account.id
      for number in UInt64(0)..<6 {
        // Two in a transaction, so that they have the same moment.
        let movements = [
          ExternalMovement(id: id(10 + number * 2), .topUp, account: account, amount: euros(10)),
          ExternalMovement(id: id(11 + number * 2), .spend, account: account, amount: euros(4)),
        ]
        _ = try store.move(movements, on: connection)
      }
      let all = try store.entries(of: account, limit: 100, on: connection)
      #expect(all.count == 12)
      #expect(all.map { $0.at.microseconds } == all.map { $0.at.microseconds }.sorted(by: >))
      #expect(Set(all.map(\.transfer.id)).count == 12)
      #expect(all.map(\.posted).reduce(0, +) == 36)
      #expect(all.filter { $0.side == .credit }.allSatisfy { $0.counterparty == book.world.id && $0.posted == 10 })
      var paged: [AccountEntry] = []
      var cursor: EntryCursor?
      while true {
        let page = try store.entries(of: account, after: cursor, limit: 5, on: connection)
        guard let last = page.last else { break }
        paged += page
        let next = try #require(EntryCursor(last.cursor.description))
        cursor = next
      }
      #expect(paged == all)
      let middle = all[5].at
      let early = try store.entries(of: account, until: middle, limit: 100, on: connection)
      let late = try store.entries(of: account, from: middle, limit: 100, on: connection)
      #expect(late + early == all && !early.isEmpty && !late.isEmpty)
      #expect(EntryCursor("1.x") == nil && EntryCursor("") == nil && EntryCursor("+1.\(id(1))") == nil)
    }
  }

  private struct TestFailure: Error {}
}
