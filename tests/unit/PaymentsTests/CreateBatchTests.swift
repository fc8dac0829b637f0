import Payments
import Runtime
import Testing

@Suite struct CreateBatchTests {
  @Test func insertsAreOneAnOrderInTheOrderOfLocks() throws {
    let batch = CreateBatch(
      try [30, 10, 20, 10].map { (order: Int64) in
        try CreateCommand(orderID: order, amountMinor: order, currency: "EUR")
      })
    #expect(batch.inserts.map(\.orderID) == [10, 20, 30])
  }

  @Test func theFirstOfAnOrderIsCreatedAndTheOthersFindIt() throws {
    let batch = CreateBatch(try [5, 5, 6].map { (order: Int64) in try CreateCommand(orderID: order) })
    let created = Samples.payment(order: 5)
    let stored = Samples.payment(order: 6, status: .completed, version: 2)
    let outcomes = try batch.outcomes(created: [created], existing: [stored]).map { try $0.get() }
    #expect(outcomes == [.created(created), .existing(created), .existing(stored)])
  }

  @Test func anotherAmountIsRefusedAndNoAmountClaimsNone() throws {
    let commands = [
      try CreateCommand(orderID: 5, amountMinor: 100, currency: "EUR"),
      try CreateCommand(orderID: 5, amountMinor: 101, currency: "EUR"),
      try CreateCommand(orderID: 5, amountMinor: 100, currency: "USD"), try CreateCommand(orderID: 5),
    ]
    let stored = Samples.payment(order: 5, amount: 100, currency: "EUR")
    let outcomes = CreateBatch(commands).outcomes(created: [], existing: [stored])
    #expect(try outcomes[0].get() == .existing(stored))
    #expect(try outcomes[3].get() == .existing(stored))
    for index in 1...2 {
      guard case .failure(let error) = outcomes[index] else {
        Issue.record("\(index) must be refused")
        continue
      }
      #expect(error.code == .alreadyExists)
    }
  }

  @Test func anOrderThatIsNowhereIsAnErrorOfOurs() throws {
    let outcomes = CreateBatch([try CreateCommand(orderID: 5)]).outcomes(created: [], existing: [])
    guard case .failure(let error) = outcomes[0] else {
      Issue.record("must fail")
      return
    }
    #expect(error.code == .internal)
  }
}

@Suite struct ValidationTests {
  private func field(_ body: () throws -> Void) -> String? {
    do {
      try body()
      return nil
    } catch {
      let error = error as? PaymentError
      return error?.code == .invalidArgument ? error?.field : "another error"
    }
  }

  @Test(arguments: [Int64.min, -1, 0]) func orderIDsAreAboveZero(_ order: Int64) {
    #expect(field { _ = try CreateCommand(orderID: order) } == "order_id")
    #expect(field { _ = try SettleCommand(orderID: order, to: .failed, reason: "") } == "order_id")
    #expect(field { try SettleCommand.check(orderID: order) } == "order_id")
  }

  @Test func reasonsAreAtMost500BytesWithoutNUL() {
    let settle = { (reason: String) in _ = try SettleCommand(orderID: 1, to: .failed, reason: reason) }
    #expect(field { try settle(String(repeating: "x", count: 500)) } == nil)
    #expect(field { try settle(String(repeating: "x", count: 501)) } == "reason")
    #expect(field { try settle(String(repeating: "ä", count: 251)) } == "reason")
    #expect(field { try settle("a\0b") } == "reason")
  }

  @Test func amountsAreNotNegativeAndNeedACurrency() {
    #expect(field { _ = try CreateCommand(orderID: 1, amountMinor: -1, currency: "EUR") } == "amount_minor")
    #expect(field { _ = try CreateCommand(orderID: 1, amountMinor: 5) } == "currency")
    for currency in ["eur", "EU", "EURO", "E1R"] {
      #expect(field { _ = try CreateCommand(orderID: 1, amountMinor: 5, currency: currency) } == "currency")
    }
    #expect(field { _ = try CreateCommand(orderID: 1, amountMinor: .max, currency: "EUR") } == nil)
  }

  @Test func pagesHaveADefaultAndALimit() throws {
    #expect(try PaymentQuery(status: nil, pageSize: 0, after: 0).limit == PaymentLimits.defaultPageSize)
    #expect(try PaymentQuery(status: nil, pageSize: 5_000, after: 0).limit == PaymentLimits.pageSize)
    #expect(field { _ = try PaymentQuery(status: nil, pageSize: -1, after: 0) } == "page_size")
  }
}
