import Outbox
import Randomness
import SimulationSupport

/// A fault put into the world on purpose, to show that the oracle notices it.
enum Sabotage: String, ScheduleSabotage {
  /// Completions check neither owner nor epoch.
  case ignoreEpoch = "ignore-epoch"
  /// Completions do not lock their leases.
  case noShareLock = "no-share-lock"
  /// Reads report the latest completed transaction plus one instead of the next transaction.
  case plainXmax = "plain-xmax"
  /// Reads give every second event of a key another key.
  case twoInFlight = "two-in-flight"
  /// A read returns rows that were completed before it was sent, which the memory of rows completed during a read does
  /// not cover.
  case staleRead = "stale-read"
  /// Messages may arrive long after the delivery timeout.
  case longDelivery = "long-delivery"
  /// A relay's clock runs slower than the lease's margin allows.
  case clockDrift = "clock-drift"
  /// Leases count from the answer, not from before the request.
  case leaseFromAnswer = "lease-from-answer"
  /// Reads return events that follow a dead event of their key.
  case forgetDead = "forget-dead"
  /// The producer acknowledges messages that never arrived.
  case blindAck = "blind-ack"
  /// The producer says that no message it gives up was ever sent.
  case falseCertainty = "false-certainty"
  /// Shards may be claimed before their leases end.
  case earlyTakeover = "early-takeover"
  /// Reads see the id sequence without its lock, where it is at times ahead of the ids drawn.
  case plainSequence = "plain-sequence"
  /// The same, and reads name no predecessors.
  case noPredecessor = "no-predecessor"
  /// The server hides that it has crashed or that another has taken its place.
  case ignoreHistory = "ignore-history"
  /// The same, and completions name events by their ids alone.
  case matchIDOnly = "match-id-only"
  /// A lease holds however far in the future it ends.
  case believeAnyLease = "believe-any-lease"
  /// A refused completion is reported as a failed one, so that relays do not split it.
  case neverSplit = "never-split"

  /// What the violation must contain, where another violation would not show that this sabotage was noticed.
  var notice: String? {
    switch self {
    case .plainXmax, .plainSequence: "floor:"
    case .noPredecessor: "G4:"
    case .matchIDOnly: "is done and not on the topic"
    case .neverSplit: "progress:"
    default: nil
    }
  }

  /// The fault without which the sabotage changes nothing.
  var needs: Fault? {
    switch self {
    case .ignoreHistory, .matchIDOnly: .failover
    case .believeAnyLease: .clockJump
    default: nil
    }
  }

  /// Whether relays take every server for the same one.
  var hidesHistory: Bool { self == .ignoreHistory || self == .matchIDOnly }
}

/// The kinds of faults in a schedule.
enum Fault: Int, CaseIterable {
  case crash, pause, scaleOut, scaleIn, databaseOutage, brokerOutage, partitionOutage, fatalProducer, requeue
  /// The server crashes and loses what has not reached the disk.
  case databaseCrash
  /// A standby takes the server's place, with or without the server's last transactions.
  case failover
  /// The database's clock is set an hour back or ahead.
  case clockJump
}

/// What is drawn for a schedule before it begins. Times are in nanoseconds.
struct Conditions {
  var rules: RelayRules
  var shards: Int
  var keys: Int
  var partitions: Int
  var relays: Int
  /// How long transactions begin and faults happen.
  var length: Int64
  var faults: [Fault] = []
  /// The mean time between two faults.
  var faultEvery: Int64
  var transactionEvery: Int64
  var slowCommits: Double
  var rollbacks: Double
  var poison: Double
  /// The share of statements that fail, executed or not, and of those that commit slowly.
  var statementFailures: Double
  var slowStatements: Double
  /// The share of the producer's batches that go wrong in some way.
  var batchFailures: Double
  /// The share of those that are never answered.
  var silentBatches: Double
  var wakes: Double
  /// How much faster or slower a relay's clock may run than the database's, in parts per million.
  var drift: Int64
  /// How long a relay's thread may stall between deciding and acting.
  var stall: Int64
  /// The id sequence shows values that nobody has drawn yet, which may cost nothing but time.
  var isSequenceAhead = false
  /// The share of events that the database refuses to complete.
  var unmovable = 0.0
  /// Partition 0 comes back only after everything else is done.
  var hasStuckPartition = false

  init(_ random: inout SplitMix64, sabotage: Sabotage?) {
    let reserve = Duration.seconds(random.pick([1, 2, 3, 10, 30]))
    guard
      let configuration = try? RelayConfiguration(
        owner: "", reserve: reserve, window: random.pick([2, 4, 8, 16, 64]),
        pollInterval: .milliseconds(random.pick([200, 1_000, 1_000])))
    else { preconditionFailure("the relay's own settings") }
    rules = configuration.rules
    rules.answerGrace = .seconds(random.pick([1, 10]))
    rules.parkLimit = random.pick([1, 4, 65_536])
    rules.completionLimit = random.pick([1, 3, 2_048])
    rules.sweepInterval = .seconds(random.pick([30, 3_600]))
    shards = random.draw(1...6)
    keys = random.draw(1...12)
    partitions = random.draw(1...3)
    relays = random.draw(1...3)
    let span = reserve.components.seconds * 1_000_000_000
    length = span * random.draw(2...8)
    transactionEvery = length / random.draw(4...60)
    faultEvery = span * random.draw(1...8) / 4
    if !random.roll(0.1) { faults = Fault.allCases.prefix(9).filter { _ in random.roll(0.4) } }
    let isRough = !faults.isEmpty
    slowCommits = random.pick([0, 0.1, 0.4])
    rollbacks = random.pick([0, 0.1, 0.3])
    poison = isRough ? random.pick([0, 0, 0.05, 0.2]) : 0
    statementFailures = isRough ? random.pick([0, 0.02, 0.2]) : 0
    slowStatements = random.pick([0, 0.1, 0.4])
    batchFailures = isRough ? random.pick([0, 0.05, 0.3]) : 0
    silentBatches = isRough ? random.pick([0, 0, 0.1]) : 0
    wakes = random.pick([0, 0.5, 1])
    drift = sabotage == .clockDrift ? 400_000 : random.pick([0, 1_000, 30_000])
    stall = random.pick([0, 1_000_000, 10_000_000])
    hasStuckPartition = sabotage == nil && isRough && partitions > 1 && random.roll(0.25)
    // With more stuck keys than may be parked, other keys wait; that is the price of the limit.
    if hasStuckPartition { rules.parkLimit = 65_536 }
    if isRough {
      faults += [.databaseCrash, .failover, .clockJump].filter { (fault: Fault) in
        random.roll(sabotage?.needs == fault ? 0.8 : 0.2)
      }
    }
    isSequenceAhead = sabotage == .noPredecessor || sabotage == nil && random.roll(0.2)
    if isSequenceAhead { rules.sweepInterval = .seconds(30) }
  }

  /// Draws what was added later, from random numbers of its own: schedules without it remain as they were.
  mutating func addUnmovable(_ random: inout SplitMix64, sabotage: Sabotage?) {
    unmovable = sabotage == .neverSplit ? 0.1 : sabotage == nil && random.roll(0.3) ? random.pick([0.02, 0.2]) : 0
    rules.asideDelay = .seconds(random.pick([5, 30]))
  }
}
