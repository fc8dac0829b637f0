import SagaDomain
import Values

/// Payments and identities that tests can predict.
enum Samples {
  static let created = Timestamp(microseconds: 1_000_000)
  static let now = Timestamp(microseconds: 5_000_000)

  static func payment(
    order: Int64, status: PaymentStatus = .created, reason: String = "", version: Int64 = 1, amount: Int64 = 0,
    currency: String = ""
  ) -> Payment {
    Payment(
      id: order + 1_000, orderID: order, status: status, reason: reason, version: version, amountMinor: amount,
      currency: currency, idempotentKey: nil, createdAt: created, updatedAt: created, expiresAt: nil)
  }

  /// Identities 0, 1, 2, …
  static func counter() -> () -> UniqueID {
    var next: UInt64 = 0
    return {
      defer { next += 1 }
      return UniqueID(high: 0, low: next)
    }
  }
}
