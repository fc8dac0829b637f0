import Kafka
import Testing

@testable import Inbox

@Suite struct InboxBatchTests {
  private enum Outcome: String, InboxOutcome {
    case stored
    case skipped
  }
  private typealias Batch = InboxBatch<String, Outcome>

  private func message(_ text: String, offset: Int64 = 0, partition: Int32 = 0) -> ConsumedMessage {
    ConsumedMessage(topic: "orders", partition: partition, offset: offset, key: nil, value: Array(text.utf8))
  }

  /// Skips `-`, cannot use what begins with `x`, and has the rest executed.
  private func sort(_ message: ConsumedMessage) -> InboxSorting<String, Outcome> {
    let text = String(decoding: message.value ?? [], as: UTF8.self)
    if text == "-" { return .done(.skipped) }
    return text.hasPrefix("x") ? .unusable(reason: "bad") : .work(text)
  }

  @Test func offsetsAreTheNextOfEachPartition() {
    let offsets = [
      message("", offset: 4, partition: 0), message("", offset: 9, partition: 1), message("", offset: 5, partition: 0),
    ].nextOffsets
    #expect(Set(offsets) == [TopicPartitionOffset("orders", 0, 6), TopicPartitionOffset("orders", 1, 10)])
  }

  @Test func whatBecomesForeignIsDropped() {
    let messages = [
      message("a", partition: 0), message("x", partition: 1), message("b", partition: 1), message("xy", partition: 0),
    ]
    var batch = Batch(messages, sort: sort)
    #expect(messages.places == [TopicPartition("orders", 0), TopicPartition("orders", 1)])
    batch.keep([TopicPartition("orders", 1)])
    #expect(batch.items == ["b"] && batch.indices == [2])
    #expect(batch.deadLetters.map(\.index) == [1])
  }

  @Test func `every message has one outcome or becomes a dead letter`() {
    var batch = Batch([message("a"), message("-"), message("x"), message("b"), message("c")], sort: sort)
    #expect(batch.items == ["a", "b", "c"])
    batch.settle([.done(.stored), .unusable(reason: "refused"), .done(.stored)])
    #expect(batch.items.isEmpty && batch.outcomes == [.stored: 2, .skipped: 1])
    #expect(batch.deadLetters.map(\.index) == [2, 3] && batch.deadLetters.map(\.reason) == ["bad", "refused"])
  }

  @Test func `a handler may change items before their transaction`() {
    var batch = Batch([message("x"), message("a")], sort: sort)
    batch.prepare { items in items[0] += "!" }
    #expect(batch.items == ["a!"] && batch.indices == [1])
    var empty = Batch([message("x")], sort: sort)
    empty.prepare { _ in Issue.record("nothing to prepare") }
  }
}
