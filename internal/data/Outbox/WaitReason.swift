/// Why an event waits.
public enum WaitReason: String, Sendable, CaseIterable {
  /// A living relay holds its shard, and nothing is known to be in its way: it is being published, or is about to be.
  case inFlight = "in_flight"
  /// An earlier event of its key and topic is dead.
  case behindDead = "behind_dead"
  /// Its topic is paused.
  case topicPaused = "topic_paused"
  /// A broker is connected to its relay and acknowledges nothing.
  case brokerRefuses = "broker_refuses"
  /// Its relay is connected to no broker.
  case brokerAway = "broker_away"
  /// The relay that holds its shard gives no sign of life; its lease is still in force.
  case relaySilent = "relay_silent"
  /// Nobody holds its shard; a living relay will take it at once.
  case noLease = "no_lease"
  /// No relay lives.
  case noRelay = "no_relay"
  /// Its shard does not exist: it will be moved to DEAD.
  case noShard = "no_shard"

  /// As the tables say it. An obstacle of another version is the broker's as far as is known here.
  init(_ word: String) { self = WaitReason(rawValue: word) ?? .brokerRefuses }

  /// Whether it takes more than time until the event is published.
  public var isBlocking: Bool { self != .inFlight && self != .noLease }
}

/// Why one event waits.
public struct EventWait: Sendable, Hashable {
  /// The kind of reason.
  public let reason: WaitReason
  /// The dead event, the paused topic, the silent relay, or the broker's words.
  public let detail: String?
}
