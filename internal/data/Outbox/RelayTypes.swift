package import Values

/// What a relay may do and how fast; see `RelayConfiguration` for the meaning of each.
package struct RelayRules: Sendable {
  /// How long a lease lasts in the database.
  package var reserve: Duration
  /// How long the producer may go on trying to deliver one message.
  package var deliveryTimeout: Duration
  /// Most events held in memory.
  package var window: Int
  /// Most events asked for in one read.
  package var readLimit: Int
  /// Most events completed by one statement.
  package var completionLimit: Int
  /// How often to read when nothing wakes the relay.
  package var pollInterval: Duration
  /// How often the floors are forgotten, so that nothing below them could stay unseen.
  package var sweepInterval: Duration
  /// How often what the floors have passed since the last time is read once more.
  package var lookBackInterval = Duration.seconds(3)
  /// How long an event that could not be published waits for its next try.
  package var retryDelay: Duration
  /// What happens to the rest of a key behind a dead event.
  package var onDead = DeadPolicy.hold

  /// How long after the delivery timeout the producer may take to say so; then it has lost the message.
  package var answerGrace = Duration.seconds(10)
  /// Most keys parked at a time.
  package var parkLimit = 65_536

  /// How long an event that the database refuses to complete waits for its next try.
  package var asideDelay = Duration.seconds(30)

  /// How much earlier than in the database a lease ends here: clocks may run at slightly different speeds.
  package var leaseMargin: Duration { reserve / 10 }
  /// How long a lease counts here.
  package var leaseTerm: Duration { reserve - leaseMargin }
  /// Renewed this long after it was last obtained.
  package var renewAfter: Duration { reserve / 3 }
  /// How often leases are looked at: to show we live, and to take what has become free.
  package var leaseTick: Duration { min(max(reserve / 30, .milliseconds(50)), .seconds(1)) }
}

/// A shard together with the epoch under which it is held.
package struct ShardEpoch: Sendable, Hashable {
  /// The shard's number, from 0.
  package var shard: Int16
  /// The epoch under which its lease was claimed.
  package var epoch: Int64

  /// - Parameter shard: from 0.
  package init(shard: Int16, epoch: Int64) {
    self.shard = shard
    self.epoch = epoch
  }
}

/// One uninterrupted run of one PostgreSQL server. Ids, transaction ids and epochs mean the same for as long as it
/// lasts: after a crash, a failover or a restore, those that had not reached the disk, or the other server, are given
/// out once more.
package struct ServerHistory: Sendable, Hashable {
  /// Unique to the run; compared and never interpreted.
  package var name: String

  /// - Parameter name: unique to the run.
  package init(name: String) { self.name = name }
}

/// What the database said about leases.
package struct LeaseReport: Sendable {
  /// Where all of it was said.
  package var history: ServerHistory
  /// Renewed just now.
  package var renewed: [ShardEpoch] = []
  /// Taken over just now, with their new epochs.
  package var claimed: [ShardEpoch] = []
  /// Relays alive, this one included; at least 1.
  package var liveRelays = 1
  /// How many shards there are.
  package var shardCount = 0
  /// When the first lease of another relay ends; nil when there is none.
  package var nextExpiry: Duration?

  /// A report without leases.
  package init(history: ServerHistory, shardCount: Int = 0) {
    self.history = history
    self.shardCount = shardCount
  }
}

/// What is to be done about leases.
package struct LeaseRequest: Sendable, Equatable {
  /// Leases to prolong; empty when none is due.
  package var renew: [ShardEpoch]
  /// Leases to give to others.
  package var release: [ShardEpoch]
  /// All that are held and not being released: the database tops them up to the fair share.
  package var keeping: [ShardEpoch]
  /// Whether free shards may be taken; false while stopping.
  package var mayClaim: Bool
  /// Where the leases were taken; nil before any was.
  package var history: ServerHistory?
}

/// Where to read each owned shard from.
package struct ReadRequest: Sendable, Equatable {
  /// One shard of a read.
  package struct Shard: Sendable, Equatable {
    /// The shard's number.
    package var shard: Int16
    /// The epoch of its lease; a shard held under another one is not read.
    package var epoch: Int64
    /// Only ids above this one.
    package var floor: Int64
    /// At most this many rows.
    package var limit: Int
  }
  /// What to read; each shard once.
  package var shards: [Shard]
  /// Where the leases were taken; elsewhere no shard is held.
  package var history: ServerHistory
}

/// What a read found.
package struct ReadReport: Sendable {
  /// Where the rows were read.
  package var history: ServerHistory
  /// The rows, by ascending id within each shard.
  package var events: [WaitingEvent]
  /// Of those rows that are not the first of their key to wait: the id of the one right before, by the row's own id.
  package var predecessors: [Int64: Int64] = [:]
  /// The shards that were still held under their epochs when the rows were read.
  package var held: Set<Int16>
  /// The highest id drawn, taken before the snapshot below; never more than that.
  package var lastID: Int64
  /// The oldest transaction still running and the next to begin, when the rows were read.
  package var snapshot: (xmin: Int64, xmax: Int64)

  /// - Parameter snapshot: in transaction ids of 64 bits, which never start over.
  package init(
    history: ServerHistory, events: [WaitingEvent], held: Set<Int16>, lastID: Int64,
    snapshot: (xmin: Int64, xmax: Int64)
  ) {
    self.history = history
    self.events = events
    self.held = held
    self.lastID = lastID
    self.snapshot = snapshot
  }
}

/// An event that is to be published; the token comes back with its outcome.
package struct PublishRequest: Sendable, Equatable {
  /// Comes back with the outcome.
  package var token: UInt64
  /// The event as it was read.
  package var event: WaitingEvent
}

/// Events to be moved out of WAIT, fenced by the leases they were published under.
package struct CompletionRequest: Sendable, Equatable {
  /// One event to be moved.
  package struct Item: Sendable, Equatable {
    /// The shard of its key.
    package var shard: Int16
    package var id: Int64
    /// An id alone may have been drawn again since.
    package var eventID: UniqueID
    /// Its place in memory; not sent.
    package var token: UInt64
    /// The broker's refusal, when the event is dead.
    package var refusal: String?
  }
  /// The leases of the items' shards.
  package var leases: [ShardEpoch]
  /// The events; each once.
  package var items: [Item]
  /// Whether they become DEAD rather than DONE.
  package var isDead: Bool
  /// Where the leases were taken and the rows read; elsewhere nothing is moved.
  package var history: ServerHistory
}

/// What a completing statement did: the shards whose lease held, with the number of rows it moved in each.
package struct CompletionReport: Sendable {
  /// Rows by shard; a shard whose lease was lost is absent.
  package var moved: [Int16: Int]

  /// - Parameter moved: rows by shard.
  package init(moved: [Int16: Int]) { self.moved = moved }
}
