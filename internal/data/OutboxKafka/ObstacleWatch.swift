internal import Kafka
internal import Logger
internal import Outbox
internal import Values

/// Puts together what keeps messages from going out: what the producer says, the deliveries, and the topics.
struct ObstacleWatch: Sendable {
  private let topics: [String]
  private let interval: Duration
  private var log: ObstacleLog
  private var health: [TopicHealth] = []
  private var nextLook = Instant(nanoseconds: 0)
  private(set) var obstacle: PublishObstacle?
  /// Since when no broker has been connected.
  private var awaySince: Instant?
  /// How long no broker may be connected until that is an obstacle.
  private static let patience = Duration.seconds(5)

  /// - Parameter interval: how often brokers are asked about the topics.
  init(topics: [String], every interval: Duration, _ log: ObstacleLog) {
    self.topics = topics
    self.interval = interval
    self.log = log
  }

  /// - Parameters:
  ///   - problem: why no broker is connected, where that is known.
  ///   - failure: why no producer works.
  ///   - delivery: what deliveries tell, while a broker is connected.
  ///   - failures: how many producers have failed.
  ///   - ask: asks about a topic; nil when nobody answers.
  mutating func look(
    isConnected: Bool, problem: String? = nil, failure: String?, delivery: String?, failures: Int, at now: Instant,
    ask: (String) -> TopicHealth?
  ) {
    if now >= nextLook {
      nextLook = now + interval
      health = topics.compactMap(ask)
    }
    let hint = health.compactMap(\.hint).first.map { "; \($0)" } ?? ""
    let refusal = failure ?? health.compactMap(\.problem).first ?? delivery.map { $0 + hint }
    log.note(refusal, count: failures > 0 ? failures : nil, at: now)
    awaySince = isConnected ? nil : awaySince ?? now
    if let refusal {
      obstacle = PublishObstacle(.brokerRefuses, refusal)
    } else if let awaySince, now - awaySince >= Self.patience {
      obstacle = PublishObstacle(.brokerAway, problem ?? "no broker is connected")
    } else {
      obstacle = nil
    }
  }
}
