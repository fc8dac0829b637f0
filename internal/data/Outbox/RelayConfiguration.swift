internal import Logger
internal import Values

/// What happens to the later events of a key when an event is dead.
public enum DeadPolicy: Sendable, Hashable {
  /// They wait until the dead event is requeued: order within the key holds.
  case hold
  /// They are published as soon as the event has been moved to DEAD. If it is requeued, it comes after them.
  case `continue`
}

/// How a relay works.
public struct RelayConfiguration: Sendable {
  /// No lease lasts longer. A row that says otherwise was written before the database's clock was set back.
  public static let longestReserve = Duration.seconds(600)

  /// Unique to this run of the process; shows in `event_shard.owner`.
  public var owner: String
  /// How long a lease lasts when it is not renewed, one second to `longestReserve`. Another relay takes over at most
  /// this long after a crash, and at once after a clean stop.
  public var reserve: Duration
  /// Maximum number of events in memory, 1 to 65,536.
  public var window: Int
  /// How often to look for events when nothing wakes the relay.
  public var pollInterval: Duration
  /// What happens to later events of a key after a dead one.
  public var onDead: DeadPolicy
  /// The log field that has the key of an event, such as `order_id`, beside `key`; nil for none.
  public var keyField: String?

  /// - Throws: `configuration` when a value cannot work.
  public init(
    owner: String, reserve: Duration = .seconds(30), window: Int = 8_192, pollInterval: Duration = .seconds(1),
    onDead: DeadPolicy = .hold, keyField: String? = nil
  ) throws(OutboxError) {
    guard reserve >= .seconds(1), reserve <= Self.longestReserve else {
      throw OutboxError(.configuration, "a lease lasts 1 s to \(Self.longestReserve), found \(reserve)")
    }
    guard (1...65_536).contains(window) else {
      throw OutboxError(.configuration, "a relay holds 1 to 65536 events in memory, found \(window)")
    }
    self.owner = owner
    self.reserve = reserve
    self.window = window
    self.pollInterval = pollInterval
    self.onDead = onDead
    self.keyField = keyField
  }

  /// What log lines call an event's key; a number where it is one.
  func named(_ key: String?) -> (field: String, value: LogValue) {
    guard let keyField, let key else { return ("", .absent) }
    return (keyField, Int64(key).map { .number($0) } ?? .string(key))
  }

  /// How long the producer may try to deliver a message: it must give up before the lease ends (G6), which is renewed
  /// when a third of it has passed.
  public var deliveryTimeout: Duration { reserve / 3 }

  /// The limits and times that follow from it for `RelayCore`.
  package var rules: RelayRules {
    RelayRules(
      reserve: reserve, deliveryTimeout: deliveryTimeout, window: window, readLimit: min(window, 2_048),
      completionLimit: 2_048, completionInterval: .milliseconds(10), readInterval: .milliseconds(3),
      pollInterval: pollInterval, sweepInterval: .seconds(30),
      retryDelay: .milliseconds(250), onDead: onDead)
  }
}
