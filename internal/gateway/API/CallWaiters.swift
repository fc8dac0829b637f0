package import Values

/// All that calls wait for. Callable on any thread.
package struct CallWaiters: Sendable {
  /// Those that wait for payments.
  package let payments: PaymentWaiters
  /// Those that wait for refunds.
  package let refunds: RefundWaiters

  /// Both.
  package init(payments: PaymentWaiters, refunds: RefundWaiters) {
    self.payments = payments
    self.refunds = refunds
  }

  /// Says that payments or refunds have changed.
  package func changed(_ ids: [UniqueID]) {
    payments.changed(ids)
    refunds.changed(ids)
  }

  /// Says that changes may have gone unnoticed.
  package func changedPerhaps() {
    payments.changedPerhaps()
    refunds.changedPerhaps()
  }
}
