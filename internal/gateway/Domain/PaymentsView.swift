internal import DirectDomain
internal import Money
internal import Values

/// A payment as the payments surface shows it: nine fields in this order, in answers and on topics.
public struct PaymentsView: Sendable, Hashable {
  private let payment: GatewayPayment
  private let user: String
  private let account: String
  private let note: String?

  /// A payment of the payments surface.
  public init(_ payment: GatewayPayment, _ details: PaymentsDetails) {
    self.payment = payment
    user = details.user
    account = details.account
    note = details.note
  }

  /// A payment of the transactions surface, whose message serves readers of this one, too.
  init(_ payment: GatewayPayment, _ details: TransactionsDetails) {
    self.payment = payment
    user = payment.userID.description
    account = details.account
    note = nil
  }

  /// The object.
  public func json() -> [UInt8] { JSONWriter.object(reserving: 384, add) }

  /// The fields.
  func add(to object: inout JSONObjectWriter) {
    let standing = payment.standing
    object.add("paymentId", payment.id)
    object.add("userId", user)
    object.add("created", payment.createdAt.localTime(decimals: true))
    object.add("processed", standing.state.isFinal ? standing.since.localTime(decimals: true) : nil)
    object.add("state", standing.state.paymentsWord)
    object.add("accountNumber", account)
    object.add("amount", ShortDecimal(money: payment.amount))
    object.add("description", payment.description ?? "")
    object.add("extPaymentDetails", outcome ?? note)
  }

  /// What became of the payment, and how long that took; nil until it is final.
  public var outcome: String? {
    let standing = payment.standing
    guard standing.state.isFinal else { return nil }
    let time = standing.since.microseconds.subtracting(saturating: payment.createdAt.microseconds)
    let seconds = max(0, time.adding(saturating: 500_000) / 1_000_000)
    return standing.state == .completed
      ? "Payment processed in \(seconds) seconds" : "Payment rejected after \(seconds) seconds"
  }
}
