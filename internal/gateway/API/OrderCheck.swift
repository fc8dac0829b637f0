internal import Money
internal import SagaClient
internal import Tracing
internal import Values

/// Asks the saga whether an order can be paid. A payment that waits for the bank must not outlive the order's, hence a
/// margin before the saga's payment expires.
struct OrderCheck: Sendable {
  /// The least time that the saga's payment must have left.
  static let margin = Duration.seconds(300)

  private let saga: (any SagaAsking)?

  /// - Parameter saga: nil where there is none.
  init(_ saga: (any SagaAsking)?) { self.saga = saga }

  /// - Parameter trace: of the request that asks.
  /// - Throws: why the order cannot be paid with this amount, or that the saga did not say.
  func require(_ order: Int64, _ amount: Money, trace: TraceContext?, deadline: Instant) async throws(Fault) {
    guard let saga else {
      throw Fault(422, .ordersNotSupported, "this installation takes no payments of orders", field: Self.field)
    }
    switch await saga.payment(ofOrder: order, trace: trace, deadline: deadline) {
    case .success(let payment): if let fault = Self.judge(payment, amount, now: .now()) { throw fault }
    case .failure:
      throw Fault(
        503, .sagaUnavailable, "the order could not be looked up; nothing was done", field: Self.field, retryAfter: 1)
    }
  }

  /// - Parameter payment: the saga's; nil when it does not know the order.
  /// - Returns: nil when the order can be paid.
  static func judge(_ payment: SagaPayment?, _ amount: Money, now: Timestamp) -> Fault? {
    guard let payment else {
      return Fault(409, .orderNotPayable, "there is no payment of this order to be made", field: field)
    }
    guard payment.isPayable(at: now, margin: margin) else {
      return Fault(
        409, .orderNotPayable,
        payment.status == .created
          ? "the payment of this order expires in less than five minutes"
          : "the payment of this order is settled already", field: field)
    }
    guard payment.expects(amount) else {
      let isOther = !payment.currency.isEmpty && payment.currency != amount.currency.code
      return Fault(
        422, .amountDiffers, "the order has another \(isOther ? "currency" : "amount")",
        field: isOther ? "currency" : "amount")
    }
    return nil
  }

  private static let field = "order_id"
}
