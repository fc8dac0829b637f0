import GroupCommit

/// A call and what the world knows of it. Its number is its place in `GroupCommitSchedule.calls`.
struct Call {
  var subject: Int
  /// The database refuses it for its values.
  var isPoison: Bool
  var giveUp: GiveUp
  var answer: Answer?
  /// Whether a transaction with it has ever begun.
  var hasBegun = false
  var transactionsUnderWay = 0
  /// How often it waited for a lock for as long as a first attempt does.
  var longWaits = 0
  /// Whether it was a cause of its last transaction's failure.
  var isCause = false
  /// Whether a transaction with it has committed.
  var isCommitted = false

  enum Answer: Equatable {
    /// The subject belongs to this call.
    case outcome(Int)
    /// Another transaction uses the call's key.
    case inFlight
    case nothingDone
    case unknown
  }
}

/// A transaction in the database; it may outlive the connection that began it.
final class Transaction {
  let number: Int
  let drain: Int
  let calls: [Int]
  let isRepetition: Bool
  let hasBriefLocks: Bool
  /// The calls whose key another transaction had.
  var inFlight: Set<Int> = []
  var isLocked = false

  init(_ number: Int, drain: Int, calls: [Int], isRepetition: Bool, hasBriefLocks: Bool) {
    self.number = number
    self.drain = drain
    self.calls = calls
    self.isRepetition = isRepetition
    self.hasBriefLocks = hasBriefLocks
  }
}

/// Row locks and rows: each subject belongs to the first call that was committed for it.
struct SimulatedDatabase {
  private(set) var owners: [Int: Int] = [:]
  /// Transactions that hold a subject, by number.
  private var holders: [Int: Transaction] = [:]
  /// Subjects that somebody else has locked.
  var outsiders: Set<Int> = []
  var isBroken = false

  func holder(of subject: Int, besides transaction: Transaction) -> Transaction? {
    holders[subject].flatMap { $0 === transaction ? nil : $0 }
  }

  mutating func lock(_ subjects: some Sequence<Int>, for transaction: Transaction) {
    for subject in subjects { holders[subject] = transaction }
  }

  mutating func unlock(_ transaction: Transaction) { holders = holders.filter { $0.value !== transaction } }

  mutating func settle(_ subject: Int, by call: Int) -> Int {
    if let owner = owners[subject] { return owner }
    owners[subject] = call
    return call
  }
}
