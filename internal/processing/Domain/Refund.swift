internal import Money
public import Values

/// Why money goes back. The raw values are those of the table.
public enum RefundCause: String, Sendable, Hashable, CaseIterable {
  /// A caller wants it.
  case caller
  /// The payment is COMPLETED, and its order cannot be settled any more.
  case orderDead = "order_dead"
  /// The bank has charged, and the payment is not COMPLETED.
  case chargedNotCompleted = "charged_not_completed"

  /// Whether nobody is there to be told that the payee lacks the money: such a refund waits for it.
  public var isAutomatic: Bool { self != .caller }
}

/// What makes a row of `processing.payment` a refund.
public struct RefundOrigin: Sendable, Hashable {
  /// The payment that it gives money back of.
  public let payment: UniqueID
  /// Why.
  public let cause: RefundCause

  /// An origin.
  public init(of payment: UniqueID, cause: RefundCause) {
    self.payment = payment
    self.cause = cause
  }
}

/// A wish to give money back.
public struct RefundOrder: Sendable, Hashable {
  /// The refund, and the bank's operation id.
  public let id: UniqueID
  /// Of which payment, and why.
  public let origin: RefundOrigin
  /// In minor units, above zero; nil for all that is left.
  public let amount: Int64?

  /// A wish.
  public init(id: UniqueID, origin: RefundOrigin, amount: Int64?) {
    self.id = id
    self.origin = origin
    self.amount = amount
  }
}

/// The refunds that a payment has, read under the lock of its row.
public struct RefundTotal: Sendable, Hashable {
  /// The most refunds of a payment that callers make, whatever became of them.
  public static let maximum = 100

  /// How many there are, whatever became of them.
  public var count: Int
  /// The sum of those that are neither REJECTED nor ERROR, in minor units: given back, or perhaps yet to be.
  public var amount: Int64

  /// The refunds of a payment; none.
  public init(count: Int = 0, amount: Int64 = 0) {
    self.count = count
    self.amount = amount
  }

  /// With one more.
  public mutating func add(_ refund: ProcessedPayment) {
    count += 1
    amount = amount.adding(saturating: refund.amount.minorUnits)
  }
}

/// Why no refund is opened. The raw values are those of the API.
public enum RefundRefusal: String, Sendable, Hashable, CaseIterable {
  /// The payment is not COMPLETED, or is a refund itself.
  case notRefundable = "not_refundable"
  /// More than is left of the payment.
  case exceedsPayment = "refund_exceeds_payment"
  /// The payment has `RefundTotal.maximum` refunds.
  case tooMany = "too_many_refunds"
  /// The payee has less than that available.
  case insufficientFunds = "insufficient_funds"
  /// The ledger refuses for another reason.
  case ledgerRefused = "ledger_refused"
}

/// What becomes of a wish to give money back.
public enum RefundDecision: Sendable, Hashable {
  /// The refund as it begins: in PROCESSING version 2, or already at its end in version 3.
  case opened(ProcessedPayment, StepEffects)
  /// Nothing is written.
  case refused(RefundRefusal)
}
