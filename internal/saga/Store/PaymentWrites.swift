internal import GroupCommit
internal import Logger
internal import Metrics
internal import Postgres
internal import SagaDomain
internal import Tracing

/// What a committed batch of writes causes besides its answers.
struct WriteEffects: Sendable {
  let sizes: Histogram
  let onCommit: @Sendable () -> Void
  let logger: Logger
  let tracer: Tracer
  /// Whether no session of the writers lives.
  let isDatabaseAway: @Sendable () -> Bool

  func committed<Call: WriteCommand, Outcome>(_ calls: [Call], _ results: [Result<Outcome, PaymentError>]) {
    sizes.observe(Double(results.count))
    onCommit()
    for (call, result) in zip(calls, results) {
      guard case .failure(let error) = result, error.code == .internal else { continue }
      logger.error(
        "a call failed on what is stored",
        [
          "order_id": .number(call.orderID), "trace_id": .describing(call.trace?.traceIDText),
          "error": .error(error),
        ])
    }
  }
}

/// What every command to write says of itself in logs.
protocol WriteCommand {
  var orderID: Int64 { get }
  var trace: TraceContext? { get }
}

extension SettleCommand: WriteCommand {}
extension CreateCommand: WriteCommand {}

/// A batch of writes on payments: what all kinds of them have in common.
protocol PaymentWrite: BatchTransaction where Failure == PaymentError, Call: WriteCommand {
  var effects: WriteEffects { get }
}

extension PaymentWrite {
  func committed(_ calls: [Call], _ results: [Result<Outcome, PaymentError>]) { effects.committed(calls, results) }

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
    try effects.tracer.recording("settle payments", calls.count, calls.map(\.trace)) { () throws(DatabaseError) in
      try transactions.settle(calls, mode: mode, on: connection)
    }
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
    try effects.tracer.recording("create payments", calls.count, calls.map(\.trace)) { () throws(DatabaseError) in
      try transactions.create(calls, mode: mode, on: connection)
    }
  }
}
