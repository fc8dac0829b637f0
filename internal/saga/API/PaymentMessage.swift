internal import SagaDomain
internal import SagaMessages
internal import StandardMessages
internal import Values

extension PaymentsV1.Payment {
  /// A payment as callers see it.
  init(_ payment: Payment) {
    self.init(
      id: payment.id, orderID: payment.orderID, status: PaymentsV1.PaymentStatus(payment.status),
      reason: payment.reason, version: payment.version, createdAt: GoogleProtobuf.Timestamp(payment.createdAt),
      updatedAt: GoogleProtobuf.Timestamp(payment.updatedAt),
      expiresAt: payment.expiresAt.map { GoogleProtobuf.Timestamp($0) }, amountMinor: payment.amountMinor,
      currency: payment.currency)
  }
}

extension GoogleProtobuf.Timestamp {
  /// A moment outside protobuf's range, `infinity` among them, becomes the first or last one within.
  init(_ timestamp: Timestamp) { self.init(microsecondsSince1970: timestamp.clamped.microseconds) }
}

extension PaymentsV1.PaymentStatus {
  init(_ status: PaymentStatus) {
    switch status {
    case .created: self = .created
    case .completed: self = .completed
    case .failed: self = .failed
    }
  }

  /// The domain's status; nil for UNSPECIFIED and for numbers that are none.
  var domainStatus: PaymentStatus? {
    switch self {
    case .created: .created
    case .completed: .completed
    case .failed: .failed
    default: nil
    }
  }
}
