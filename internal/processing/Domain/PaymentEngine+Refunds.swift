internal import DirectDomain
public import LedgerDomain
internal import Money
public import Values

/// Decides whether money goes back, and how that begins.
///
/// Pure. The caller has locked the payment's row and then read its refunds, so that none is opened meanwhile. From then
/// on a refund is a payment in the other direction: the money that its payee has is reserved, the bank is asked, and
/// everything that can happen to a charge can happen to it.
extension PaymentEngine {
  /// Opens a refund.
  /// - Parameters:
  ///   - payment: the one that `order` names.
  ///   - total: its refunds so far.
  ///   - ledger: has been given the accounts of `RefundAccounts` and the transfers of both ids; changes only when the
  ///     refund is opened.
  public func open(
    _ order: RefundOrder, of payment: ProcessedPayment, total: RefundTotal, at now: Timestamp,
    ledger: inout LedgerBatch
  ) -> RefundDecision {
    let cause = order.origin.cause
    guard payment.isRefundable(cause) else { return .refused(.notRefundable) }
    let (left, overflows) = payment.amount.minorUnits.subtractingReportingOverflow(total.amount)
    let amount = order.amount ?? left
    guard !overflows, amount >= 1, amount <= left else { return .refused(.exceedsPayment) }
    if !cause.isAutomatic, total.count >= RefundTotal.maximum { return .refused(.tooMany) }
    let accounts = RefundAccounts(of: payment, cause)
    var trial = ledger
    if let putAside = accounts.putAside {
      // A person has moved it out of suspense.
      if ledger.knows(TransferID.of(payment.id, .release)) { return .refused(.exceedsPayment) }
      switch trial.decide(.single(putAside)) {
      case .created, .exists: break
      case .refused: return .refused(.ledgerRefused)
      }
    }
    let refund = ProcessedPayment(
      order.id, payment.method, Money(minorUnits: amount, payment.amount.currency), accounts.debit, accounts.credit,
      now,
      .processing, .ready, refund: order.origin)
    var change = PaymentChange(refund, rules: rules, now: now)
    let outcome = change.openRefund(&trial)
    guard case .changed(let effects) = outcome, change.payment.state != .rejected else {
      return .refused(change.payment.reason == .insufficientFunds ? .insufficientFunds : .ledgerRefused)
    }
    ledger = trial
    return .opened(change.payment, effects)
  }
}

/// Where a refund's money comes from and goes to.
public struct RefundAccounts: Sendable, Hashable {
  /// The account that pays.
  public let debit: UniqueID
  /// The account that is paid.
  public let credit: UniqueID
  /// What a charge without a payment needs first: nobody has been paid, so that the money that came belongs to no
  /// payment.
  public let putAside: TransferRequest.Movement?

  /// The accounts of a refund of this payment.
  public init(of payment: ProcessedPayment, _ cause: RefundCause) {
    guard cause == .chargedNotCompleted else {
      (debit, credit, putAside) = (payment.credit, payment.debit, nil)
      return
    }
    let aside = Self.putAside(payment)
    (debit, credit, putAside) = (aside.credit, aside.debit, aside)
  }

  /// What puts the charge of a payment aside: into suspense.
  public static func putAside(_ payment: ProcessedPayment) -> TransferRequest.Movement {
    TransferRequest.Movement(
      id: TransferID.of(payment.id, .suspense), debit: payment.debit,
      credit: LedgerAccount.ours(.suspense, payment.amount.currency).id, amount: payment.amount)
  }
}

extension ProcessedPayment {
  /// Whether money of it may go back for that reason.
  func isRefundable(_ cause: RefundCause) -> Bool {
    guard refund == nil else { return false }
    switch cause {
    case .caller, .orderDead: return state == .completed
    case .chargedNotCompleted: return method.needsBank && (state == .rejected || state == .error)
    }
  }
}
