internal import GRPC
internal import Protobuf
internal import SagaMessages
internal import StandardMessages

/// What the saga's replies mean. An answer that only the saga itself can give is believed only with the saga's own
/// reason in its details: a proxy's NOT_FOUND says nothing of an order.
enum SagaAnswers {
  typealias Reply = Result<PaymentsV1.Payment, GRPCStatus>

  static func found(_ reply: Reply, order: Int64) -> Result<SagaPayment?, SagaFailure> {
    switch reply {
    case .success(let message):
      guard let payment = SagaPayment(message), payment.orderID == order else {
        return .failure(strange(message, order: order))
      }
      return .success(payment)
    case .failure(let status):
      return says(status, .notFound, "PAYMENT_NOT_FOUND") ? .success(nil) : .failure(SagaFailure(status.description))
    }
  }

  static func settled(_ reply: Reply, order: Int64, reason: String) -> SettleAnswer {
    switch reply {
    case .success(let message):
      guard message.orderID == order, message.status == .completed else {
        return .unavailable(strange(message, order: order))
      }
      return message.reason == reason ? .settled : .settledByAnother(reason: message.reason)
    case .failure(let status):
      if says(status, .notFound, "PAYMENT_NOT_FOUND") { return .unknownOrder }
      if says(status, .failedPrecondition, "PAYMENT_ALREADY_SETTLED") { return .refused(status.message) }
      return .unavailable(SagaFailure(status.description))
    }
  }

  static func failure(_ answer: Result<SagaPayment?, SagaFailure>) -> SagaFailure? {
    if case .failure(let failure) = answer { failure } else { nil }
  }

  private static func strange(_ message: PaymentsV1.Payment, order: Int64) -> SagaFailure {
    SagaFailure(
      "expected the payment of order \(order), found one of order \(message.orderID) with status \(message.status.number)"
    )
  }

  private static func says(_ status: GRPCStatus, _ code: GRPCCode, _ reason: String) -> Bool {
    guard status.code == code, let details = status.richStatus?.details else { return false }
    return details.contains { detail in
      guard let info = try? detail.unpack(as: GoogleRPC.ErrorInfo.self) else { return false }
      return info.domain == "payments.paysaga" && info.reason == reason
    }
  }
}
