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
    ("{\"idempotent_key\":\"d978c560-fdba-4e84-b3f1-b570d8d95e4c\",\"order_id\":1,\"status\":\"done\"}", "status"),
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

  @Test func theFilterDropsRepetitionsAndCatchesStolenKeys() {
    var batch = InventoryBatch(
      [message(valid(1, key: 1)), message(valid(2, key: 2)), message(valid(3, key: 3))], triggerStatus: "COMPLETED")
    #expect(batch.keys.map(\.low) == [1, 2, 3])
    batch.remove(known: [Array("1/0/".utf8), nil, Array("99/0/".utf8)])
    #expect(batch.openings.map(\.message.command.orderID) == [2])
    #expect(batch.repeated == 1)
    #expect(batch.deadLetters.map(\.index) == [2])
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
