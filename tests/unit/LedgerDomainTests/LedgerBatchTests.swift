import Money
import Testing
import Values

@testable import LedgerDomain

@Suite struct LedgerBatchTests {
  static let euro = Currency("EUR")!
  static let alice = LedgerAccount(id: UniqueID(high: 1, low: 0), kind: .user, currency: euro)
  static let bob = LedgerAccount(id: UniqueID(high: 2, low: 0), kind: .user, currency: euro)
  static let world = LedgerAccount(id: UniqueID(high: 3, low: 0), kind: .world, currency: euro)
  static let yen = LedgerAccount(id: UniqueID(high: 4, low: 0), kind: .user, currency: Currency("JPY")!)

  private func batch(
    alice: Balance = Balance(posted: 100), locked: Set<UniqueID> = [alice.id, bob.id, yen.id], known: [Transfer] = []
  ) -> LedgerBatch {
    LedgerBatch(
      accounts: [Self.alice, Self.bob, Self.world, Self.yen], balances: [Self.alice.id: alice], locked: locked,
      transfers: known)
  }

  private func movement(
    _ number: UInt64 = 1, from debit: LedgerAccount = Self.alice, to credit: LedgerAccount = Self.bob,
    _ amount: Int64 = 60, _ currency: Currency = Self.euro
  ) -> TransferRequest.Movement {
    TransferRequest.Movement(
      id: UniqueID(high: 9, low: number << 4), debit: debit.id, credit: credit.id,
      amount: Money(minorUnits: amount, currency))
  }

  /// Those that the tables have, which nothing may change.
  @Test func `the ids of transfers derive from payment and step`() {
    let payment = UniqueID(high: 9, low: 0x555F)
    let ids = TransferID.Step.allCases.map { TransferID.of(payment, $0) }
    #expect(ids == [0x5550, 0x5551, 0x5552, 0x5553, 0x5554].map { UniqueID(high: 9, low: $0) })
    #expect(TransferID.resolution(of: ids[0]) == UniqueID(high: 9, low: 0x5558))
    #expect(ids.allSatisfy { TransferID.payments(of: $0).contains(payment) })
    var batch = batch()
    let hold = TransferRequest.Movement(
      id: ids[0], debit: Self.alice.id, credit: Self.bob.id, amount: Money(minorUnits: 60, Self.euro))
    #expect(batch.decide(.hold(hold)) == .created && batch.decide(.void(hold: hold.id)) == .created)
    #expect(batch.transfers.map(\.id) == [0x5550, 0x5558].map { UniqueID(high: 9, low: $0) })
  }

  @Test func `a hold reserves, a post moves a part and frees the rest`() {
    var batch = batch()
    let hold = movement(60)
    #expect(batch.decide(.hold(hold)) == .created)
    #expect(batch.changes[Self.alice.id] == Balance(pending: 60))
    #expect(batch.changes[Self.bob.id] == Balance())
    #expect(batch.decide(.post(hold: hold.id, amount: 25)) == .created)
    #expect(batch.changes[Self.alice.id] == Balance(posted: -25))
    #expect(batch.changes[Self.bob.id] == Balance(posted: 25))
    #expect(batch.transfers.map(\.kind) == [.pending, .post])
    #expect(batch.transfers[1].pendingID == hold.id)
  }

  @Test func `a hold is resolved once, whichever way`() {
    var batch = batch()
    let hold = movement()
    #expect(batch.decide(.hold(hold)) == .created)
    #expect(batch.decide(.void(hold: hold.id)) == .created)
    #expect(batch.changes[Self.alice.id] == Balance())
    #expect(batch.decide(.void(hold: hold.id)) == .exists)
    #expect(batch.decide(.post(hold: hold.id)) == .refused(.differs(.kind)))
    #expect(batch.transfers.count == 2)
  }

  @Test func `later requests see what earlier ones left, and a refused one leaves nothing`() {
    var batch = batch()
    #expect(batch.decide(.single(movement(1, 90))) == .created)
    #expect(batch.decide(.hold(movement(2, 20))) == .refused(.insufficientFunds))
    #expect(batch.decide(.hold(movement(3, 5))) == .created)
    #expect(batch.decide(.single(movement(4, from: Self.bob, to: Self.alice, 91))) == .refused(.insufficientFunds))
    #expect(batch.decide(.single(movement(5, from: Self.bob, to: Self.alice, 90))) == .created)
    #expect(batch.decide(.single(movement(6, 95))) == .created)
    #expect(batch.changes[Self.alice.id] == Balance(posted: -95, pending: 5))
  }

  @Test func `the same id with other content names the field`() {
    var batch = batch()
    #expect(batch.decide(.single(movement(1, 10))) == .created)
    #expect(batch.decide(.single(movement(1, 10))) == .exists)
    #expect(batch.decide(.hold(movement(1, 10))) == .refused(.differs(.kind)))
    #expect(batch.decide(.single(movement(1, from: Self.world, 10))) == .refused(.differs(.debit)))
    #expect(batch.decide(.single(movement(1, to: Self.world, 10))) == .refused(.differs(.credit)))
    #expect(batch.decide(.single(movement(1, 11))) == .refused(.differs(.amount)))
    #expect(batch.decide(.single(movement(1, 10, Currency("USD")!))) == .refused(.differs(.currency)))
    #expect(batch.transfers.count == 1)
  }

  @Test func `what cannot be is refused with its reason`() {
    var batch = batch()
    let nobody = LedgerAccount(id: UniqueID(high: 7, low: 7), kind: .user, currency: Self.euro)
    #expect(batch.decide(.single(movement(1, 0))) == .refused(.amountOutOfRange))
    #expect(batch.decide(.single(movement(1, -1))) == .refused(.amountOutOfRange))
    #expect(batch.decide(.single(movement(1, LedgerBatch.maximumAmount + 1))) == .refused(.amountOutOfRange))
    #expect(batch.decide(.single(movement(1, to: Self.alice))) == .refused(.sameAccount))
    #expect(batch.decide(.single(movement(1, to: nobody))) == .refused(.unknownAccount(nobody.id)))
    #expect(batch.decide(.single(movement(1, to: Self.yen))) == .refused(.otherCurrency(Self.yen.id)))
    #expect(batch.decide(.single(movement(1, 101))) == .refused(.insufficientFunds))
    #expect(batch.decide(.post(hold: UniqueID(high: 8, low: 0))) == .refused(.unknownHold))
    #expect(batch.decide(.single(movement(2, 1))) == .created)
    #expect(batch.decide(.post(hold: movement(2).id)) == .refused(.unknownHold))
    #expect(batch.decide(.hold(movement(3, 10))) == .created)
    #expect(batch.decide(.post(hold: movement(3).id, amount: 11)) == .refused(.exceedsHold))
    #expect(batch.decide(.post(hold: movement(3).id, amount: 0)) == .refused(.amountOutOfRange))
    #expect(batch.transfers.count == 2)
  }

  @Test func `tables that contradict themselves are an error and no crash`() {
    var first = batch(alice: Balance(posted: Int64.min + 5, pending: Int64.max))
    #expect(first.decide(.single(movement(1, 10))) == .refused(.insufficientFunds))
    let hold = Transfer(
      id: movement().id, kind: .pending, debit: Self.alice.id, credit: Self.bob.id,
      amount: Money(minorUnits: 60, Self.euro), pendingID: nil)
    var second = batch(alice: Balance(posted: 100, pending: 59), known: [hold])
    #expect(second.decide(.void(hold: hold.id)) == .refused(.inconsistent(Self.alice.id)))
    #expect(second.changes.isEmpty && second.transfers.isEmpty)
    // Its payment has another account.
    var third = batch(locked: [Self.bob.id], known: [hold])
    #expect(third.decide(.post(hold: hold.id)) == .refused(.inconsistent(Self.alice.id)))
    #expect(third.changes.isEmpty && third.transfers.isEmpty)
  }

  @Test(arguments: [true, false])
  func `an account takes no more than it may have, locked or not`(isLocked: Bool) {
    let most = LedgerBatch.maximumBalance
    var batch = batch(alice: Balance(posted: most - 5), locked: isLocked ? [Self.alice.id] : [])
    #expect(
      batch.decide(.single(movement(1, from: Self.world, to: Self.alice, 6))) == .refused(.overflow(Self.alice.id)))
    #expect(batch.changes.isEmpty)
    #expect(batch.decide(.single(movement(1, from: Self.world, to: Self.alice, 5))) == .created)
    // Ours are below zero by no more than that, either.
    var poor = LedgerBatch(
      accounts: [Self.bob, Self.world], balances: [Self.world.id: Balance(posted: 5 - most)], locked: [], transfers: [])
    #expect(poor.decide(.single(movement(1, from: Self.world, 6))) == .refused(.overflow(Self.world.id)))
    #expect(poor.decide(.single(movement(1, from: Self.world, 5))) == .created)
  }

  @Test func `what is not locked is credited and not debited`() {
    var batch = batch(locked: [])
    #expect(batch.decide(.single(movement(1, 10))) == .refused(.inconsistent(Self.alice.id)))
    #expect(batch.decide(.hold(movement(1, 10))) == .refused(.inconsistent(Self.alice.id)))
    #expect(batch.decide(.single(movement(1, from: Self.world, to: Self.alice, 10))) == .created)
    #expect(batch.changes[Self.alice.id] == Balance(posted: 10))
  }
}
