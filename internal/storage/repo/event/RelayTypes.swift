internal import Runtime

/// What a relay may do and how fast; see `RelayConfiguration` for the meaning of each.
struct RelayRules: Sendable {
  /// How long a lease lasts in the database.
  var reserve: Duration
  /// How long the producer may go on trying to deliver one message.
  var deliveryTimeout: Duration
  /// Most events held in memory.
  var window: Int
  /// Most events asked for in one read.
  var readLimit: Int
  /// Most events completed by one statement.
  var completionLimit: Int
  /// How often to read when nothing wakes the relay.
  var pollInterval: Duration
  /// How often the floors are forgotten, so that nothing below them could stay unseen.
  var sweepInterval: Duration
  /// How long an event that could not be published waits for its next try.
  var retryDelay: Duration
  /// What happens to the rest of a key behind a dead event.
  var onDead = DeadPolicy.hold

  /// How long after the delivery timeout the producer may take to say so; then it has lost the message.
  var answerGrace = Duration.seconds(10)
  /// Most keys parked at a time.
  var parkLimit = 65_536

  /// How much earlier than in the database a lease ends here: clocks may run at slightly different speeds.
  var leaseMargin: Duration { reserve / 10 }
  /// Renewed this long after it was last obtained.
  var renewAfter: Duration { reserve / 3 }
  /// How often leases are looked at: to show we live, and to take what has become free.
  var leaseTick: Duration { min(max(reserve / 30, .milliseconds(50)), .seconds(1)) }
}

/// A shard together with the epoch under which it is held.
struct ShardEpoch: Sendable, Hashable {
  var shard: Int16
  var epoch: Int64
}

/// What the database said about leases.
struct LeaseReport: Sendable {
  /// Renewed just now.
  var renewed: [ShardEpoch] = []
  /// Taken over just now, with their new epochs.
  var claimed: [ShardEpoch] = []
  /// Relays alive, this one included; at least 1.
  var liveRelays = 1
  /// How many shards there are.
  var shardCount = 0
  /// When the first lease of another relay ends; nil when there is none.
  var nextExpiry: Duration?
}

/// What is to be done about leases.
struct LeaseRequest: Sendable, Equatable {
  /// Leases to prolong; empty when none is due.
  var renew: [ShardEpoch]
  /// Leases to give to others.
  var release: [ShardEpoch]
  /// All that are held and not being released: the database tops them up to the fair share.
  var keeping: [ShardEpoch]
  /// Whether free shards may be taken; false while stopping.
  var mayClaim: Bool
}

/// Where to read each owned shard from.
struct ReadRequest: Sendable, Equatable {
  struct Shard: Sendable, Equatable {
    var shard: Int16
    var epoch: Int64
    /// Only ids above this one.
    var floor: Int64
    /// At most this many rows.
    var limit: Int
  }
  var shards: [Shard]
}

/// What a read found.
struct ReadReport: Sendable {
  /// The rows, by ascending id within each shard.
  var events: [WaitingEvent]
  /// The shards that were still held under their epochs when the rows were read.
  var held: Set<Int16>
  /// The id sequence's last value, taken before the snapshot below.
  var lastID: Int64
  /// The oldest transaction still running and the next to begin, when the rows were read.
  var snapshot: (xmin: Int64, xmax: Int64)
}

/// An event that is to be published; the token comes back with its outcome.
struct PublishRequest: Sendable, Equatable {
  var token: UInt64
  var event: WaitingEvent
}

/// Events to be moved out of WAIT, fenced by the leases they were published under.
struct CompletionRequest: Sendable, Equatable {
  struct Item: Sendable, Equatable {
    var shard: Int16
    var id: Int64
    var token: UInt64
    /// The broker's refusal, when the event is dead.
    var refusal: String?
  }
  var leases: [ShardEpoch]
  var items: [Item]
  var isDead: Bool
}

/// What a completing statement did: the shards whose lease held, with the number of rows it moved in each.
struct CompletionReport: Sendable {
  var moved: [Int16: Int]
}
