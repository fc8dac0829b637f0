import Kafka
import Testing
import Values

@testable import OutboxKafka

@Suite("What waits for a busy partition") struct PartitionPaceTests {
  private let start = Instant(nanoseconds: 1_000_000_000)

  /// Of three.
  private func partition(_ key: String) -> Int32 { KeyPartitioner.partition(of: Array(key.utf8), count: 3) }

  private func record(_ token: UInt64, key: String = "k") -> ProducerRecord {
    ProducerRecord(topic: "t", key: Array(key.utf8), value: [], headers: [], token: token)
  }

  private func records(_ tokens: ClosedRange<UInt64>, key: String = "k") -> [ProducerRecord] {
    tokens.map { record($0, key: key) }
  }

  private func reports(_ tokens: ClosedRange<UInt64>, partition: Int32 = 0) -> [DeliveryReport] {
    tokens.map { DeliveryReport(token: $0, topic: "t", partition: partition, offset: 1) }
  }

  @Test("a few records go at once, and so does a whole batch")
  func few() {
    var pace = PartitionPace(deliveryTimeout: .seconds(10))
    #expect(pace.take([record(1)], at: start).map(\.token) == [1])
    #expect(pace.take(records(2...4), at: start).map(\.token) == [2, 3, 4])
    #expect(pace.take(records(5...60), at: start).count == 56)
  }

  @Test("what comes while five are under way waits, and goes together once the broker has answered")
  func batches() {
    var pace = PartitionPace(deliveryTimeout: .seconds(10))
    _ = pace.take(records(1...9), at: start)
    #expect(pace.take(records(10...11), at: start).isEmpty)
    #expect(pace.take(records(12...12), at: start).isEmpty)
    #expect(pace.answered(reports(1...4)).isEmpty)
    #expect(pace.answered(reports(5...9)).map(\.token) == [10, 11, 12])
    #expect(pace.answered(reports(10...12)).isEmpty)
    #expect(pace.take([record(13)], at: start).map(\.token) == [13])
  }

  @Test("one partition does not wait for another")
  func partitions() throws {
    var pace = PartitionPace(deliveryTimeout: .seconds(10))
    // An answer of the last partition shows how many there are.
    _ = pace.take([record(1)], at: start)
    _ = pace.answered(reports(1...1, partition: 2))
    let keys = (0..<100).map { "key-\($0)" }
    let busy = try #require(keys.first)
    let other = try #require(keys.first { partition($0) != partition(busy) })
    #expect(pace.take(records(10...19, key: busy), at: start).count == 10)
    #expect(pace.take([record(20, key: busy)], at: start).isEmpty)
    #expect(pace.take([record(21, key: other)], at: start).map(\.token) == [21])
  }

  @Test("a partition that does not answer holds records for the patience only")
  func patience() {
    var pace = PartitionPace(deliveryTimeout: .seconds(10))
    _ = pace.take(records(1...9), at: start)
    _ = pace.take([record(10)], at: start)
    _ = pace.take([record(11)], at: start + .milliseconds(100))
    #expect(pace.overdue(at: start + pace.patience - .milliseconds(1)).isEmpty)
    #expect(pace.overdue(at: start + pace.patience).map(\.token) == [10, 11])
    #expect(pace.overdue(at: start + .seconds(5)).isEmpty)
  }

  @Test("what the producer has not accepted is not under way")
  func takenBack() {
    var pace = PartitionPace(deliveryTimeout: .seconds(10))
    let refused = pace.take(records(1...9), at: start)
    pace.takeBack(refused)
    #expect(pace.take([record(10)], at: start).map(\.token) == [10])
    // An answer for one of them, late, counts nothing twice.
    #expect(pace.answered(reports(1...9)).isEmpty)
    #expect(pace.take(records(11...14), at: start).count == 4)
    #expect(pace.take([record(15)], at: start).isEmpty)
  }

  @Test("what waits is given back once, and a new producer begins with nothing under way")
  func givenUp() {
    var pace = PartitionPace(deliveryTimeout: .seconds(10))
    _ = pace.take(records(1...9), at: start)
    _ = pace.take(records(10...12), at: start)
    #expect(pace.giveUp().map(\.token) == [10, 11, 12])
    #expect(pace.giveUp().isEmpty)
    #expect(pace.answered(reports(1...5)).isEmpty)
    pace.forgetUnderWay()
    #expect(pace.take([record(13)], at: start).map(\.token) == [13])
  }
}
