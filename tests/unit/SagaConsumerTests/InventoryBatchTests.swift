import Inbox
import Kafka
import SagaConsumer
import SagaDomain
import Testing
import Values

@Suite struct InventoryBatchTests {
  private func message(_ text: String?, offset: Int64 = 0, partition: Int32 = 0) -> ConsumedMessage {
    ConsumedMessage(
      topic: "inventory", partition: partition, offset: offset, key: nil, value: text.map { Array($0.utf8) })
  }

  private func valid(_ order: Int64, key: UInt64 = 1, status: String = "COMPLETED") -> String {
    "{\"idempotent_key\":\"\(UniqueID(high: 0, low: key))\",\"order_id\":\(order),\"status\":\"\(status)\"}"
  }

  private func sorted(_ messages: [ConsumedMessage]) -> InboxBatch<Opening, InventoryOutcome> {
    InboxBatch(messages) { InventoryHandler.sort($0, triggerStatus: "COMPLETED") }
  }

  @Test func messagesAreSortedByWhatToDoWithThem() {
    let batch = sorted(
      [message(valid(1)), message("nonsense"), message(valid(2, status: "RESERVED")), message(nil), message(valid(3))])
    #expect(batch.items.map(\.message.command.orderID) == [1, 3])
    #expect(batch.indices == [0, 4])
    #expect(batch.deadLetters.map(\.index) == [1, 3])
    #expect(batch.outcomes == [.skipped: 1])
  }

  @Test(arguments: [
    ("{\"order_id\":1,\"status\":\"COMPLETED\"}", "idempotent_key"),
    ("{\"idempotent_key\":\"x\",\"order_id\":1,\"status\":\"COMPLETED\"}", "idempotent_key"),
    ("{\"idempotent_key\":\"d978c560-fdba-4e84-b3f1-b570d8d95e4c\",\"status\":\"COMPLETED\"}", "order_id"),
    (
      "{\"idempotent_key\":\"d978c560-fdba-4e84-b3f1-b570d8d95e4c\",\"order_id\":1.5,\"status\":\"COMPLETED\"}",
      "order_id"
    ),
    (
      "{\"idempotent_key\":\"d978c560-fdba-4e84-b3f1-b570d8d95e4c\",\"order_id\":0,\"status\":\"COMPLETED\"}",
      "order_id"
    ),
    ("{\"idempotent_key\":\"d978c560-fdba-4e84-b3f1-b570d8d95e4c\",\"order_id\":1}", "status"),
    ("{\"idempotent_key\":\"d978c560-fdba-4e84-b3f1-b570d8d95e4c\",\"order_id\":1,\"status\":\"\"}", "status"),
    (
      "{\"idempotent_key\":\"d978c560-fdba-4e84-b3f1-b570d8d95e4c\",\"order_id\":1,\"status\":\"COMPLETED\",\"amount_minor\":-5,\"currency\":\"EUR\"}",
      "amount_minor"
    ),
    (
      "{\"idempotent_key\":\"d978c560-fdba-4e84-b3f1-b570d8d95e4c\",\"order_id\":1,\"status\":\"COMPLETED\",\"amount_minor\":5}",
      "currency"
    ),
  ]) func theReasonNamesTheField(text: String, field: String) {
    let batch = sorted([message(text)])
    #expect(batch.deadLetters.count == 1)
    #expect(batch.deadLetters.first?.reason.contains(field) == true, "\(batch.deadLetters.first?.reason ?? "")")
  }

  @Test func amountsAndUnknownFieldsAreRead() throws {
    let text = """
      {"extra":{"a":[1,2]},"currency":"EUR","status":"COMPLETED","amount_minor":1250,"order_id":9007199254740993,
       "idempotent_key":"D978C560-FDBA-4E84-B3F1-B570D8D95E4C"}
      """
    let inventory = try InventoryMessage(Array(text.utf8))
    #expect(inventory.command.orderID == 9_007_199_254_740_993)
    #expect(inventory.command.amountMinor == 1_250)
    #expect(inventory.command.currency == "EUR")
  }

  private func payment(_ order: Int64, key: UInt64?, amount: Int64 = 0) -> Payment {
    Payment(
      id: order, orderID: order, status: .created, reason: "", version: 1, amountMinor: amount,
      currency: amount == 0 ? "" : "EUR", idempotentKey: key.map { UniqueID(high: 0, low: $0) },
      createdAt: Timestamp(microseconds: 0), updatedAt: Timestamp(microseconds: 0), expiresAt: nil)
  }

  private func opened(_ claims: [String?], _ payments: [Payment]) -> InventoryBatch {
    var openings = sorted(claims.indices.map { message(valid(Int64($0 + 1), key: UInt64($0 + 1))) }).items
    for (index, claim) in claims.enumerated() { openings[index].claim = claim.flatMap { FilterClaim(Array($0.utf8)) } }
    var batch = InventoryBatch(openings)
    batch.remove(confirmedBy: payments)
    return batch
  }

  /// The results of a batch whose open openings are all created: `filtered`, `created`, or `unusable` for a refusal.
  private func results(_ batch: InventoryBatch) -> [String] {
    var batch = batch
    batch.settle(batch.openings.map { .success(.created(payment($0.message.command.orderID, key: nil))) })
    return batch.results.map { result in
      switch result {
      case .done(let outcome): outcome.rawValue
      case .unusable: "unusable"
      }
    }
  }

  @Test func repetitionsAndStolenKeysAreSortedOutWhereTheDatabaseConfirmsThem() {
    let batch = opened(
      ["1/0/", nil, "99/0/", "4/0/"], [payment(1, key: 1), payment(99, key: 3), payment(4, key: nil)])
    #expect(batch.openings.map(\.message.command.orderID) == [2])
    #expect(results(batch) == ["filtered", "created", "unusable", "filtered"])
  }

  @Test func `each opening gets its own result`() throws {
    var batch = opened(["1/0/", nil, nil, nil], [payment(1, key: 1)])
    batch.settle([
      .success(.created(payment(2, key: 2))), .failure(PaymentError(.invalidArgument, "no")),
      .success(.existing(payment(4, key: 4))),
    ])
    #expect(batch.openings.isEmpty && batch.results.count == 4)
    guard case .done(.filtered) = batch.results[0], case .done(.created) = batch.results[1],
      case .unusable(reason: "no") = batch.results[2], case .done(.duplicate) = batch.results[3]
    else {
      Issue.record("\(batch.results)")
      return
    }
  }

  /// Whatever somebody has written into Redis, a message without a payment opens one.
  @Test(arguments: [
    "1/0/", "99/0/", "98/0/", "", "/", "1", "x/0/", "-1/0/", "0/0/", "9223372036854775808/0/", "1/0/\0", "\u{FFFD}",
    "1//0/", "2/0/",
  ])
  func aForgedClaimMakesNoMessageVanish(claim: String) {
    let batch = opened([claim], [payment(99, key: 77), payment(2, key: 2)])
    #expect(batch.openings.map(\.message.command.orderID) == [1])
    #expect(results(batch) == ["created"])
  }

  @Test func anotherAmountThanThePaymentsIsLeftToTheInsert() {
    let text = valid(1).dropLast() + ",\"amount_minor\":5,\"currency\":\"EUR\"}"
    var openings = sorted([message(String(text))]).items
    openings[0].claim = FilterClaim(Array("1/5/EUR".utf8))
    var batch = InventoryBatch(openings)
    #expect(batch.claimedOrders == [1])
    batch.remove(confirmedBy: [payment(1, key: 1, amount: 6)])
    #expect(batch.openings.count == 1)
  }

  @Test func ofTwoTracesNoneIsTaken() {
    let trace = RecordHeader("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    for (headers, isTaken) in [([trace], true), ([trace, trace], false), ([RecordHeader("traceparent", nil)], false)] {
      var message = message(valid(1))
      message.headers = headers + [RecordHeader("x", nil)]
      #expect((sorted([message]).items[0].message.command.trace != nil) == isTaken)
    }
  }
}
