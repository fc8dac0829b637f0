internal import Kafka
internal import Values

/// Whether messages are acknowledged, and why not. Pure.
struct DeliveryWatch: Sendable {
  /// How long a partition must have refused messages to count as an obstacle.
  static let patience = Duration.seconds(3)
  /// How long messages must have been unanswered to count as an obstacle.
  static let silence = Duration.seconds(5)
  /// After this long without another refusal a partition no longer counts: its messages went to another relay.
  static let memory = Duration.seconds(120)

  private struct Trouble {
    var since: Instant
    var last: Instant
    var reason: String
  }

  private let deliveryTimeout: Duration
  private var troubles: [TopicPartition: Trouble] = [:]
  /// Of messages that were refused before they had a partition.
  private static let nowhere = TopicPartition("", -1)
  private var unanswered = 0
  /// When something was last answered, or handed over while nothing was unanswered.
  private var lastMove = Instant(nanoseconds: 0)

  init(deliveryTimeout: Duration) { self.deliveryTimeout = deliveryTimeout }

  mutating func handOver(_ count: Int, at now: Instant) {
    if unanswered <= 0 { lastMove = now }
    unanswered += count
  }

  /// The producer did not accept these messages after all.
  mutating func takeBack(_ count: Int) { unanswered -= count }

  /// The producer that had taken them is gone.
  mutating func forgetUnanswered() { unanswered = 0 }

  /// A message was refused before it had a partition.
  mutating func noteRefusal(_ reason: String, at now: Instant) { note(reason, of: Self.nowhere, since: now, at: now) }

  /// - Returns: whether anything was acknowledged.
  mutating func note(_ reports: [DeliveryReport], at now: Instant) -> Bool {
    unanswered -= reports.count
    lastMove = now
    var hasAcknowledged = false
    for report in reports {
      let place = report.partition < 0 ? Self.nowhere : TopicPartition(report.topic, report.partition)
      switch report.failure?.kind {
      case nil:
        hasAcknowledged = true
        if !troubles.isEmpty { troubles[place] = nil }
      case .transient: note("\(report.failure!)", of: place, since: now, at: now)  // not nil here
      case .timedOut: note("\(report.failure!)", of: place, since: now - deliveryTimeout, at: now)
      // Caused by us, or by one message.
      case .purged, .permanent, .unconfirmed: continue
      }
    }
    if hasAcknowledged { troubles[Self.nowhere] = nil }
    return hasAcknowledged
  }

  private mutating func note(_ reason: String, of place: TopicPartition, since: Instant, at now: Instant) {
    // One that is long over does not make the next one last for as long.
    let known = troubles[place].flatMap { now - $0.last < Self.memory ? $0.since : nil }
    troubles[place] = Trouble(since: known ?? since, last: now, reason: reason)
  }

  /// Why messages have not been acknowledged for more than a few seconds; nil when they are.
  func obstacle(at now: Instant) -> String? {
    let lasting = troubles.filter { now - $0.value.since >= Self.patience && now - $0.value.last < Self.memory }
    if let (place, trouble) = lasting.min(by: { $0.value.since < $1.value.since }) {
      return place == Self.nowhere ? trouble.reason : "partition \(place.partition): \(trouble.reason)"
    }
    let pause = now - lastMove
    guard unanswered > 0, pause >= Self.silence else { return nil }
    return "nothing was acknowledged for \(pause.inMilliseconds / 1_000) s"
  }
}
