import Outbox
import Randomness
import SimulationSupport

/// Something in the world that is broken on purpose, to show that the oracle notices.
enum Sabotage: String, ScheduleSabotage {
  /// The completing statement checks neither owner nor epoch.
  case ignoreEpoch = "ignore-epoch"
  /// The completing statement does not lock its leases.
  case noShareLock = "no-share-lock"
  /// The floor is bound by the latest completed transaction instead of the next id.
  case plainXmax = "plain-xmax"
  /// The events of one key are taken for those of two.
  case twoInFlight = "two-in-flight"
  /// A read brings what was completed before it was asked for: the memory of what left during a read is of no use.
  case staleRead = "stale-read"
  /// Messages may land long after the delivery timeout.
  case longDelivery = "long-delivery"
  /// A machine's clock runs slower than the lease's margin allows.
  case clockDrift = "clock-drift"
  /// Leases are counted from the answer, not from before the request.
  case leaseFromAnswer = "lease-from-answer"
  /// Reads do not leave out keys behind a dead event.
  case forgetDead = "forget-dead"
  /// The producer acknowledges what the broker never had.
  case blindAck = "blind-ack"
  /// The producer says of all it gives up that it was never sent.
  case falseCertainty = "false-certainty"
  /// Leases may be taken before they end.
  case earlyTakeover = "early-takeover"
  /// The id sequence is read past its lock, where it is ahead of what was drawn at times.
  case plainSequence = "plain-sequence"
  /// With a sequence read so, reads do not tell which event waits right before another.
  case noPredecessor = "no-predecessor"
  /// The server tells nobody that it has crashed or that another has taken its place.
  case ignoreHistory = "ignore-history"
  /// Nor do completions name their events by more than their ids.
  case matchIDOnly = "match-id-only"
  /// Leases hold however far in the future they end.
  case believeAnyLease = "believe-any-lease"
  /// A refused completion is reported as a failed one, so that relays do not split it.
  case neverSplit = "never-split"

  /// What the violation must say, where another would not show that this one was noticed.
  var notice: String? {
    switch self {
    case .plainXmax, .plainSequence: "floor:"
    case .noPredecessor: "G4:"
    case .matchIDOnly: "is done and not on the topic"
    case .neverSplit: "progress:"
    default: nil
    }
  }

  /// The fault without which it changes nothing.
  var needs: Fault? {
    switch self {
    case .ignoreHistory, .matchIDOnly: .failover
    case .believeAnyLease: .clockJump
    default: nil
    }
  }

  /// Whether relays take every server for one and the same.
  var hidesHistory: Bool { self == .ignoreHistory || self == .matchIDOnly }
}

/// The kinds of faults a schedule may have.
enum Fault: Int, CaseIterable {
  case crash, pause, scaleOut, scaleIn, databaseOutage, brokerOutage, partitionOutage, fatalProducer, requeue
  /// The server crashes and loses what had not reached the disk.
  case databaseCrash
  /// A standby takes the server's place, with or without the server's last transactions.
  case failover
  /// The database's clock is put an hour back or forth.
  case clockJump
}

/// What is drawn for one schedule before it begins. Times are nanoseconds.
struct Conditions {
  var rules: RelayRules
  var shards: Int
  var keys: Int
  var partitions: Int
  var relays: Int
  /// How long transactions are begun and faults happen.
  var length: Int64
  var faults: [Fault] = []
  /// The mean time between two faults.
  var faultEvery: Int64
  var transactionEvery: Int64
  var slowCommits: Double
  var rollbacks: Double
  var poison: Double
  /// Of the database's statements: how many fail, executed or not, and how many commit slowly.
  var statementFailures: Double
  var slowStatements: Double
  /// Of the producer's batches: how many go wrong in some way.
  var batchFailures: Double
  /// Of the batches that go wrong: how many are never answered for.
  var silentBatches: Double
  var wakes: Double
  /// How far a machine's clock may run from the database's, in parts per million.
  var drift: Int64
  /// How long a relay's thread may be held up between deciding and doing.
  var stall: Int64
  /// The id sequence shows values that nobody has drawn yet: what must cost time only.
  var isSequenceAhead = false
  /// How many events the database refuses to complete.
  var unmovable = 0.0
  /// A partition that comes back only after everything else has been waited for.
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
    // Where more keys are stuck than may be parked, the others do wait; that is what the limit costs.
    if hasStuckPartition { rules.parkLimit = 65_536 }
    if isRough {
      faults += [.databaseCrash, .failover, .clockJump].filter { (fault: Fault) in
        random.roll(sabotage?.needs == fault ? 0.8 : 0.2)
      }
    }
    isSequenceAhead = sabotage == .noPredecessor || sabotage == nil && random.roll(0.2)
    if isSequenceAhead { rules.sweepInterval = .seconds(30) }
  }

  /// Draws, by chance of its own, what was added later: schedules without it remain as they were.
  mutating func addUnmovable(_ random: inout SplitMix64, sabotage: Sabotage?) {
    unmovable = sabotage == .neverSplit ? 0.1 : sabotage == nil && random.roll(0.3) ? random.pick([0.02, 0.2]) : 0
    rules.asideDelay = .seconds(random.pick([5, 30]))
  }
}
