import DirectDomain
import ProcessingDomain
import Values

/// The bank's side of an operation.
struct Operation {
  var isApproved: Bool
  /// Requests to charge that reached the bank.
  var requests = 0
  /// Charges less what was undone.
  var charges = 0
  var isDeclined = false
  var isReversed = false
  /// When it shows the payment to questions.
  var shownFrom: Int64 = .max
}

/// A bank that keeps what it does and does it again when asked again: no answer of its own is a repetition.
struct SimulatedBank {
  var operations: [UniqueID: Operation] = [:]

  /// - Parameter delay: how long it does not show the payment to questions.
  mutating func charge(_ id: UniqueID, at now: Int64, delay: Int64) -> BankAnswer {
    var operation = operations[id]!
    operation.requests += 1
    operation.shownFrom = min(operation.shownFrom, now + delay)
    defer { operations[id] = operation }
    if operation.isReversed || !operation.isApproved {
      operation.isDeclined = true
      return .declined
    }
    operation.charges += 1
    return .approved
  }

  func inquire(_ id: UniqueID, at now: Int64) -> BankAnswer {
    let operation = operations[id]!
    if operation.isReversed { return .reversed }
    guard operation.shownFrom <= now else { return .noSuchPayment }
    return operation.charges > 0 ? .approved : .declined
  }

  mutating func reverse(_ id: UniqueID) -> BankAnswer {
    operations[id]!.isReversed = true
    operations[id]!.charges = 0
    return .reversed
  }
}
