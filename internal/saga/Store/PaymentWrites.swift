internal import GroupCommit
internal import Logger
internal import Metrics
internal import Postgres
internal import SagaDomain

/// What a committed batch of writes causes besides its answers.
struct WriteEffects: Sendable {
  let sizes: Histogram
  let onCommit: @Sendable () -> Void
  let logger: Logger
  /// Whether no session of the writers lives.
  let isDatabaseAway: @Sendable () -> Bool

  func committed<Outcome>(_ results: [Result<Outcome, PaymentError>]) {
    sizes.observe(Double(results.count))
    onCommit()
    for case .failure(let error) in results where error.code == .internal {
      logger.error("a call failed on what is stored", ["reason": .string(error.message)])
    }
  }
}

/// A batch of writes on payments: what all kinds of them have in common.
protocol PaymentWrite: BatchTransaction where Failure == PaymentError {
  var effects: WriteEffects { get }
}

extension PaymentWrite {
  func committed(_ results: [Result<Outcome, PaymentError>]) { effects.committed(results) }

  func concernsEveryCall(_ error: DatabaseError) -> Bool { WriteFault.isOfTables(error) }

  func failure(_ failure: GroupCommitFailure) -> PaymentError {
    PaymentError(failure, isDatabaseAway: effects.isDatabaseAway())
  }
}

/// Settles the payments of many callers: the group commit's batch is one `PaymentTransactions.settle`.
struct SettleTransaction: PaymentWrite {
  let transactions: PaymentTransactions
  let effects: WriteEffects

  func subject(of call: SettleCommand) -> Int64 { call.orderID }

  func execute(
    _ calls: [SettleCommand], mode: TransactionMode, on connection: Connection
  ) throws(DatabaseError) -> [Result<Payment, PaymentError>] {
    try transactions.settle(calls, mode: mode, on: connection)
  }
}

/// Opens payments for many callers: the group commit's batch is one `PaymentTransactions.create`.
struct CreateTransaction: PaymentWrite {
  let transactions: PaymentTransactions
  let effects: WriteEffects

  func subject(of call: CreateCommand) -> Int64 { call.orderID }

  func execute(
    _ calls: [CreateCommand], mode: TransactionMode, on connection: Connection
  ) throws(DatabaseError) -> [Result<CreateOutcome, PaymentError>] {
    try transactions.create(calls, mode: mode, on: connection)
  }
}

extension PaymentError {
  /// What a caller is told whose write has no outcome.
  /// - Parameter isDatabaseAway: what a call waited for until its time was up was a database that is away, and not an
  ///   answer: that is told rather than the deadline.
  init(_ failure: GroupCommitFailure, isDatabaseAway: Bool) {
    let isDeadlinePassed =
      if case .timeUp(isDeadline: true) = failure.reason { !isDatabaseAway } else { false }
    let (code, message, cause) = Self.parts(of: failure.reason)
    if failure.mayHaveHappened {
      let text = "it is not known whether the change was made; ask again to learn what came of it"
      self.init(.outcomeUnknown, text, isDeadlinePassed: isDeadlinePassed, cause: cause)
    } else {
      self.init(code, message + "; nothing was done", isDeadlinePassed: isDeadlinePassed, cause: cause)
    }
  }

  private static func parts(of reason: GroupCommitFailure.Reason) -> (Code, String, DatabaseError?) {
    switch reason {
    case .overloaded(let queue): (.overloaded, "more than \(queue) calls are waiting", nil)
    case .stopped: (.unavailable, "the server is shutting down", nil)
    case .timeUp: (.unavailable, "the database did not answer in time", nil)
    case .refused(let error) where WriteFault.isOfValues(error):
      (.internal, "the database refused the call", error)
    case .refused(let error): (.unavailable, "the database cannot take the call just now", error)
    }
  }
}
