internal import Tracing
package import Values

/// The limits and times that `RelayCore` works by; `RelayConfiguration` has those that users choose.
package struct RelayRules: Sendable {
  /// How long a lease lasts in the database, from a claim or renewal on.
  package var reserve: Duration
  /// How long the producer may try to deliver one message.
  package var deliveryTimeout: Duration
  /// Maximum number of events in memory.
  package var window: Int
  /// Maximum number of new events per read.
  package var readLimit: Int
  /// Maximum number of events per completion.
  package var completionLimit: Int
  /// How often to complete while few events are to be completed: each completion is a commit, and nobody waits for it.
  package var completionInterval: Duration
  /// How often to read on a wake after a read that brought many events.
  package var readInterval: Duration
  /// How many events of a read are many: with fewer the relay has time to read each as soon as it is told of it.
  package var manyEvents = 8
  /// How often to read when nothing wakes the relay.
  package var pollInterval: Duration
  /// How often all floors are set to zero, so that nothing below them can stay unseen.
  package var sweepInterval: Duration
  /// How often the rows that the floors passed since the last time are read once more.
  package var lookBackInterval = Duration.seconds(3)
  /// How long an event that could not be published, or a statement that failed, waits for its next try.
  package var retryDelay: Duration
  /// What happens to later events of a key after a dead one.
  package var onDead = DeadPolicy.hold

  /// How long after the delivery timeout the producer may answer; after that it has lost the message.
  package var answerGrace = Duration.seconds(10)
  /// Maximum number of parked keys.
  package var parkLimit = 65_536

  /// How long an event that the database refuses to complete waits for its next try.
  package var asideDelay = Duration.seconds(30)

  /// How much earlier a lease ends in the relay than in the database: clocks may run at slightly different speeds.
  package var leaseMargin: Duration { reserve / 10 }
  /// How long a lease lasts in the relay.
  package var leaseTerm: Duration { reserve - leaseMargin }
  /// When a lease is renewed, after it was last obtained.
  package var renewAfter: Duration { reserve / 3 }
  /// How often lease requests are sent: they show that the relay lives, and claim shards that have become free.
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

/// One uninterrupted run of one PostgreSQL server. Ids, transaction ids and epochs are unique only within it: after a
/// crash, a failover or a restore, those that had not reached the disk or the other server are drawn again.
package struct ServerHistory: Sendable, Hashable {
  /// Unique to the run; compared and never interpreted.
  package var name: String

  /// - Parameter name: unique to the run.
  package init(name: String) { self.name = name }
}

/// The answer to a `LeaseRequest`.
package struct LeaseReport: Sendable {
  /// The server that answered.
  package var history: ServerHistory
  /// The leases that were renewed.
  package var renewed: [ShardEpoch] = []
  /// The shards that were claimed, with their new epochs.
  package var claimed: [ShardEpoch] = []
  /// Those of `claimed` whose lease was ours and in force: an operator has raised the epoch, or we gave it up here.
  package var recalled: Set<Int16> = []
  /// Number of live relays, this one included; at least 1.
  package var liveRelays = 1
  /// Number of shards.
  package var shardCount = 0
  /// How long until the first lease of another relay ends; nil when there is none.
  package var nextExpiry: Duration?

  /// A report without leases.
  package init(history: ServerHistory, shardCount: Int = 0) {
    self.history = history
    self.shardCount = shardCount
  }
}

/// The leases to renew, release and claim.
package struct LeaseRequest: Sendable, Equatable {
  /// Leases to renew; empty when none is due.
  package var renew: [ShardEpoch]
  /// Leases to give back.
  package var release: [ShardEpoch]
  /// All leases that are held and not released; the database tops them up to the fair share.
  package var keeping: [ShardEpoch]
  /// Whether free shards may be claimed; false while stopping.
  package var mayClaim: Bool
  /// The server on which the leases were claimed; nil before the first claim.
  package var history: ServerHistory?
}

/// The shards to read waiting events of.
package struct ReadRequest: Sendable, Equatable {
  /// One shard of a read.
  package struct Shard: Sendable, Equatable {
    /// The shard's number.
    package var shard: Int16
    /// The epoch of its lease; a shard held under another one is not read.
    package var epoch: Int64
    /// Only ids above this one.
    package var floor: Int64
    /// Maximum number of rows.
    package var limit: Int
  }
  /// Each shard once, in ascending order.
  package var shards: [Shard]
  /// The server on which the leases were claimed; on another one no shard is held.
  package var history: ServerHistory
}

/// The answer to a `ReadRequest`.
package struct ReadReport: Sendable {
  /// The server that answered.
  package var history: ServerHistory
  /// The rows, by ascending id within each shard.
  package var events: [WaitingEvent]
  /// By an event's id, the id of its predecessor: the event right before it in its key that was still waiting. Events
  /// without a predecessor are left out.
  package var predecessors: [Int64: Int64] = [:]
  /// The shards that were still held under their epochs when the rows were read.
  package var held: Set<Int16>
  /// The highest id drawn before the snapshot was taken; never a higher one.
  package var lastID: Int64
  /// The oldest running transaction and the next one to begin, when the rows were read.
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

/// An event to be published.
package struct PublishRequest: Sendable, Equatable {
  /// Comes back with the outcome.
  package var token: UInt64
  /// The event as it was read.
  package var event: WaitingEvent
}

/// Events to be moved out of WAIT, fenced by the leases under which they were published.
package struct CompletionRequest: Sendable, Equatable {
  /// One event to be moved.
  package struct Item: Sendable, Equatable {
    /// The shard of its key.
    package var shard: Int16
    package var id: Int64
    /// Names the event where its id may have been drawn again since.
    package var eventID: UniqueID
    /// Its place in memory; not sent.
    package var token: UInt64
    /// Why the event is dead; nil for an acknowledged event.
    package var refusal: String?
    /// The key of a dead event, for the log.
    package var key: String?
    /// The id of the trace that a dead event belongs to, for the log.
    package var traceIDText: String?
    /// Where an acknowledged event lies on its topic; nil when the broker did not say.
    package var place: MessagePlace?
  }
  /// The leases of the items' shards.
  package var leases: [ShardEpoch]
  /// The events; each once, and either all refused or all acknowledged.
  package var items: [Item]
  /// The server on which the leases were claimed and the rows read; on another one nothing is moved.
  package var history: ServerHistory

  /// Whether the events become DEAD rather than DONE.
  package var isDead: Bool { items.first?.refusal != nil }
}

/// The answer to a `CompletionRequest`.
package struct CompletionReport: Sendable {
  /// Number of rows moved, by shard; a shard whose lease was lost is absent.
  package var moved: [Int16: Int]

  /// - Parameter moved: rows by shard.
  package init(moved: [Int16: Int]) { self.moved = moved }
}

extension CompletionRequest.Item {
  init(_ event: WaitingEvent, token: UInt64, _ settlement: EventSlots.Settlement) {
    self.init(shard: event.shard, id: event.id, eventID: event.eventID, token: token)
    switch settlement {
    case .published(let place): self.place = place
    case .refused(let reason): (refusal, key, traceIDText) = (reason, event.key, event.trace?.traceIDText)
    }
  }

  /// What it was made from.
  var settlement: EventSlots.Settlement { refusal.map { .refused($0) } ?? .published(place) }
}
