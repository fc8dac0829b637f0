public import Values

/// How the outbox stands at one moment.
public struct OutboxStatus: Sendable, Hashable {
  /// Events that wait, by reason; counted up to `countLimit` in all, those behind dead events up to a million more.
  public let reasons: [WaitReason: Int]
  /// Events the broker refused for good.
  public let dead: Int
  /// Topics that are paused.
  public let pausedTopics: Int
  /// When the oldest waiting event was written; nil when none waits.
  public let oldestWaiting: Timestamp?
  /// The database's clock when it was asked.
  public let now: Timestamp

  /// Events that wait; counted up to `countLimit`.
  public var waiting: Int { min(Self.countLimit, reasons.values.reduce(0, +)) }

  /// Counting stops here, so that asking stays cheap under a backlog.
  public static let countLimit = 1_000_000

  /// How long the oldest waiting event has waited; zero when none waits.
  public var age: Duration {
    oldestWaiting.map { .microseconds(max(0, now.microseconds.subtracting(saturating: $0.microseconds))) } ?? .zero
  }
}
