internal import Values

/// What happens to the rest of a key behind an event that the broker refused for good.
public enum DeadPolicy: Sendable, Hashable {
  /// It waits until the dead event is brought back: order within the key holds.
  case hold
  /// It goes on, as soon as the refused event has been moved to DEAD. An event that is brought back later comes after
  /// its successors.
  case `continue`
}

/// How a relay works.
public struct RelayConfiguration: Sendable {
  /// No lease lasts longer: one that seems to was written before the database's clock was put back.
  public static let longestReserve = Duration.seconds(600)

  /// Unique to this run of the process; shows in `event_shard.owner`.
  public var owner: String
  /// How long a lease lasts when it is not renewed, one second to `longestReserve`. Another relay takes over at most
  /// this long after a crash, and at once after a clean stop.
  public var reserve: Duration
  /// Most events in memory at once, 1 to 65,536.
  public var window: Int
  /// How often to look for events when nothing wakes the relay.
  public var pollInterval: Duration
  /// What happens to the rest of a key behind a dead event.
  public var onDead: DeadPolicy

  /// - Throws: `configuration` when a value cannot work.
  public init(
    owner: String, reserve: Duration = .seconds(30), window: Int = 8_192, pollInterval: Duration = .seconds(1),
    onDead: DeadPolicy = .hold
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
  }

  /// How long the producer may go on trying to deliver a message: it must give up before the lease ends (G6), which is
  /// renewed when a third of it has passed.
  public var deliveryTimeout: Duration { reserve / 3 }

  /// The same as the core's decisions use it.
  package var rules: RelayRules {
    RelayRules(
      reserve: reserve, deliveryTimeout: deliveryTimeout, window: window, readLimit: min(window, 2_048),
      completionLimit: 2_048, pollInterval: pollInterval, sweepInterval: .seconds(30),
      retryDelay: .milliseconds(250), onDead: onDead)
  }
}
