import DirectDomain
import ProcessingDomain
import Values

/// What a bank does when it is asked to reverse a charge that it does not know.
enum ReversalHabit {
  /// It acknowledges that, and refuses the charge from then on.
  case acknowledges
  /// It says that it knows no such payment, refuses the charge from then on, and says "declined" when it is asked.
  case declinesAfterwards
  /// It does not know reversals at all.
  case unknown
  /// It refuses to undo a charge when it is asked for the first time, and acknowledges it later.
  case refusesAtFirst
  /// It acknowledges that, and charges all the same when the request arrives.
  case chargesAfterwards
}

/// The bank's side of an operation.
struct Operation {
  var isApproved: Bool
  /// Of a refund, the operation that charged.
  var refundOf: UniqueID?
  /// Requests to charge that reached the bank.
  var requests = 0
  /// Whether the bank says "declined" to the request to charge, and charges all the same.
  var breaksItsWord = false
  /// Charges less what was undone.
  var charges = 0
  var isDeclined = false
  var isReversed = false
  /// It was to be reversed, and the bank did not want to.
  var isKept = false
  /// It was to be reversed and had not been charged.
  var isRefused = false
  /// When it shows the payment to questions.
  var shownFrom: Int64 = .max
}

/// A bank that keeps what it does and does it again when asked again: no answer of its own is a repetition.
struct SimulatedBank {
  var operations: [UniqueID: Operation] = [:]
  let reversals: ReversalHabit
  /// Whether it gives money back that it does not have, when it is asked to.
  let givesAnything: Bool

  init(reversals: ReversalHabit, givesAnything: Bool) {
    self.reversals = reversals
    self.givesAnything = givesAnything
  }

  /// - Parameter delay: how long it does not show the payment to questions.
  mutating func charge(_ id: UniqueID, at now: Int64, delay: Int64) -> BankAnswer {
    var operation = operations[id]!
    operation.requests += 1
    operation.shownFrom = min(operation.shownFrom, now + delay)
    defer { operations[id] = operation }
    let isRefused = operation.isReversed && reversals != .chargesAfterwards
    // It does not count how much of a charge it has given back: that is for us to do.
    let hasNothingToGiveBack = !givesAnything && (operation.refundOf.map { operations[$0]!.charges == 0 } ?? false)
    if isRefused || operation.isDeclined || !operation.isApproved || hasNothingToGiveBack {
      operation.isDeclined = true
      return .declined
    }
    operation.charges += 1
    return operation.breaksItsWord ? .declined : .approved
  }

  /// Whether a request to charge has reached it, shown or not.
  func has(_ id: UniqueID) -> Bool { operations[id]!.requests > 0 }

  func inquire(_ id: UniqueID, at now: Int64) -> BankAnswer {
    let operation = operations[id]!
    if operation.isReversed, operation.charges == 0 { return .reversed }
    guard operation.shownFrom <= now || operation.isRefused else { return .noSuchPayment }
    return operation.charges > 0 ? .approved : .declined
  }

  mutating func reverse(_ id: UniqueID) -> BankAnswer {
    switch reversals {
    case .acknowledges, .chargesAfterwards: break
    case .declinesAfterwards where operations[id]!.charges == 0:
      operations[id]!.isDeclined = true
      operations[id]!.isRefused = true
      return .noSuchPayment
    case .declinesAfterwards: break
    case .refusesAtFirst where operations[id]!.charges > 0 && !operations[id]!.isKept:
      operations[id]!.isKept = true
      return .approved
    case .refusesAtFirst: break
    case .unknown: return .unclear
    }
    operations[id]!.isReversed = true
    operations[id]!.charges = 0
    return .reversed
  }
}
