import Kafka
import Testing
import Values

@testable import OutboxKafka

@Suite struct DeliveryWatchTests {
  private func at(_ seconds: Int) -> Instant { Instant(nanoseconds: 1_000_000_000_000) + .seconds(seconds) }

  private func report(_ kind: DeliveryFailure.Kind?, partition: Int32 = 0, topic: String = "payment")
    -> DeliveryReport
  {
    DeliveryReport(
      token: 1, topic: topic, partition: partition, offset: kind == nil ? 1 : nil,
      failure: kind.map { DeliveryFailure(kind: $0, number: 19, mayBePersisted: false) })
  }

  @Test func silenceCountsAfterSomeSeconds() {
    var watch = DeliveryWatch(deliveryTimeout: .seconds(10))
    #expect(watch.obstacle(at: at(100)) == nil)
    watch.handOver(3, at: at(0))
    #expect(watch.obstacle(at: at(4)) == nil)
    #expect(watch.obstacle(at: at(6))?.contains("6 s") == true)
    let hasAcknowledged = watch.note([report(nil)], at: at(7))
    #expect(hasAcknowledged)
    #expect(watch.obstacle(at: at(8)) == nil)
    watch.takeBack(2)
    #expect(watch.obstacle(at: at(100)) == nil)
    watch.handOver(3, at: at(100))
    watch.forgetUnanswered()
    #expect(watch.obstacle(at: at(200)) == nil)
  }

  @Test func aPartitionThatRefusesCountsThoughOthersGoOn() {
    var watch = DeliveryWatch(deliveryTimeout: .seconds(10))
    watch.handOver(4, at: at(0))
    let refused = watch.note([report(.transient, partition: 2)], at: at(0))
    let taken = watch.note([report(nil, partition: 1)], at: at(1))
    #expect(!refused && taken)
    #expect(watch.obstacle(at: at(1)) == nil)
    #expect(watch.obstacle(at: at(4))?.hasPrefix("partition 2: ") == true)
    _ = watch.note([report(nil, partition: 2)], at: at(5))
    #expect(watch.obstacle(at: at(5)) == nil)
  }

  @Test func aTimeoutHasLastedAlready() {
    var watch = DeliveryWatch(deliveryTimeout: .seconds(10))
    _ = watch.note([report(.timedOut)], at: at(0))
    #expect(watch.obstacle(at: at(0)) != nil)
    // Whoever publishes the partition's keys now, it is not us.
    #expect(watch.obstacle(at: at(121)) == nil)
  }

  @Test func aRefusalLongAfterTheLastOneBeginsAnew() {
    var watch = DeliveryWatch(deliveryTimeout: .seconds(10))
    _ = watch.note([report(.transient)], at: at(0))
    #expect(watch.obstacle(at: at(4)) != nil)
    _ = watch.note([report(.transient)], at: at(3_600))
    #expect(watch.obstacle(at: at(3_600)) == nil && watch.obstacle(at: at(3_604)) != nil)
  }

  @Test func whatTimedOutWithoutAPartitionIsOverOnceAnythingIsAcknowledged() {
    var watch = DeliveryWatch(deliveryTimeout: .seconds(10))
    _ = watch.note([report(.timedOut, partition: -1)], at: at(0))
    #expect(watch.obstacle(at: at(1)) != nil)
    _ = watch.note([report(nil, partition: 3)], at: at(2))
    #expect(watch.obstacle(at: at(2)) == nil)
  }

  @Test func anotherTopicsPartitionDisprovesNothing() {
    var watch = DeliveryWatch(deliveryTimeout: .seconds(10))
    _ = watch.note([report(.transient, partition: 2)], at: at(0))
    _ = watch.note([report(nil, partition: 2, topic: "other")], at: at(1))
    #expect(watch.obstacle(at: at(4)) != nil)
  }

  @Test func whatIsOneMessagesFaultOrOursIsNoObstacle() {
    var watch = DeliveryWatch(deliveryTimeout: .seconds(10))
    watch.handOver(3, at: at(0))
    _ = watch.note([report(.permanent), report(.purged), report(.unconfirmed)], at: at(0))
    #expect(watch.obstacle(at: at(10)) == nil)
  }
}
