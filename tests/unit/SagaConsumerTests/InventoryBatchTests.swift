import Kafka
import SagaDomain
import Testing
import Values

@testable import SagaConsumer

@Suite struct InventoryBatchTests {
  private func message(_ text: String?, offset: Int64 = 0, partition: Int32 = 0) -> ConsumedMessage {
    ConsumedMessage(
      topic: "inventory", partition: partition, offset: offset, key: nil, value: text.map { Array($0.utf8) })
  }

  private func valid(_ order: Int64, key: UInt64 = 1, status: String = "COMPLETED") -> String {
    "{\"idempotent_key\":\"\(UniqueID(high: 0, low: key))\",\"order_id\":\(order),\"status\":\"\(status)\"}"
  }

  @Test func messagesAreSortedByWhatToDoWithThem() {
    let batch = InventoryBatch(
      [message(valid(1)), message("nonsense"), message(valid(2, status: "RESERVED")), message(nil), message(valid(3))],
      triggerStatus: "COMPLETED")
    #expect(batch.openings.map(\.message.command.orderID) == [1, 3])
    #expect(batch.openings.map(\.index) == [0, 4])
    #expect(batch.deadLetters.map(\.index) == [1, 3])
    #expect(batch.skipped == 1)
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
    let batch = InventoryBatch([message(text)], triggerStatus: "COMPLETED")
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
    var batch = InventoryBatch(
      claims.indices.map { message(valid(Int64($0 + 1), key: UInt64($0 + 1))) }, triggerStatus: "COMPLETED")
    batch.note(claims: claims.map { $0.map { Array($0.utf8) } })
    batch.remove(confirmedBy: payments)
    return batch
  }

  @Test func repetitionsAndStolenKeysAreSortedOutWhereTheDatabaseConfirmsThem() {
    let batch = opened(
      ["1/0/", nil, "99/0/", "4/0/"], [payment(1, key: 1), payment(99, key: 3), payment(4, key: nil)])
    #expect(batch.openings.map(\.message.command.orderID) == [2])
    #expect(batch.repeated == 2)
    #expect(batch.deadLetters.map(\.index) == [2])
  }

  /// Whatever somebody has written into Redis, a message without a payment opens one.
  @Test(arguments: [
    "1/0/", "99/0/", "98/0/", "", "/", "1", "x/0/", "-1/0/", "0/0/", "9223372036854775808/0/", "1/0/\0", "\u{FFFD}",
    "1//0/", "2/0/",
  ])
  func aForgedClaimMakesNoMessageVanish(claim: String) {
    let batch = opened([claim], [payment(99, key: 77), payment(2, key: 2)])
    #expect(batch.openings.map(\.message.command.orderID) == [1])
    #expect(batch.repeated == 0 && batch.deadLetters.isEmpty)
  }

  @Test func anotherAmountThanThePaymentsIsLeftToTheInsert() {
    let text = valid(1).dropLast() + ",\"amount_minor\":5,\"currency\":\"EUR\"}"
    var batch = InventoryBatch([message(String(text))], triggerStatus: "COMPLETED")
    batch.note(claims: [Array("1/5/EUR".utf8)])
    #expect(batch.claimedOrders == [1])
    batch.remove(confirmedBy: [payment(1, key: 1, amount: 6)])
    #expect(batch.openings.count == 1)
  }

  @Test func ofTwoTracesNoneIsTaken() {
    let trace = RecordHeader("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    for (headers, isTaken) in [([trace], true), ([trace, trace], false), ([RecordHeader("traceparent", nil)], false)] {
      var message = message(valid(1))
      message.headers = headers + [RecordHeader("x", nil)]
      let batch = InventoryBatch([message], triggerStatus: "COMPLETED")
      #expect((batch.openings[0].message.command.trace != nil) == isTaken)
    }
  }

  @Test func offsetsAreTheNextOfEachPartition() {
    let offsets = InventoryBatch.offsets(of: [
      message("", offset: 4, partition: 0), message("", offset: 9, partition: 1), message("", offset: 5, partition: 0),
    ])
    #expect(Set(offsets) == [TopicPartitionOffset("inventory", 0, 6), TopicPartitionOffset("inventory", 1, 10)])
  }

  @Test func whatBecomesForeignIsDropped() {
    let messages = [
      message(valid(1), partition: 0), message("x", partition: 1), message(valid(2), partition: 1),
      message("y", partition: 0),
    ]
    var batch = InventoryBatch(messages, triggerStatus: "COMPLETED")
    #expect(InventoryBatch.places(of: messages) == [TopicPartition("inventory", 0), TopicPartition("inventory", 1)])
    batch.keep { messages[$0].partition == 1 }
    #expect(batch.openings.map(\.index) == [2])
    #expect(batch.deadLetters.map(\.index) == [1])
  }
}
