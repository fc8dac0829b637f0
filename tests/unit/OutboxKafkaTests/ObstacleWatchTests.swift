import Logger
import Outbox
import Testing
import Values

@testable import OutboxKafka

@Suite("What keeps messages from going out")
struct ObstacleWatchTests {
  private static let start = Instant(nanoseconds: 1_000_000_000_000)

  private func watch() -> ObstacleWatch {
    ObstacleWatch(topics: [], every: .seconds(5), ObstacleLog("test", Logger(label: "test", sink: { _ in })))
  }

  private func look(
    _ watch: inout ObstacleWatch, after seconds: Int, isConnected: Bool, failure: String? = nil
  ) -> PublishObstacle? {
    watch.look(
      isConnected: isConnected, failure: failure, delivery: nil, failures: 0, at: Self.start + .seconds(seconds)
    ) { _ in nil }
    return watch.obstacle
  }

  @Test func aBrokerIsAwayAfterSomeSeconds() {
    var watch = watch()
    #expect(look(&watch, after: 0, isConnected: false) == nil)
    #expect(look(&watch, after: 4, isConnected: false) == nil)
    #expect(look(&watch, after: 5, isConnected: false)?.reason == .brokerAway)
    #expect(look(&watch, after: 6, isConnected: true) == nil)
    #expect(look(&watch, after: 12, isConnected: false) == nil)
  }

  @Test func aRefusalIsToldAlsoWithoutAConnection() {
    var watch = watch()
    _ = look(&watch, after: 0, isConnected: false)
    let found = look(&watch, after: 9, isConnected: false, failure: "CLUSTER_AUTHORIZATION_FAILED")
    #expect(found == PublishObstacle(.brokerRefuses, "CLUSTER_AUTHORIZATION_FAILED"))
  }

  @Test func wordsAreCut() {
    #expect(PublishObstacle(.brokerRefuses, String(repeating: "x", count: 5_000)).words.count == 1_000)
  }
}
