public import Postgres
public import RiskDomain
public import Values

/// Reads what risk decides over and writes what it has decided, as commands for the caller's transaction.
///
/// The transaction inserts the payments, runs `reads` for those that it has inserted, decides, and runs `writes` before
/// its COMMIT. So a payment is counted once, and of two at once the later one sees the other.
/// A value that any thread may use; make it once, since its statements are prepared on each connection.
public struct RiskBook: Sendable {
  /// How many payments a batch may have: each takes a few locks of the server's table of locks, which all sessions
  /// share.
  public static let maximumPayments = 256

  private let rules: RiskRules
  private let failure: RiskFailure

  /// - Parameter failure: what becomes of payments whose features cannot be had.
  public init(_ tables: RiskTables = RiskTables(), rules: RiskRules = .standard, failure: RiskFailure = .open) {
    self.rules = rules
    self.failure = failure
  }

  /// Locks what the payments are counted by, and reads their features.
  public func reads(_ payments: [RiskPayment]) -> [Command] {
    precondition(payments.count <= Self.maximumPayments, "a batch has at most \(Self.maximumPayments) payments")
    return []
  }

  /// Decides about payments by the answers to their `reads`, one after the other: a later one sees an earlier one.
  public func decide(_ payments: [RiskPayment], _ answers: some Collection<Rows>) throws(DatabaseError) -> RiskBatch {
    var decisions: [UniqueID: RiskDecision] = [:]
    for payment in payments { decisions[payment.id] = rules.decide(payment.facts) }
    return RiskBatch(decisions: decisions)
  }

  /// Writes what was decided.
  public func writes(_ batch: RiskBatch) -> [Command] { [] }
}

/// What was decided about the payments of one transaction.
public struct RiskBatch: Sendable {
  /// A decision for each payment.
  public let decisions: [UniqueID: RiskDecision]
}
