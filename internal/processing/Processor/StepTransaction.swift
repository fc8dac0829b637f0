internal import Errors
internal import GroupCommit
public import Postgres
internal import ProcessingDomain
internal import ProcessingStore
internal import Values

/// Why a call to the tables has no outcome.
struct StepFailure: Error {
  let failure: GroupCommitFailure
}

/// A step, and the claim that has to be in force for it; nil where it does not matter who tells.
struct StepCall: Sendable {
  let request: StepRequest
  let claim: Claim?
}

/// What a call to the tables gives.
enum StepReply: Sendable {
  /// The transaction has committed; it began at `began`.
  case result(RequestResult, began: Instant)
  /// The claim is not in force; nothing was done.
  case lostLease
}

/// Carries out the steps of many payments in one transaction.
struct StepTransaction: BatchTransaction {
  let store: ProcessingStore
  let lease: OwnerLease
  let effects: CommitEffects

  func subject(of call: StepCall) -> Int64 { Int64(truncatingIfNeeded: call.request.paymentID.low) }

  func execute(
    _ calls: [StepCall], mode: TransactionMode, on connection: Connection
  ) throws(DatabaseError) -> [Result<StepReply, StepFailure>] {
    let began = Instant.now()
    // Earlier claims of this process are lost for certain.
    let current = lease.current
    var alive = calls.map { $0.claim == nil || $0.claim == current }
    func run(by claim: Claim?) throws(DatabaseError) -> [RequestResult]? {
      let requests = zip(calls, alive).filter(\.1).map(\.0.request)
      if requests.isEmpty { return [] }
      switch try store.apply(requests, by: claim, begin: mode.begin, on: connection) {
      case .done(let results): return results
      case .lostLease: return nil
      }
    }
    let claim = zip(calls, alive).contains { $0.claim != nil && $1 } ? current : nil
    var results = try run(by: claim)
    if results == nil, let claim {
      lease.lose(claim, "another process has taken its work over")
      alive = calls.map { $0.claim == nil }
      results = try run(by: nil)
    }
    var rest = (results ?? [])[...]
    return alive.map { isAlive in
      guard isAlive, let result = rest.popFirst() else { return .success(.lostLease) }
      return .success(.result(result, began: began))
    }
  }

  func committed(_ calls: [Call], _ results: [Result<StepReply, StepFailure>]) { effects.committed(results) }

  func concernsEveryCall(_ error: DatabaseError) -> Bool { RefusedWrite.isOfTables(error) }

  func failure(_ failure: GroupCommitFailure) -> StepFailure { StepFailure(failure: failure) }
}

/// Claims many payments in one transaction.
struct ClaimTransaction: BatchTransaction {
  let store: ProcessingStore
  let lease: OwnerLease
  let effects: CommitEffects

  struct Call: Sendable {
    let payment: NewPayment
    let claim: Claim
  }

  func subject(of call: Call) -> Int64 { Int64(truncatingIfNeeded: call.payment.id.low) }

  func execute(
    _ calls: [Call], mode: TransactionMode, on connection: Connection
  ) throws(DatabaseError) -> [Result<StepReply, StepFailure>] {
    let began = Instant.now()
    let current = lease.current
    let alive = calls.map { $0.claim == current }
    let payments = zip(calls, alive).filter(\.1).map(\.0.payment)
    var results: ArraySlice<RequestResult> = []
    if let current, !payments.isEmpty {
      switch try store.claim(payments, by: current, begin: mode.begin, on: connection) {
      case .done(let claimed): results = claimed[...]
      case .lostLease: lease.lose(current, "another process has taken its work over")
      }
    }
    return alive.map { isAlive in
      guard isAlive, let result = results.popFirst() else { return .success(.lostLease) }
      return .success(.result(result, began: began))
    }
  }

  func committed(_ calls: [Call], _ results: [Result<StepReply, StepFailure>]) { effects.committed(results) }

  func concernsEveryCall(_ error: DatabaseError) -> Bool { RefusedWrite.isOfTables(error) }

  func failure(_ failure: GroupCommitFailure) -> StepFailure { StepFailure(failure: failure) }
}

extension PaymentProcessor {
  /// Whether the database refused to write a payment for its own values, so that it will be refused again.
  public static func refusesValues(_ error: DatabaseError) -> Bool { RefusedWrite.isOfValues(error) }
}

/// Whose fault it is that the database refused a write: that of the values, which will be refused again however often
/// they come, or that of the tables, which would refuse all others as well.
enum RefusedWrite {
  /// The constraints that the values of one payment can violate.
  private static let ofValues: Set<String> = [
    "payment_source_check", "payment_amount_check", "payment_order_id_check", "transfer_pkey", "event_wait_key_seq_key",
    "attempt_pkey", "account_available_check",
  ]

  static func isOfValues(_ error: DatabaseError) -> Bool {
    guard let state = error.sqlState else { return error.code == .content }
    // 2200H: a sequence at its end.
    if state.hasPrefix("22") { return state != "2200H" }
    return state.hasPrefix("23") && error.constraint.map(ofValues.contains) ?? false
  }

  static func isOfTables(_ error: DatabaseError) -> Bool {
    let isConstraint = error.sqlState.map { $0.hasPrefix("23") || $0 == "2200H" } ?? (error.code == .schema)
    return isConstraint && !isOfValues(error)
  }
}
