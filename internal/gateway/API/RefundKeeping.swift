package import ProcessingStore
package import Processor
package import Values

/// Opens refunds and has them executed. Callable on any thread.
package protocol RefundExecuting: Sendable {
  /// Opens a refund, or finds what the same wish has opened before.
  func refund(_ wish: NewRefund, deadline: Instant) async -> RefundAnswer
}

extension PaymentProcessor: RefundExecuting {}

/// Refunds as processing keeps them. Callable on any thread.
package protocol RefundKeeping: Sendable {
  /// The refunds of a payment, oldest first.
  func list(of payment: UniqueID, deadline: Instant) async throws(StoreTrouble) -> [StoredRefund]
}
