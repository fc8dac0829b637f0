import DirectDomain
import ProcessingDomain
import Randomness
import SimulationSupport
import Values

/// A fault put into the driver or the world on purpose, to show that the oracle notices it.
enum Sabotage: String, ScheduleSabotage {
  /// A charge without an answer is made again.
  case resendUnclear = "resend-unclear"
  /// A charge without an answer counts as declined.
  case unclearDeclined = "unclear-declined"
  /// "No such payment" counts as declined.
  case trustAbsence = "trust-absence"
  /// What a statement does not list counts as never charged, although the bank may still show it.
  case earlyStatement = "early-statement"
  /// A reversal without an answer counts as acknowledged.
  case trustReversal = "trust-reversal"
  /// A process asks the bank whatever it knows: neither epoch, claim nor "asked at" are looked at.
  case ignoreClaim = "ignore-claim"
  /// A message that comes again has its process ask the bank again for what it has asked for.
  case resumeAsked = "resume-asked"
  /// A message that comes again opens the payment anew.
  case claimAgain = "claim-again"
  /// A transaction works on what its process last saw of the payment.
  case staleRead = "stale-read"
  /// Nobody takes over what dead processes have claimed.
  case noTakeover = "no-takeover"
  /// Payments with an unknown outcome are forgotten.
  case forgetUnknown = "forget-unknown"
  /// Payments that wait for room at the bank are forgotten.
  case forgetWaiting = "forget-waiting"
  /// The ledger's voids are not written.
  case loseVoids = "lose-voids"
  /// The event of a final state is not written.
  case loseEvents = "lose-events"
  /// A caller's repeated wish opens another refund.
  case refundAgain = "refund-again"
  /// A refund is opened whatever was given back before.
  case refundBeyond = "refund-beyond"
  /// All refunds of a payment have one id, and neither rows nor ledger mind.
  case reuseRefundID = "reuse-refund-id"
  /// What was charged without a payment, or for a dead order, is not given back.
  case forgetRefunds = "forget-refunds"
  /// What the bank says of a charge is given back although it may have been undone.
  case trustApproval = "trust-approval"
  /// A process that does not know whether its transaction committed goes on as if it had.
  case assumeCommit = "assume-commit"

  var notice: String? {
    switch self {
    case .resendUnclear, .ignoreClaim, .resumeAsked: "D1:"
    case .unclearDeclined, .trustAbsence, .earlyStatement, .trustReversal: "truth:"
    case .noTakeover, .forgetUnknown, .forgetWaiting: "D2:"
    case .loseVoids, .refundBeyond: "D3:"
    case .loseEvents: "D5:"
    case .refundAgain: "D6:"
    case .forgetRefunds: "refunds:"
    case .trustApproval: "D3:"
    case .claimAgain, .staleRead, .assumeCommit, .reuseRefundID: nil
    }
  }
}

/// What is drawn for one schedule before it begins. Times are nanoseconds.
struct Conditions {
  var rules: PaymentRules
  var processes: Int
  var payments: Int
  /// How long payments come and faults happen.
  var length: Int64
  var lease: Int64
  /// Calls that a process has at the bank at a time.
  var slots: Int
  /// Messages that are delivered again.
  var repeats: Double
  var reviews: Double
  var blocks: Double
  var cancels: Double
  var declines: Double
  var reversals: ReversalHabit
  /// Whether the bank gives back whatever it is asked to.
  var givesAnything: Bool
  /// Payments that the bank says to have declined, and charges all the same: of a bank without reversals, so that it
  /// does not undo them either.
  var brokenDeclines: Double
  /// Payments that callers want money back of, and those whose orders die.
  var refunds: Double
  var deadOrders: Double
  /// The mean time after which the payee spends.
  var spendEvery: Int64
  /// Of the calls to the bank: how many go wrong in these ways.
  var notSent: Double
  var lostAnswers: Double
  var unclearAnswers: Double
  var lostRequests: Double
  var slowRequests: Double
  /// Payments that the bank does not show at once.
  var hidden: Double
  /// Transactions whose answer is lost, committed or not.
  var lostCommits: Double
  /// The mean times between crashes and between pauses of a process.
  var crashEvery: Int64
  var pauseEvery: Int64
  /// The mean time between statements of the bank.
  var statementEvery: Int64

  init(_ random: inout SplitMix64) {
    rules = PaymentRules(
      bankTimeout: .seconds(random.pick([2, 10, 30])), bankHorizon: .seconds(random.pick([5, 60, 600])),
      hasReversals: random.roll(0.8), reviewTimeout: .seconds(random.pick([10, 300])),
      cardWait: .seconds(random.pick([5, 60])), rejectsCardReviews: random.roll(0.5))
    processes = random.draw(1...4)
    payments = random.draw(1...40)
    length = Int64(random.draw(5...300)) * 1_000_000_000
    lease = Int64(random.pick([2, 10])) * 1_000_000_000
    slots = random.pick([1, 4, 100])
    repeats = random.pick([0, 0.1, 0.6])
    reviews = random.pick([0, 0.1, 0.4])
    blocks = random.pick([0, 0.1])
    cancels = random.pick([0, 0.05, 0.4])
    declines = random.pick([0, 0.2])
    reversals =
      random.roll(0.5)
      ? .acknowledges : random.pick([.declinesAfterwards, .unknown, .refusesAtFirst, .chargesAfterwards])
    givesAnything = random.roll(0.7)
    brokenDeclines = reversals == .unknown ? random.pick([0, 0.2]) : 0
    refunds = random.pick([0, 0.3, 1])
    deadOrders = random.pick([0, 0.2])
    spendEvery = random.pick([0, 10_000_000_000])
    notSent = random.pick([0, 0.1, 0.5])
    lostAnswers = random.pick([0, 0.1, 0.5])
    unclearAnswers = random.pick([0, 0.1, 0.3])
    lostRequests = random.pick([0, 0.1, 0.3])
    slowRequests = random.pick([0, 0.1, 0.4])
    hidden = random.pick([0, 0.2, 0.8])
    lostCommits = random.pick([0, 0, 0.05, 0.2])
    let often: [Int64] = [0, 3_000_000_000, 30_000_000_000]
    crashEvery = random.pick(often)
    pauseEvery = random.pick(often)
    statementEvery = random.pick([0, 20_000_000_000, 120_000_000_000])
  }
}
