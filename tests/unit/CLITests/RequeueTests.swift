import Kafka
import Testing

@testable import CLI

@Suite struct DeadLetterTests {
  private func letter(_ headers: [RecordHeader], value: [UInt8]? = [1]) -> DeadLetter {
    DeadLetter(
      ConsumedMessage(
        topic: "inventory.dlq", partition: 0, offset: 12, key: Array("7".utf8), value: value, headers: headers))
  }

  private let death = [
    RecordHeader("dlq_topic", "inventory"), RecordHeader("dlq_partition", "3"), RecordHeader("dlq_offset", "99"),
    RecordHeader("dlq_error", "currency is missing"),
  ]

  @Test func itIsRevivedAsWhatItWas() {
    let own = [RecordHeader("trace", "a"), RecordHeader("trace", "b")]
    let first = letter(own + death).revived(to: "inventory", partitions: 4, token: 8)
    #expect(first.headers == own + [RecordHeader("dlq_requeues", "1")])
    #expect(first.topic == "inventory" && first.partition == 3 && first.token == 8)
    #expect(first.key == Array("7".utf8) && first.value == [1])
    let second = letter(first.headers + death).revived(to: "inventory", partitions: 3, token: 0)
    #expect(second.headers == own + [RecordHeader("dlq_requeues", "2")])
    // The topic it died in had more partitions.
    #expect(second.partition == nil)
  }

  @Test func itsRequeuesAreCountedByTheLogAndNotByItsHeader() {
    let forged = letter(death + [RecordHeader("dlq_requeues", "99")])
    let details = [
      "0@12 to 3@99 time 2: currency: is missing", "0@13 to 3@98 time 1: x", "0@12: an older version's",
      "0@1 to 3@x time 1: ",
      "0@1 to 3 time 1: ", "0@1 to 3@99 time x: ",
    ]
    #expect(RequeueCounts().count(forged, of: "inventory") == 0)
    let counts = RequeueCounts(topic: "inventory", details: details)
    #expect(counts.count(forged, of: "inventory") == 2 && counts.count(forged, of: "stock") == 0)
    var counted = forged
    counted.counted = 2
    #expect(
      counted.obstacle(topic: "inventory", limit: 3) == nil && counted.obstacle(topic: "inventory", limit: 2) != nil)
    let revived = counted.revived(to: "inventory", partitions: 4, token: 0)
    #expect(revived.headers == [RecordHeader("dlq_requeues", "3")])
    let detail = RequeueCounts.detail(counted, to: TopicPartitionOffset("inventory", 1, 7))
    #expect(detail == "0@12 to 1@7 time 3: currency is missing")
    #expect(
      RequeueCounts(topic: "inventory", details: [detail]).count(
        letter([
          RecordHeader("dlq_topic", "inventory"), RecordHeader("dlq_partition", "1"), RecordHeader("dlq_offset", "7"),
        ]), of: "inventory") == 3)
  }

  @Test func someCannotBeRevived() {
    #expect(letter(death).obstacle(topic: "inventory", limit: 1) == nil)
    #expect(letter([]).obstacle(topic: "inventory", limit: 1) != nil)
    #expect(letter(death).obstacle(topic: "stock", limit: 1) != nil)
    #expect(letter(death + [RecordHeader("dlq_left_out", "value")]).obstacle(topic: "inventory", limit: 1) != nil)
    let again = letter(death + [RecordHeader("dlq_requeues", "2")])
    #expect(again.obstacle(topic: "inventory", limit: 2) != nil)
    #expect(again.obstacle(topic: "inventory", limit: 3) == nil)
  }
}
