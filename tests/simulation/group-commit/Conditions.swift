import GroupCommit
import Randomness
import SimulationSupport

/// A fault put into the driver or the world on purpose, to show that the oracle notices it.
enum Sabotage: String, ScheduleSabotage {
  /// A COMMIT whose answer was lost is reported as certainly failed.
  case certainLoss = "certain-loss"
  /// Callers get the outcomes of their neighbours.
  case swappedOutcomes = "swapped-outcomes"
  /// Nobody tells the core that time passes.
  case deafWatch = "deaf-watch"
  /// A transaction is not told that it repeats one with an unknown outcome.
  case firstAttempt = "first-attempt"
  /// All calls have the same subject.
  case oneSubject = "one-subject"
  /// A refusal of one call's values is reported as one that concerns every call.
  case blameEveryCall = "blame-every-call"
  /// The clock that calls begin by is late.
  case lateClock = "late-clock"
  /// A transaction that runs again includes calls that have been answered.
  case runAnswered = "run-answered"
  /// Nobody gets a connection for the drain that replaces a lost one.
  case lostDrain = "lost-drain"
  /// The core is not told that others want the connection.
  case greedy
  /// Parts of a batch that was taken apart wait for locks as long as the batch did.
  case patientParts = "patient-parts"
  /// A pool that is full is reported as one that was closed.
  case fullIsClosed = "full-is-closed"

  var notice: String? {
    switch self {
    case .certainLoss: "honesty:"
    case .swappedOutcomes: "outcomes:"
    case .deafWatch: "deadline:"
    case .firstAttempt: "repetition:"
    case .oneSubject, .blameEveryCall: "neighbours:"
    case .lateClock, .runAnswered: "begin:"
    case .lostDrain: "progress:"
    case .greedy: "fairness:"
    case .patientParts: "patience:"
    case .fullIsClosed: "stop:"
    }
  }
}

/// What is drawn for one schedule before it begins. Times are nanoseconds.
struct Conditions {
  var limits = GroupCommitLimits()
  var connections: Int
  /// The most jobs that wait for a connection.
  var poolQueue: Int
  var subjects: Int
  /// How long calls come and faults happen.
  var length: Int64
  var arrivalEvery: Int64
  var burst: Int
  /// Calls look up a key first, and are told when another transaction uses it.
  var isKeyed: Bool
  /// The program stops at the end, and its pool closes.
  var stops: Bool
  var poison: Double
  /// Of the transactions: how many fail in these ways.
  var conflicts: Double
  var losses: Double
  var standbyCancels: Double
  var slowTransactions: Double
  /// The mean times between rows that somebody locks, periods of broken tables, outages, and others' jobs.
  var lockEvery: Int64
  var breakEvery: Int64
  var outageEvery: Int64
  var otherEvery: Int64

  init(_ random: inout SplitMix64) {
    limits.batch = random.pick([1, 2, 4, 8, 32])
    limits.queue = random.pick([3, 8, 64, 256])
    limits.drains = random.draw(1...3)
    limits.attempts = random.draw(1...5)
    limits.patience = .milliseconds(random.pick([300, 2_000, 10_000]))
    connections = limits.drains + random.draw(0...1)
    subjects = random.pick([1, 4, 32, 1_000])
    length = Int64(random.draw(500...4_000)) * 1_000_000
    arrivalEvery = Int64(random.pick([2, 5, 20, 100])) * 1_000_000
    burst = random.pick([1, 3, 12])
    isKeyed = random.roll(0.3)
    stops = random.roll(0.3)
    poison = random.pick([0, 0, 0.05, 0.3])
    conflicts = random.pick([0, 0, 0.05, 0.5])
    losses = random.pick([0, 0.02, 0.2])
    standbyCancels = random.pick([0, 0, 0.05])
    slowTransactions = random.pick([0, 0.1, 0.3])
    let often: [Int64] = [0, 0, 100_000_000, 500_000_000]
    lockEvery = random.pick(often)
    breakEvery = random.pick(often)
    outageEvery = random.pick(often)
    otherEvery = random.pick([0, 5_000_000, 50_000_000])
    poolQueue = random.pick([2, 8, 1_024])
  }
}
