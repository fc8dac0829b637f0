internal import Postgres

/// Processing's tables in a schema.
public struct ProcessingTables: Sendable, Hashable {
  /// The tables as statements name them.
  let owner: String
  let payment: String
  let due: String
  let claim: String
  let attempt: String
  let exception: String
  let settlement: String
  let paymentArchive: String
  let refundArchive: String
  let attemptArchive: String
  let archiveFloor: String
  /// For FROM, before an alias: payments that are live, and refunds whether they are or not.
  let allRefund: String
  let allPayment: String
  let allAttempt: String
  let eventWait: String
  let eventDead: String
  let statement: String
  /// The debits that were commanded by message.
  package let debit: String

  /// - Parameter schema: its name as the catalogue has it, not quoted.
  public init(schema: String = "processing") {
    let prefix = quoteIdentifier(schema)
    owner = prefix + ".owner"
    payment = prefix + ".payment"
    due = prefix + ".due"
    claim = prefix + ".claim"
    attempt = prefix + ".attempt"
    exception = prefix + ".exception"
    settlement = prefix + ".settlement"
    paymentArchive = prefix + ".payment_archive"
    refundArchive = prefix + ".refund_archive"
    attemptArchive = prefix + ".attempt_archive"
    archiveFloor = prefix + ".archive_floor"
    allRefund = "(SELECT * FROM \(payment) UNION ALL SELECT * FROM \(refundArchive))"
    allPayment = prefix + ".all_payment"
    allAttempt = prefix + ".all_attempt"
    eventWait = prefix + ".event_wait"
    eventDead = prefix + ".event_dead"
    statement = prefix + ".statement"
    debit = prefix + ".debit"
  }
}
