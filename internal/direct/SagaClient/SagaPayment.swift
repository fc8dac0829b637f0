public import Money
internal import SagaMessages
internal import StandardMessages
public import Values

/// The saga's payment of an order, as far as direct payments look at it.
public struct SagaPayment: Sendable, Hashable {
  /// Where it stands. COMPLETED and FAILED are final.
  public enum Status: String, Sendable, Hashable, CaseIterable {
    case created = "CREATED"
    case completed = "COMPLETED"
    case failed = "FAILED"
  }

  /// The order's number, from 1.
  public let orderID: Int64
  /// Where it stands.
  public let status: Status
  /// What the caller said who settled it.
  public let reason: String
  /// In minor units; 0 when the saga names no amount.
  public let amountMinor: Int64
  /// Three letters, or empty when the saga names none.
  public let currency: String
  /// When the saga may fail it; nil for never.
  public let expiresAt: Timestamp?

  /// A payment of the saga.
  public init(
    orderID: Int64, status: Status, reason: String = "", amountMinor: Int64 = 0, currency: String = "",
    expiresAt: Timestamp? = nil
  ) {
    self.orderID = orderID
    self.status = status
    self.reason = reason
    self.amountMinor = amountMinor
    self.currency = currency
    self.expiresAt = expiresAt
  }

  /// Whether it can still be paid, with so much time left before the saga fails it.
  public func isPayable(at now: Timestamp, margin: Duration) -> Bool {
    status == .created && (expiresAt.map { now + margin <= $0 } ?? true)
  }

  /// Whether the saga expects this amount; what it does not name may be any.
  public func expects(_ amount: Money) -> Bool {
    (currency.isEmpty || currency == amount.currency.code) && (amountMinor == 0 || amountMinor == amount.minorUnits)
  }
}

extension SagaPayment {
  /// - Returns: nil for a status that this version does not know.
  init?(_ payment: PaymentsV1.Payment) {
    let status: Status
    switch payment.status {
    case .created: status = .created
    case .completed: status = .completed
    case .failed: status = .failed
    case .unspecified, .unrecognized: return nil
    }
    self.init(
      orderID: payment.orderID, status: status, reason: payment.reason, amountMinor: payment.amountMinor,
      currency: payment.currency,
      expiresAt: payment.expiresAt?.microsecondsSince1970.map { Timestamp(microseconds: $0) })
  }
}
